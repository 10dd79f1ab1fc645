"""The part that a device installs: bundles, image decoding, the classifier. Never torch.

    from xopt.runtime import Classifier

    with Classifier.load("chexnet-int8.xopt") as classifier:
        print(classifier.predict("chest.png").probabilities)

The names below are resolved when they are first used, so that the command line answers at once.
"""

from typing import TYPE_CHECKING

from .lazy import resolver

if TYPE_CHECKING:
    from .bundle.bundle import Bundle
    from .bundle.manifest import Manifest
    from .bundle.signature import KeyPair, Signed, Verifier, new_key, sign_bundle
    from .classifier import Classifier
    from .errors import (
        BundleError,
        BusyError,
        CheckpointError,
        ClusterError,
        DataError,
        DependencyError,
        DeviceError,
        GateError,
        InputError,
        KeyFileError,
        OutputError,
        StoppedError,
        TrainingError,
        UsageError,
        XoptError,
    )
    from .images.decoded import Decoded
    from .images.image import decode_with_notes
    from .images.preprocessing import Preprocessing
    from .results import Failure, Result, Trace

__all__ = [
    "Bundle",
    "BundleError",
    "BusyError",
    "CheckpointError",
    "Classifier",
    "ClusterError",
    "DataError",
    "Decoded",
    "DependencyError",
    "DeviceError",
    "Failure",
    "GateError",
    "InputError",
    "KeyFileError",
    "KeyPair",
    "Manifest",
    "OutputError",
    "Preprocessing",
    "Result",
    "Signed",
    "StoppedError",
    "Trace",
    "TrainingError",
    "UsageError",
    "Verifier",
    "XoptError",
    "decode_with_notes",
    "new_key",
    "sign_bundle",
]

_HOMES = {
    "bundle.bundle": ("Bundle",),
    "bundle.manifest": ("Manifest",),
    "bundle.signature": ("KeyPair", "Signed", "Verifier", "new_key", "sign_bundle"),
    "classifier": ("Classifier",),
    "errors": (
        "BundleError",
        "BusyError",
        "CheckpointError",
        "ClusterError",
        "DataError",
        "DependencyError",
        "DeviceError",
        "GateError",
        "InputError",
        "KeyFileError",
        "OutputError",
        "StoppedError",
        "TrainingError",
        "UsageError",
        "XoptError",
    ),
    "images.decoded": ("Decoded",),
    "images.image": ("decode_with_notes",),
    "images.preprocessing": ("Preprocessing",),
    "results": ("Failure", "Result", "Trace"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
