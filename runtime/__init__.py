"""What a device installs: bundles, image decoding, the classifier. Never torch.

    from xopt.runtime import Classifier

    with Classifier.load("chexnet-int8.xopt") as classifier:
        print(classifier.predict("chest.png").probabilities)

The names below are resolved when they are first used, so that the command line answers at once.
"""

from typing import TYPE_CHECKING

from .lazy import resolver

if TYPE_CHECKING:
    from .bundle import Bundle
    from .classifier import Classifier
    from .decoding.decoded import Decoded
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
    from .image import decode_with_notes
    from .manifest import Manifest
    from .preprocessing import Preprocessing
    from .results import Failure, Result, Trace
    from .signature import KeyPair, Signed, Verifier, new_key, sign_bundle

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
    "bundle": ("Bundle",),
    "classifier": ("Classifier",),
    "decoding.decoded": ("Decoded",),
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
    "image": ("decode_with_notes",),
    "manifest": ("Manifest",),
    "preprocessing": ("Preprocessing",),
    "results": ("Failure", "Result", "Trace"),
    "signature": ("KeyPair", "Signed", "Verifier", "new_key", "sign_bundle"),
}

__getattr__, __dir__ = resolver(__name__, _HOMES)
