"""The language model as a proposer: asked, read with care, ranked by the surrogate beside its own."""

from typing import TYPE_CHECKING

from ...runtime.lazy import resolver

if TYPE_CHECKING:
    from .client import LlmSettings
    from .proposer import LlmProposer, make_llm_proposer

__all__ = [
    "LlmProposer",
    "LlmSettings",
    "make_llm_proposer",
]

_HOMES = {
    "client": ("LlmSettings",),
    "proposer": ("LlmProposer", "make_llm_proposer"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
