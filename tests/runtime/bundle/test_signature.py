"""Signed bundles: taken from the one who holds the key, and from nobody else."""

import json
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from xopt.runtime import Bundle, BundleError, Classifier, KeyFileError, OutputError, Verifier
from xopt.runtime.bundle.bundle import write_bundle

from ..conftest import small_manifest

pytest.importorskip("cryptography")

from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from xopt.runtime.bundle.signature import new_key, sign_bundle

PEM, PKCS8, SPKI = form.Encoding.PEM, form.PrivateFormat.PKCS8, form.PublicFormat.SubjectPublicKeyInfo


def private_pem(key, password: bytes | None = None) -> bytes:
    how = form.BestAvailableEncryption(password) if password else form.NoEncryption()
    return key.private_bytes(PEM, PKCS8, how)


def public_pem(key) -> bytes:
    return key.public_key().public_bytes(PEM, SPKI)


KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def signed(bundle: Path) -> Path:
    sign_bundle(bundle, private_pem(KEY))
    return bundle


def flip(bundle: Path, place: int) -> None:
    signature = bytearray((bundle / "manifest.sig").read_bytes())
    signature[place] ^= 1
    (bundle / "manifest.sig").write_bytes(signature)


def edit_and_rehash(bundle: Path) -> None:
    """What an attacker without the key can do: a whole, consistent bundle with other thresholds."""
    manifest = Bundle.open(bundle).manifest
    lax = replace(manifest, thresholds=dict.fromkeys(manifest.classes, 0.99))
    (bundle / "manifest.json").write_bytes(lax.encode())
    Bundle.open(bundle)


def from_another_bundle(bundle: Path, files: dict[str, bytes]) -> None:
    write_bundle(bundle.parent / "other.xopt", small_manifest(name="other"), files)
    sign_bundle(bundle.parent / "other.xopt", private_pem(KEY))
    shutil.copy(bundle.parent / "other.xopt" / "manifest.sig", bundle / "manifest.sig")


TAMPERED = {
    "missing signature": (lambda b, f: (b / "manifest.sig").unlink(), "is not signed"),
    "first byte flipped": (lambda b, f: flip(b, 0), "not this key's signature"),
    "middle byte flipped": (lambda b, f: flip(b, 32), "not this key's signature"),
    "last byte flipped": (lambda b, f: flip(b, 63), "not this key's signature"),
    "zeros": (lambda b, f: (b / "manifest.sig").write_bytes(bytes(64)), "not this key's signature"),
    "empty": (lambda b, f: (b / "manifest.sig").write_bytes(b""), "0 bytes"),
    "truncated": (lambda b, f: (b / "manifest.sig").write_bytes(bytes(63)), "63 bytes"),
    "too long": (lambda b, f: (b / "manifest.sig").write_bytes(bytes(65)), "larger than 64"),
    "a link": (
        lambda b, f: (
            (b / "manifest.sig").rename(b.parent / "s") and (b / "manifest.sig").symlink_to(b.parent / "s")
        ),
        "link",
    ),
    "manifest changed and re-hashed": (lambda b, f: edit_and_rehash(b), "not this key's signature"),
    "signature of another bundle": (from_another_bundle, "not this key's signature"),
    "signed with another key": (
        lambda b, f: sign_bundle(b, private_pem(OTHER), force=True),
        "not this key's signature",
    ),
}


def test_the_right_key_opens_a_signed_bundle(signed, tmp_path):
    (tmp_path / "k.pub.pem").write_bytes(public_pem(KEY))
    for key in (public_pem(KEY), tmp_path / "k.pub.pem", str(tmp_path / "k.pub.pem")):
        with Classifier.load(signed, public_key=key) as classifier:
            assert classifier.manifest.name == "small"


@pytest.mark.parametrize("case", TAMPERED)
def test_a_bundle_that_the_key_did_not_sign_is_refused(signed, files, case):
    tamper, says = TAMPERED[case]
    tamper(signed, files)
    with pytest.raises(BundleError, match=says) as caught:
        Classifier.load(signed, public_key=public_pem(KEY))
    assert "\n" not in str(caught.value)


def test_a_reload_insists_on_the_key_as_the_first_load_did(signed, tmp_path, files):
    (tmp_path / "k.pub.pem").write_bytes(public_pem(KEY))
    write_bundle(tmp_path / "next.xopt", small_manifest(name="next"), files)
    with Classifier.load(signed, public_key=tmp_path / "k.pub.pem") as classifier:
        # The key was read once: whoever swaps its file afterwards gains nothing.
        (tmp_path / "k.pub.pem").write_bytes(public_pem(OTHER))
        for sign in (lambda: None, lambda: sign_bundle(tmp_path / "next.xopt", private_pem(OTHER))):
            sign()
            with pytest.raises(BundleError, match="signed"):
                classifier.reload(tmp_path / "next.xopt")
            assert classifier.manifest.name == "small"
        sign_bundle(tmp_path / "next.xopt", private_pem(KEY), force=True)
        classifier.reload(tmp_path / "next.xopt")
        assert classifier.manifest.name == "next"


def test_a_wrong_signature_is_refused_before_the_manifest_is_interpreted(signed):
    (signed / "manifest.json").write_bytes(b"\xff not JSON at all")
    with pytest.raises(BundleError, match="not this key's signature"):
        Bundle.open(signed, verifier=Verifier(public_pem(KEY)))


def test_a_changed_model_is_refused_by_its_digest_though_the_signature_holds(signed):
    (signed / "model.bin").write_bytes(bytes(len((signed / "model.bin").read_bytes())))
    with pytest.raises(BundleError, match=r"model\.bin was changed"):
        Classifier.load(signed, public_key=public_pem(KEY))


def test_the_signature_is_no_part_of_the_identity_and_not_needed_without_a_key(bundle):
    before = Bundle.open(bundle)
    sign_bundle(bundle, private_pem(KEY))
    after = Bundle.open(bundle)
    assert (before.digest, before.manifest) == (after.digest, after.manifest)
    assert (before.signed, after.signed) == (False, True)
    assert not after.has("manifest.sig")
    with Classifier.load(bundle):
        pass


@pytest.mark.parametrize("content", [b"", bytes(63), bytes(65)])
def test_a_signature_of_another_length_is_refused_even_without_a_key(bundle, content):
    (bundle / "manifest.sig").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.sig"):
        Bundle.open(bundle)


def test_a_manifest_that_names_the_signature_is_refused(bundle, files):
    write_bundle(bundle, small_manifest(), {**files, "manifest.sig": bytes(64)}, force=True)
    with pytest.raises(BundleError, match="which cannot be"):
        Bundle.open(bundle)


BAD_KEYS = {
    "RSA": (public_pem(RSA), "of the kind RSA, not Ed25519"),
    "elliptic curve": (public_pem(ec.generate_private_key(ec.SECP256R1())), "not Ed25519"),
    "Ed448": (public_pem(ed448.Ed448PrivateKey.generate()), "not Ed25519"),
    "the private half": (private_pem(KEY), "takes the public one"),
    "the private half, encrypted": (private_pem(KEY, b"secret"), "takes the public one"),
    "empty": (b"", "no public key in PEM"),
    "text": (b"ssh-ed25519 AAAA me@here", "no public key in PEM"),
    "damaged": (public_pem(KEY).replace(b"MC", b"XX"), "no public key in PEM"),
}
BAD_PRIVATE_KEYS = {
    "RSA": (private_pem(RSA), "of the kind RSA, not Ed25519"),
    "the public half": (public_pem(KEY), "takes the private one"),
    "encrypted": (private_pem(KEY, b"secret"), "is encrypted"),
    "RSA, encrypted": (private_pem(RSA, b"secret"), "is encrypted"),
    "empty": (b"", "no private key in PEM"),
    "damaged": (private_pem(KEY)[:60], "no private key in PEM"),
}


@pytest.mark.parametrize("case", BAD_KEYS)
def test_a_public_key_that_cannot_be_used_is_named(case):
    content, says = BAD_KEYS[case]
    with pytest.raises(KeyFileError, match=says) as caught:
        Verifier(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", BAD_PRIVATE_KEYS)
def test_a_private_key_that_cannot_be_used_signs_nothing(bundle, tmp_path, xopt, case):
    content, says = BAD_PRIVATE_KEYS[case]
    (tmp_path / "k.pem").write_bytes(content)
    done = xopt("sign", bundle, "--key", tmp_path / "k.pem")
    assert (done.code, done.out) == (1, "")
    assert done.err.count("\n") == 1
    assert says in done.err
    assert not (bundle / "manifest.sig").exists()


@pytest.mark.parametrize(
    "make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(bytes(70_000))]
)
def test_a_key_file_that_cannot_be_read_is_named(signed, tmp_path, xopt, make):
    make(tmp_path / "k.pem")
    for words in (("verify", signed), ("sign", signed, "--force")):
        done = xopt(*words, "--key", tmp_path / "k.pem")
        assert (done.code, done.err.count("\n")) == (1, 1)
        assert "k.pem" in done.err


def test_a_key_may_be_a_link_as_mounted_secrets_are(signed, tmp_path):
    (tmp_path / "real.pem").write_bytes(public_pem(KEY))
    (tmp_path / "k.pem").symlink_to("real.pem")
    assert Verifier(tmp_path / "k.pem").fingerprint == Verifier(public_pem(KEY)).fingerprint


def test_the_command_line_makes_a_key_signs_and_verifies(bundle, tmp_path, xopt):
    made = json.loads(xopt("sign", "--new-key", tmp_path / "device.pem", "--json").out)
    assert made["public"] == str(tmp_path / "device.pub.pem")
    assert stat.S_IMODE((tmp_path / "device.pem").stat().st_mode) == 0o600
    text = xopt("verify", bundle)
    assert "signature      none" in text.out
    signed = json.loads(xopt("sign", bundle, "--key", tmp_path / "device.pem", "--json").out)
    assert bytes.fromhex(signed["signature"]) == (bundle / "manifest.sig").read_bytes()
    assert signed["key"] == made["key"]
    assert "not checked (give --key" in xopt("verify", bundle).out
    checked = xopt("verify", bundle, "--key", made["public"], "--json")
    assert json.loads(checked.out)["signature"] == {"present": True, "checked_with": made["key"]}
    assert made["key"] in xopt("verify", bundle, "--key", made["public"]).out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["device.pem", "device.pub.pem", bundle.name]


def test_verify_with_a_key_refuses_what_the_key_did_not_sign(bundle, tmp_path, xopt):
    (tmp_path / "k.pub.pem").write_bytes(public_pem(OTHER))
    assert "is not signed" in xopt("verify", bundle, "--key", tmp_path / "k.pub.pem").err
    sign_bundle(bundle, private_pem(KEY))
    done = xopt("verify", bundle, "--key", tmp_path / "k.pub.pem")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)


def test_a_signature_is_replaced_only_by_force(signed, tmp_path, xopt):
    (tmp_path / "k.pem").write_bytes(private_pem(OTHER))
    before = (signed / "manifest.sig").read_bytes()
    done = xopt("sign", signed, "--key", tmp_path / "k.pem")
    assert (done.code, (signed / "manifest.sig").read_bytes()) == (1, before)
    assert "signed already" in done.err
    assert xopt("sign", signed, "--key", tmp_path / "k.pem", "--force").code == 0
    Bundle.open(signed, verifier=Verifier(public_pem(OTHER)))


@pytest.mark.parametrize("taken", ["k.pem", "k.pub.pem"])
def test_a_key_is_never_overwritten(tmp_path, xopt, taken):
    (tmp_path / taken).write_text("precious")
    with pytest.raises(OutputError, match="never overwritten"):
        new_key(tmp_path / "k.pem")
    assert xopt("sign", "--new-key", tmp_path / "k.pem", "--force").code == 1
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(taken, "precious")]


def test_a_changed_bundle_is_not_signed(bundle, tmp_path):
    (bundle / "model.bin").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"model\.bin"):
        sign_bundle(bundle, private_pem(KEY))
    assert not (bundle / "manifest.sig").exists()


def test_a_new_bundle_in_its_place_is_unsigned(signed, files):
    write_bundle(signed, small_manifest(name="second"), files, force=True)
    with pytest.raises(BundleError, match="is not signed"):
        Classifier.load(signed, public_key=public_pem(KEY))


@pytest.mark.parametrize("words", [(), ("b.xopt",), ("--key", "k.pem"), ("b.xopt", "--new-key", "k.pem")])
def test_half_a_request_is_wrong_usage(xopt, words):
    done = xopt("sign", *words)
    assert (done.code, done.out) == (2, "")
    assert "--new-key" in done.err


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here to agree with")
def test_openssl_agrees_with_a_signature_and_its_fingerprint(signed, tmp_path):
    (tmp_path / "k.pub.pem").write_bytes(public_pem(KEY))
    check = "openssl pkeyutl -verify -pubin -inkey {} -rawin -in {}/manifest.json -sigfile {}/manifest.sig"
    words = check.format(tmp_path / "k.pub.pem", signed, signed).split()
    assert "Verified Successfully" in subprocess.run(words, capture_output=True, text=True, check=True).stdout
    der = f"openssl pkey -pubin -in {tmp_path / 'k.pub.pem'} -outform DER | openssl dgst -sha256 -r"
    shown = subprocess.run(der, shell=True, capture_output=True, text=True, check=True).stdout
    assert shown.split()[0] == Verifier(public_pem(KEY)).fingerprint


def test_without_the_extra_the_install_line_is_given(signed, tmp_path):
    (tmp_path / "k.pem").write_bytes(public_pem(KEY))
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from importlib.util import find_spec\n"
        "from xopt.cli import main\n"
        f"main(['verify', {str(signed)!r}, '--key', {str(tmp_path / 'k.pem')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pip install "xopt-edge[sign]"' in done.stderr
    assert done.stderr.count("\n") == 1
