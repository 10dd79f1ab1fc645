"""manifest.json: a bundle's facts and ports, with the digest of every other file and of its own content."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import BundleError
from ..images.preprocessing import Preprocessing, from_schema_1
from ..schema import from_facts, to_facts

SCHEMA = 2
_KNOWN = (1, 2)
TASKS = ("multi-label", "multi-class", "binary")
PRECISIONS = ("FP32", "BF16", "INT8")
MAX_MANIFEST_BYTES = 16 * 1024 * 1024

# Names of the tensors by which a bundle's graph is fed and read.
INPUT = "image"
"""uint8 (1, size, size)."""
OUTPUT = "probabilities"
"""float32 (1, C)."""
MAPS = "activation_maps"
"""float32 (1, V, C, H, W): logits of the head at every cell of every view's feature map. Bundles from before
there were heatmaps lack it."""


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """Digest and length of one file of a bundle."""

    sha256: str
    """Lower-case hexadecimal SHA-256."""
    size: int
    """Length in bytes."""

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"a file's size must be a whole number of bytes, got {self.size}.")
        if len(self.sha256) != 64:
            raise ValueError(f"a file's sha256 must be 64 hexadecimal digits, got {self.sha256!r}.")


@dataclass(frozen=True, kw_only=True)
class Port:
    """One input or output of the model graph."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """numpy's name of the element type."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of manifest.json."""

    name: str
    task: str
    """One of TASKS."""
    classes: tuple[str, ...]
    thresholds: dict[str, float]
    """Per class, the probability in 0..1 from which on it counts as a finding."""
    preprocessing: Preprocessing
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    precision: str
    """One of PRECISIONS."""
    instruction_sets: tuple[str, ...] = ()
    """Of the machine on which the gate answered, as Linux names them; empty where no gate was asked."""
    golden: dict[str, Any]
    """`images`: how many golden.npz holds; `tolerance`: largest difference of a probability that agrees."""
    calibration: dict[str, Any] | None = None
    """The images that INT8 was calibrated on, and how they were drawn."""
    gate: dict[str, Any] | None = None
    """The gate's verdict, with its intervals and the images that it was given on."""
    match: dict[str, Any] | None = None
    """How near the bundle comes to predictions that the user had of the network."""
    provenance: dict[str, Any]
    intended_use: str
    files: dict[str, FileFacts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"task must be one of {', '.join(TASKS)}, got {self.task!r}.")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}.")
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes must be named once each, got {self.classes}.")
        if set(self.thresholds) != set(self.classes):
            raise ValueError("thresholds must name exactly the classes.")
        if not all(0 <= t <= 1 for t in self.thresholds.values()):
            raise ValueError(f"thresholds must be in 0..1, got {self.thresholds}.")
        tolerance = self.golden.get("tolerance")
        if not isinstance(tolerance, float) or not 0 < tolerance < 1:
            raise ValueError(f"golden tolerance must be in (0, 1), got {tolerance!r}.")

    def part(self, name: str) -> dict[str, Any]:
        """A field or a part of the provenance by its name; empty where there is none."""
        return getattr(self, name, None) or self.provenance.get(name) or {}

    def encode(self) -> bytes:
        """The bytes of manifest.json: canonical, and ending in the digest of all the rest.

        A change of any one byte shows: either this is no longer the canonical form, or the content no
        longer has the digest it names. That catches accidents; against intent a signature is needed.
        """
        files = dict(sorted(self.files.items()))
        return _seal({"schema": SCHEMA, **to_facts(replace(self, files=files))})

    @classmethod
    def decode(cls, encoded: bytes) -> "Manifest":
        """Read manifest.json.

        Raises:
            BundleError: not JSON, from a newer schema, changed since it was written, or incomplete.
        """
        try:
            content = json.loads(encoded)
        except (ValueError, RecursionError) as error:
            raise BundleError(
                f"manifest.json is not readable JSON ({error}); export the bundle again"
            ) from error
        if not isinstance(content, dict):
            raise BundleError("manifest.json must hold an object; export the bundle again")
        schema = content.get("schema")
        if schema not in _KNOWN:
            raise BundleError(
                f"manifest.json has schema {schema!r}, this xopt reads {' and '.join(map(str, _KNOWN))}; "
                "update xopt or export the bundle again"
            )
        facts = {key: value for key, value in content.items() if key not in ("schema", "content_sha256")}
        try:
            unchanged = _seal({"schema": schema, **facts}) == encoded
            manifest = from_facts(cls, _from_schema_1(facts) if schema == 1 else facts)
        except (ValueError, RecursionError) as error:
            raise BundleError(
                f"manifest.json does not fit its schema ({error}); export the bundle again"
            ) from error
        if not unchanged:
            raise BundleError("manifest.json was changed since it was written; export the bundle again")
        return manifest


def _from_schema_1(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of schema 1 as schema 2 has them: the gate and the calibration stood in the provenance."""
    new = dict(facts)
    if isinstance(facts.get("preprocessing"), dict):
        new["preprocessing"] = from_schema_1(facts["preprocessing"])
    if isinstance(facts.get("provenance"), dict):
        new["provenance"] = dict(facts["provenance"])
        new |= {name: new["provenance"].pop(name, None) for name in ("calibration", "gate")}
    return new


def _seal(content: dict[str, Any]) -> bytes:
    """The canonical bytes of a manifest's content and of its digest."""
    return _canonical({**content, "content_sha256": hashlib.sha256(_canonical(content)).hexdigest()})


def _canonical(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()
