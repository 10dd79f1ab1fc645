"""The language model as a proposer: asked, read with care, ranked by the surrogate beside its own."""

from typing import TYPE_CHECKING

from ...runtime.lazy import resolver

if TYPE_CHECKING:
    from .proposer import LlmProposer, make_llm_proposer
    from .settings import LlmSettings

__all__ = [
    "LlmProposer",
    "LlmSettings",
    "make_llm_proposer",
]

_HOMES = {
    "proposer": ("LlmProposer", "make_llm_proposer"),
    "settings": ("LlmSettings",),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
