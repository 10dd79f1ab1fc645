"""What a device installs: bundles, image decoding, the classifier. Never torch.

    from xopt.runtime import Classifier

    with Classifier.load("chexnet-int8.xopt") as classifier:
        print(classifier.predict("chest.png").probabilities)

The names below are resolved when they are first used, so that the command line answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bundle import Bundle
    from .classifier import Classifier, Failure, Result
    from .errors import (
        BundleError,
        CheckpointError,
        DataError,
        DependencyError,
        GateError,
        InputError,
        OutputError,
        UsageError,
        XoptError,
    )
    from .manifest import Manifest
    from .preprocessing import Preprocessing

__all__ = [
    "Bundle",
    "BundleError",
    "CheckpointError",
    "Classifier",
    "DataError",
    "DependencyError",
    "Failure",
    "GateError",
    "InputError",
    "Manifest",
    "OutputError",
    "Preprocessing",
    "Result",
    "UsageError",
    "XoptError",
]

_HOMES = {
    "Bundle": "bundle",
    "Classifier": "classifier",
    "Failure": "classifier",
    "Result": "classifier",
    "Manifest": "manifest",
    "Preprocessing": "preprocessing",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
