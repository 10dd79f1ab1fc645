"""`xopt verify`: every digest, the schema, and the golden images on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .backend import open_backend
from .bundle import Bundle
from .golden import Parity, check_parity
from .loading import check_shapes


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A bundle that is what it says, and answers here as where it was made."""

    bundle: Bundle
    parity: Parity

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        manifest = self.bundle.manifest
        return {
            "bundle": str(self.bundle.path),
            "digest": self.bundle.digest,
            "name": manifest.name,
            "precision": manifest.precision,
            "crops": manifest.preprocessing.crops,
            "classes": list(manifest.classes),
            "files": {name: {"sha256": f.sha256, "size": f.size} for name, f in manifest.files.items()},
            "golden": {
                "images": self.parity.images,
                "max_difference": self.parity.max_difference,
                "tolerance": self.parity.tolerance,
            },
        }


def verify(path: Path) -> Verified:
    """Check a bundle completely.

    Raises:
        BundleError: a file is missing, added, changed or a link, the manifest does not fit, or the golden
            images get other answers on this machine.
    """
    bundle = Bundle.open(path)
    backend = open_backend(bundle)
    check_shapes(bundle, backend)
    return Verified(bundle=bundle, parity=check_parity(bundle, backend))
