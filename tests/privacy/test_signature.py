"""Signatures: which keys are read, what breaks them."""

from __future__ import annotations

import base64
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from cmr_synth.errors import InputError
from cmr_synth.privacy.signature import (
    fingerprint,
    read_private_key,
    read_public_key,
    signed,
    verify,
)

DOCUMENT = {"b": [1, 2.5, None, True], "a": {"words": "Größe"}}
FORMATS = {
    "pem": (Encoding.PEM, PrivateFormat.PKCS8),
    "ssh": (Encoding.PEM, PrivateFormat.OpenSSH),
}


@pytest.fixture
def key():
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.mark.parametrize("kind", FORMATS)
def test_keys_of_both_formats_sign_alike(key, tmp_path, kind):
    path = tmp_path / "key"
    path.write_bytes(key.private_bytes(*FORMATS[kind], NoEncryption()))
    assert signed(DOCUMENT, read_private_key(path)) == signed(DOCUMENT, key)


def test_the_order_of_fields_does_not_matter_and_any_change_does(key):
    document = signed(DOCUMENT, key)
    assert verify(dict(reversed(document.items()))) == fingerprint(key.public_key())
    for changed in ({"a": {"words": "Grosse"}}, {"c": 1}, {"b": [1, 2.5, None, False]}):
        with pytest.raises(InputError, match="changed after it was signed"):
            verify(document | changed)


def test_what_is_signed_is_the_form_of_the_rfc(key):
    """Numbers as ECMAScript writes them, names by UTF-16, nothing escaped without need."""
    document = {"\ufb33": 1e21, "\U0001f600": 1.0, "b": 1e-7, "a": "\u20ac\u000f"}
    form = b'{"a":"\xe2\x82\xac\\u000f","b":1e-7,"\xf0\x9f\x98\x80":1,"\xef\xac\xb3":1e+21}'
    made = signed(document, key)
    assert made["signature"]["canonical"] == "RFC 8785"
    key.public_key().verify(base64.b64decode(made["signature"]["value"]), form)
    assert verify(document | {"b": 0.0000001, "signature": made["signature"]})


def test_documents_signed_before_that_form_are_refused(key):
    """Their signature did not say which form it was of."""
    form = '{"a":{"words":"Größe"},"b":[1.0,1e-05,null,true]}'.encode()
    own = signed({}, key)["signature"]
    signature = {name: own[name] for name in ("algorithm", "public_key")}
    signature["value"] = base64.b64encode(key.sign(form)).decode()
    document = {"b": [1.0, 1e-05, None, True], "a": {"words": "Größe"}, "signature": signature}
    with pytest.raises(InputError, match="is not signed .*canonical"):
        verify(document)


def test_nothing_hides_inside_the_signature(key):
    document = signed(DOCUMENT, key)
    more = document["signature"] | {"verdict": "no copy"}
    with pytest.raises(InputError, match="fields that nobody signs"):
        verify(document | {"signature": more})


@pytest.mark.parametrize("value", [float("nan"), 2**53])
def test_what_json_cannot_say_exactly_is_not_signed(value, key):
    with pytest.raises(ValueError, match="nan|exceeds safe integer"):
        signed({"a": value}, key)
    with pytest.raises(InputError, match="changed after it was signed"):
        verify(signed({"a": 1}, key) | {"a": value})


def test_another_canonical_form_is_refused(key):
    document = signed(DOCUMENT, key)
    other = document["signature"] | {"canonical": "RFC 9999"}
    with pytest.raises(InputError, match="is not signed .*'RFC 9999' is not known"):
        verify(document | {"signature": other})


def test_what_is_not_signed_is_refused(key):
    document = signed(DOCUMENT, key)
    worse = document["signature"] | {"value": "no base 64"}
    for signature in (None, {}, worse, document["signature"] | {"algorithm": "none"}):
        with pytest.raises(InputError, match="is not signed"):
            verify(document | {"signature": signature})


def test_the_signer_can_be_asked_for(key, tmp_path):
    document = signed(DOCUMENT, key)
    other = Ed25519PrivateKey.generate().public_key()
    assert verify(document, public_key=key.public_key())
    with pytest.raises(InputError, match="is signed by SHA256:"):
        verify(document, public_key=other)
    for encoding, form in (
        (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.OpenSSH, PublicFormat.OpenSSH),
    ):
        path = tmp_path / "key.pub"
        path.write_bytes(key.public_key().public_bytes(encoding, form))
        assert fingerprint(read_public_key(path)) == fingerprint(key.public_key())


def test_somebody_elses_key_cannot_be_put_in_the_place_of_the_signer(key):
    """Without a key to compare with, a signature of anybody holds; with one it does not."""
    other = Ed25519PrivateKey.generate()
    forged = signed({**DOCUMENT, "c": "forged"}, other)
    assert verify(forged) == fingerprint(other.public_key())
    with pytest.raises(InputError, match="do not trust"):
        verify(forged, public_key=key.public_key())
    mixed = forged | {"signature": signed(DOCUMENT, key)["signature"]}
    with pytest.raises(InputError, match="changed after"):
        verify(mixed)


def test_other_keys_and_locked_keys_are_refused(key, tmp_path):
    path = tmp_path / "key"
    rsa = generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(rsa.private_bytes(*FORMATS["pem"], NoEncryption()))
    with pytest.raises(InputError, match="another kind than ed25519"):
        read_private_key(path)
    path.write_bytes(key.private_bytes(*FORMATS["pem"], BestAvailableEncryption(b"secret")))
    with pytest.raises(InputError, match="locked with a pass phrase"):
        read_private_key(path)
    path.write_bytes(b"nothing of a key")
    for read in (read_private_key, read_public_key):
        with pytest.raises(InputError, match=r"is no (private|public) key"):
            read(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_private_key(tmp_path / "missing")
    path.write_bytes(bytes(1 << 17))
    with pytest.raises(InputError, match="too large"):
        read_private_key(path)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
def test_keys_and_fingerprints_are_those_of_openssh(tmp_path):
    path = tmp_path / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, timeout=60
    )
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", path], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    key = read_private_key(path)
    assert fingerprint(key.public_key()) in listed.split()
    assert fingerprint(read_public_key(tmp_path / "key.pub")) in listed.split()
    assert base64.b64decode(signed({}, key)["signature"]["value"])
