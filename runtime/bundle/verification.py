"""`xopt verify`: every digest, the schema, and the golden images on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backends.base import open_backend
from .folder import Bundle
from .golden import Parity, check_parity
from .loading import check_shapes
from .signature import KeySource, Verifier


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A bundle that is what it says, and answers here as where it was made."""

    bundle: Bundle
    parity: Parity
    engine: str
    """What answered for the golden images."""
    key: str | None
    """Fingerprint of the public key that its signature was checked with, if one was given."""

    @property
    def signature(self) -> str:
        """What is known of its signature, in words."""
        if self.key is not None:
            return f"Ed25519, by key {self.key}"
        return "there, not checked (give --key PUBLIC.pem)" if self.bundle.signed else "none"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        manifest = self.bundle.manifest
        return {
            "bundle": str(self.bundle.path),
            "engine": self.engine,
            "digest": self.bundle.digest,
            "name": manifest.name,
            "precision": manifest.precision,
            "crops": manifest.preprocessing.crops,
            "classes": list(manifest.classes),
            "signature": {"present": self.bundle.signed, "checked_with": self.key},
            "files": {name: {"sha256": f.sha256, "size": f.size} for name, f in manifest.files.items()},
            "golden": {
                "images": self.parity.images,
                "max_difference": self.parity.max_difference,
                "tolerance": self.parity.tolerance,
            },
        }


def verify(
    path: Path, *, public_key: KeySource | None = None, engine: str = "openvino", device: str = "CPU"
) -> Verified:
    """Check a bundle completely; with a public key, its signature as well.

    Args:
        path: the bundle's folder.
        public_key: whose signature it has to bear, if any.
        engine: openvino or onnxruntime; the golden images run there.
        device: as for `open_backend`.

    Raises:
        BundleError: a file is missing, added, changed or a link, the manifest does not fit, the signature is
            missing or wrong, or the golden images get other answers on this machine.
        KeyFileError: `public_key` is no Ed25519 public key.
        UsageError: an engine or device that there is not.
        DeviceError: this machine has no such device.
        DependencyError: the engine is not installed.
    """
    verifier = None if public_key is None else Verifier(public_key)
    bundle = Bundle.open(path, verifier=verifier)
    backend = open_backend(bundle, engine=engine, device=device)
    check_shapes(bundle, backend)
    return Verified(
        bundle=bundle,
        parity=check_parity(bundle, backend),
        engine=engine,
        key=None if verifier is None else verifier.fingerprint,
    )
