"""An optional Ed25519 signature of manifest.json, and so, through its digests, of a bundle's every byte.

`manifest.sig` holds the 64 raw bytes of RFC 8032, over manifest.json as it lies on disk. So any other tool
can check it too:

    openssl pkeyutl -verify -pubin -inkey KEY.pub.pem -rawin -in manifest.json -sigfile manifest.sig
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..errors import BundleError, KeyFileError, OutputError
from ..files import read_regular, write_file
from ..requires import need
from .bundle import SIGNATURE, Bundle

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_KEY_BYTES = 64 * 1024
_MAKE_ONE = "make one with: xopt sign --new-key PRIVATE.pem"

KeySource = Path | str | bytes
"""A key: the path of a PEM file, or a PEM file's bytes."""


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A bundle that was signed, and by which key."""

    bundle: Bundle
    signature: bytes
    key: str
    """Fingerprint of the public key (see `fingerprint`)."""

    def to_json(self) -> dict[str, Any]:
        """The facts as plain JSON values."""
        return {
            "bundle": str(self.bundle.path),
            "digest": self.bundle.digest,
            "signature": self.signature.hex(),
            "key": self.key,
        }


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """The files of a new key's two halves."""

    private: Path
    public: Path
    key: str
    """Fingerprint of the public key."""

    def to_json(self) -> dict[str, Any]:
        """The facts as plain JSON values."""
        return {"private": str(self.private), "public": str(self.public), "key": self.key}


class Verifier:
    """Checks signatures with one public key. Read once: what happens to the key's file later changes nothing.

    Args:
        public_key: an Ed25519 public key in PEM, as a path or as bytes.

    Raises:
        KeyFileError: it is no such key.
        DependencyError: the cryptography library is not installed.
    """

    def __init__(self, public_key: KeySource) -> None:
        self._key = _public_key(public_key)
        self.fingerprint = fingerprint(self._key)

    def check(self, path: Path, manifest: bytes, signature: bytes | None) -> None:
        """Insist that `signature` is this key's over `manifest`.

        Raises:
            BundleError: there is none, or it is another key's or over other bytes.
        """
        from cryptography.exceptions import InvalidSignature

        if signature is None:
            raise BundleError(
                f"{path} is not signed (no {SIGNATURE}), and a key was given; "
                f"sign it with: xopt sign {path} --key PRIVATE.pem"
            )
        try:
            self._key.verify(signature, manifest)
        except InvalidSignature:
            raise BundleError(
                f"{path}: {SIGNATURE} is not this key's signature of its manifest "
                f"(key {self.fingerprint[:16]}...); the bundle was changed, or signed with another key: "
                "do not use it"
            ) from None


def sign_bundle(path: Path, private_key: KeySource, *, force: bool = False) -> Signed:
    """Check a bundle's every digest, then sign its manifest into `manifest.sig`.

    Args:
        path: the bundle's folder.
        private_key: an unencrypted Ed25519 private key in PEM.
        force: replace a signature that is there.

    Raises:
        BundleError: the bundle is not intact.
        KeyFileError: the key is no such key.
        OutputError: the bundle is signed already, or cannot be written to.
        DependencyError: the cryptography library is not installed.
    """
    key = _private_key(private_key)
    bundle = Bundle.open(path)
    if bundle.signed and not force:
        raise OutputError(f"{path} is signed already; add --force to replace its signature")
    signature = key.sign(bundle.manifest.encode())
    # Staged beside the bundle: a reader must never find a half-written or an unlisted file inside it.
    stage = path.absolute().with_name(f".{path.absolute().name}.{uuid4().hex[:8]}.sig")
    try:
        write_file(stage, signature)
        stage.replace(path / SIGNATURE)
    except OSError as error:
        raise OutputError(f"cannot write {path / SIGNATURE}: {error.strerror or error}") from error
    finally:
        stage.unlink(missing_ok=True)
    return Signed(bundle=bundle, signature=signature, key=fingerprint(key.public_key()))


def new_key(private: Path) -> KeyPair:
    """Make an Ed25519 key: `private` for its owner alone (mode 0600), and NAME.pub.pem beside it.

    Raises:
        OutputError: one of the two files exists (a key is never overwritten), or cannot be written.
        DependencyError: the cryptography library is not installed.
    """
    need("cryptography", extra="sign")
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not private.name:
        raise OutputError(f"{private} names no file; give a name such as device.pem")
    public = private.with_suffix(".pub.pem")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    shown = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    _write_new(public, shown, mode=0o644)
    try:
        _write_new(private, secret, mode=0o600)
    except OutputError:
        public.unlink()
        raise
    return KeyPair(private=private, public=public, key=fingerprint(key.public_key()))


def fingerprint(key: "Ed25519PublicKey") -> str:
    """SHA-256 of a public key in DER, as `openssl pkey -pubin -outform DER | sha256sum` gives it."""
    from cryptography.hazmat.primitives import serialization as form

    return hashlib.sha256(
        key.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def _public_key(source: KeySource) -> "Ed25519PublicKey":
    need("cryptography", extra="sign")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    name, encoded = _read_key(source)
    if b"PRIVATE KEY-----" in encoded:
        raise KeyFileError(f"{name} holds a private key; checking takes the public one (NAME.pub.pem)")
    try:
        key = load_pem_public_key(encoded)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(
            f"{name} holds no public key in PEM; give the NAME.pub.pem of the signer"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(f"{name} holds {_kind(key)}, not Ed25519; {_MAKE_ONE}")
    return key


def _private_key(source: KeySource) -> "Ed25519PrivateKey":
    need("cryptography", extra="sign")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    name, encoded = _read_key(source)
    if b"PUBLIC KEY-----" in encoded:
        raise KeyFileError(f"{name} holds a public key; signing takes the private one")
    try:
        key = load_pem_private_key(encoded, password=None)
    except TypeError as error:
        # cryptography's way to say that a password is needed.
        raise KeyFileError(
            f"{name} is encrypted, and xopt asks for no password; "
            "decrypt it first with: openssl pkey -in KEY.pem -out PLAIN.pem"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{name} holds no private key in PEM; {_MAKE_ONE}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{name} holds {_kind(key)}, not Ed25519; {_MAKE_ONE}")
    return key


def _kind(key: object) -> str:
    kind = type(key).__name__.strip("_").removesuffix("PublicKey").removesuffix("PrivateKey")
    return f"a key of the kind {kind}"


def _read_key(source: KeySource) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return "the key given as bytes", source
    try:
        # Secrets are often mounted through links, so a key, unlike a bundle's files, may be one.
        return str(source), read_regular(Path(source).resolve(strict=True), limit=MAX_KEY_BYTES)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise KeyFileError(f"cannot read key {source}: {reason}; check the path") from error


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    try:
        # O_EXCL: whoever wrote a key there keeps it. The mode holds from the first byte on.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
    except FileExistsError:
        raise OutputError(
            f"{path} exists already, and a key is never overwritten; choose another name"
        ) from None
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
