"""Bundles: one folder, one deployable variant, every byte accounted for before it is used."""

import hashlib
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ..errors import BundleError
from ..files import read_regular, staged_folder
from .manifest import MAX_MANIFEST_BYTES, FileFacts, Manifest

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
"""The one file that a bundle may hold and its manifest cannot name: an Ed25519 signature of the manifest."""
SIGNATURE_BYTES = 64
MODEL = "model.xml"
WEIGHTS = "model.bin"
ONNX = "model.onnx"
GOLDEN = "golden.npz"
REQUIRED = (MODEL, WEIGHTS, GOLDEN)
MAX_BUNDLE_BYTES = 4 * 1024**3
"""All of a bundle is read into memory; DenseNet-121 with its ONNX form has 57 MB."""


class ManifestVerifier(Protocol):
    """Checks the signature of a manifest; `signature.Verifier` does so with an Ed25519 key."""

    def check(self, path: Path, manifest: bytes, signature: bytes | None) -> None:
        """Insist that `signature` is a valid one of the bytes of `manifest`.

        Raises:
            BundleError: there is none, or it is not valid.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle whose files were all hashed and found to be those that its manifest names.

    The bytes handed out by `read` are the bytes that were hashed: what happens to the folder afterwards
    changes nothing.
    """

    path: Path
    manifest: Manifest
    digest: str
    """The bundle's identity: SHA-256 of manifest.json."""
    _contents: dict[str, bytes]
    signed: bool = False
    """Whether it holds a signature; that says nothing until a verifier has checked it."""

    @classmethod
    def open(cls, path: Path | str, *, verifier: ManifestVerifier | None = None) -> "Bundle":
        """Read a bundle and check every file against the manifest.

        Args:
            path: the bundle's folder.
            verifier: insist on a signature by this key, before anything of the bundle is interpreted.

        Raises:
            BundleError: the folder is missing or holds anything but exactly the files its manifest names,
                each a regular file with the named size and SHA-256; or the signature is missing or wrong.
        """
        folder = Path(path)
        names = _listing(folder)
        if MANIFEST not in names:
            raise BundleError(
                f"{folder} holds no {MANIFEST}, so it is no bundle; make one with: {_export(folder)}"
            )
        encoded = _read(folder, MANIFEST, limit=MAX_MANIFEST_BYTES)
        signature = _read_signature(folder) if SIGNATURE in names else None
        if verifier is not None:
            verifier.check(folder, encoded, signature)
        try:
            manifest = Manifest.decode(encoded)
            _check_names(names, manifest)
        except BundleError as error:
            raise BundleError(f"{folder}: {error}") from error
        contents = {name: _read_checked(folder, name, facts) for name, facts in manifest.files.items()}
        return cls(
            path=folder,
            manifest=manifest,
            digest=hashlib.sha256(encoded).hexdigest(),
            _contents=contents,
            signed=signature is not None,
        )

    def has(self, name: str) -> bool:
        """Say whether the bundle holds a file of this name."""
        return name in self._contents

    def read(self, name: str) -> bytes:
        """The verified bytes of a file.

        Raises:
            BundleError: the bundle holds no such file.
        """
        if name not in self._contents:
            raise BundleError(f"{self.path} holds no {name}; it holds {', '.join(sorted(self._contents))}")
        return self._contents[name]


def write_bundle(path: Path, manifest: Manifest, files: dict[str, bytes], *, force: bool = False) -> Bundle:
    """Write a bundle, complete or not at all.

    Args:
        path: the bundle's folder.
        manifest: everything but `files`, which is filled in here.
        files: name and content of every file beside the manifest.
        force: replace a bundle that is there.

    Raises:
        OutputError: something is there already, or the disk refused.
    """
    if missing := [name for name in REQUIRED if name not in files]:
        raise ValueError(f"a bundle needs {', '.join(missing)}.")
    facts = {
        name: FileFacts(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        for name, content in files.items()
    }
    complete = replace(manifest, files=facts)
    encoded = complete.encode()
    with staged_folder(path, force=force, marker=MANIFEST) as stage:
        for name, content in {**files, MANIFEST: encoded}.items():
            (stage / name).write_bytes(content)
    return Bundle(
        path=path, manifest=complete, digest=hashlib.sha256(encoded).hexdigest(), _contents=dict(files)
    )


def _export(folder: Path) -> str:
    return f"xopt export CHECKPOINT --out {folder}"


def _listing(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except FileNotFoundError:
        raise BundleError(f"no bundle at {folder}; make one with: {_export(folder)}") from None
    except NotADirectoryError:
        raise BundleError(
            f"{folder} is a file, not a bundle folder; give the folder that xopt wrote"
        ) from None
    except (OSError, ValueError) as error:
        raise BundleError(
            f"cannot read bundle {folder}: {getattr(error, 'strerror', None) or error}"
        ) from error


def _check_names(found: set[str], manifest: Manifest) -> None:
    wanted = {*manifest.files, MANIFEST}
    for name in manifest.files:
        if name in (".", "..") or "/" in name or "\0" in name:
            raise BundleError(f"its manifest names {name!r}, which is outside of it; do not use it")
        if name == SIGNATURE:
            raise BundleError(f"its manifest names {name}, which cannot be; export it again")
    if (size := sum(facts.size for facts in manifest.files.values())) > MAX_BUNDLE_BYTES:
        raise BundleError(
            f"its files have {size} bytes, at most {MAX_BUNDLE_BYTES} are read; export it again"
        )
    if missing := sorted((wanted | set(REQUIRED)) - found):
        raise BundleError(f"{', '.join(missing)} is missing; copy or export the bundle again")
    if unlisted := sorted((set(REQUIRED) - wanted) | (found - wanted - {SIGNATURE})):
        raise BundleError(f"{', '.join(unlisted)} is not named by its manifest; remove it or export again")


def _read_signature(folder: Path) -> bytes:
    signature = _read(folder, SIGNATURE, limit=SIGNATURE_BYTES)
    if len(signature) != SIGNATURE_BYTES:
        raise BundleError(
            f"{folder}: {SIGNATURE} has {len(signature)} bytes, an Ed25519 signature has {SIGNATURE_BYTES}; "
            "remove it, or sign again with: xopt sign --force"
        )
    return signature


def _read_checked(folder: Path, name: str, facts: FileFacts) -> bytes:
    content = _read(folder, name, limit=facts.size)
    if len(content) != facts.size:
        raise BundleError(
            f"{folder}: {name} has {len(content)} bytes, its manifest says {facts.size}; copy or export again"
        )
    found = hashlib.sha256(content).hexdigest()
    if found != facts.sha256:
        raise BundleError(
            f"{folder}: {name} was changed: its SHA-256 is {found[:12]}..., its manifest says "
            f"{facts.sha256[:12]}...; copy or export again"
        )
    return content


def _read(folder: Path, name: str, *, limit: int) -> bytes:
    try:
        if not stat.S_ISREG((folder / name).lstat().st_mode):
            raise BundleError(f"{folder}: {name} is a link or no regular file; copy the real file there")
        return read_regular(folder / name, limit=limit)
    except OSError as error:
        raise BundleError(
            f"{folder}: cannot read {name}: {error.strerror or error}; copy or export again"
        ) from error
