"""The model cache: compiled graphs kept between starts, on request, and believed only by their digest.

OpenVINO's own cache takes flipped and stale blobs (docs/decisions/0004). Here a blob is kept under the
SHA-256 of all that decides about it, with its own SHA-256 beside it, and handed over from memory.
"""

import hashlib
import json
import logging
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..files import read_regular, write_file

MAX_BLOB_BYTES = 4 * 1024**3
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelCache:
    """A folder of compiled graphs, seen for one bundle.

    Whoever may write to the folder can replace a blob together with its digest: it must belong to the device
    software alone. Blobs of other versions and bundles stay until somebody removes them.
    """

    folder: Path
    """Made when the first blob is stored."""
    bundle_digest: str

    def key(self, *, engine_version: str, device: str, settings: dict[str, Any]) -> str:
        """The name of a blob: SHA-256 of the bundle's digest, the engine's version, the CPU and the settings.

        Args:
            engine_version: OpenVINO's version with its build.
            device: the device's full name.
            settings: what the graph is compiled with: precision, threads, performance hint.
        """
        facts = {
            "bundle": self.bundle_digest,
            "engine": engine_version,
            "device": device,
            "cpu": cpu_identity(),
            "settings": settings,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def load(self, key: str) -> bytes | None:
        """The blob of this name, or None where there is none or it is not the one that was stored."""
        try:
            blob = read_regular(self._blob(key), limit=MAX_BLOB_BYTES)
            stored = read_regular(self._digest(key), limit=1024)
        except OSError:
            return None
        if _digest_line(blob) != stored:
            _log.warning("%s is not the blob that was stored; the graph is compiled again", self._blob(key))
            return None
        return blob

    def store(self, key: str, blob: bytes) -> None:
        """Keep a blob. A cache that cannot be written costs a second at the next start, not the answer."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # A reader between the two writes finds a digest that does not fit, and compiles.
            write_file(self._blob(key), blob, force=True)
            write_file(self._digest(key), _digest_line(blob), force=True)
        except (OSError, OutputError) as error:
            _log.warning("the compiled graph is not kept: %s", error)

    def _blob(self, key: str) -> Path:
        return self.folder / f"{key}.blob"

    def _digest(self, key: str) -> Path:
        return self.folder / f"{key}.sha256"


def _digest_line(blob: bytes) -> bytes:
    return f"{hashlib.sha256(blob).hexdigest()}\n".encode()


def cpu_identity() -> str:
    """Digest of all that a compiled graph depends on: the CPU's architecture, model and instruction sets."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = [platform.processor()]
    wanted = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "Features", "CPU part")
    facts = {line for line in lines if line.partition(":")[0].strip() in wanted}
    return hashlib.sha256("\n".join([platform.machine(), *sorted(facts)]).encode()).hexdigest()
