"""Signed JSON: ed25519 (RFC 8032) over the canonical form of a document (RFC 8785)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from cmr_synth.errors import InputError

FIELD = "signature"
CANONICAL = "RFC 8785"
HOW = "make one with `ssh-keygen -t ed25519 -N '' -f key`"
LARGEST = 1 << 16
"""Bytes of a key file."""


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Read an ed25519 key, PEM (PKCS 8) or OpenSSH, without a pass phrase.

    Raises
    ------
    InputError
        If the file cannot be read, is locked or holds another kind of key.
    """
    data = _read(path)
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        key = load(data, password=None)
    except TypeError as error:
        raise InputError(
            f"{path}: is locked with a pass phrase; take the pass phrase off a copy, or {HOW}."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path}: is no private key that can be read; {HOW}.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path}: is a key of another kind than ed25519; {HOW}.")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read an ed25519 public key, PEM or OpenSSH.

    Raises
    ------
    InputError
        If the file cannot be read or holds something else.
    """
    data = _read(path)
    load = load_ssh_public_key if data.lstrip().startswith(b"ssh-") else load_pem_public_key
    try:
        key = load(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"{path}: is no public key that can be read; give the file that ends in .pub."
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path}: is a key of another kind than ed25519.")
    return key


def signed(document: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """The document with its signature.

    Parameters
    ----------
    document : mapping
        Of JSON values, none of them NaN; whole numbers below 2^53, as far as JSON is exact.
    key : Ed25519PrivateKey

    Raises
    ------
    ValueError
        If the document holds something else.
    """
    return {
        **document,
        FIELD: {
            "algorithm": "ed25519",
            "canonical": CANONICAL,
            "public_key": base64.b64encode(_raw(key.public_key())).decode("ascii"),
            "value": base64.b64encode(key.sign(rfc8785.dumps(dict(document)))).decode("ascii"),
        },
    }


def verify(document: Mapping[str, Any], *, public_key: Ed25519PublicKey | None = None) -> str:
    """Check the signature; returns the fingerprint of the key that made it.

    Parameters
    ----------
    document : mapping
    public_key : Ed25519PublicKey, optional
        That it must be of. Without it, the document is known to be as it was signed, and not by
        whom.

    Raises
    ------
    InputError
        In plain words, without the name of the file.
    """
    stated = document.get(FIELD)
    try:
        if not isinstance(stated, Mapping) or stated["algorithm"] != "ed25519":
            raise ValueError("no signature of a known kind")
        raw, value = _decoded(stated["public_key"]), _decoded(stated["value"])
        if stated["canonical"] != CANONICAL:
            raise ValueError(f"canonical form {stated['canonical']!r} is not known")
        if set(stated) != {"algorithm", "canonical", "public_key", "value"}:
            raise ValueError("the signature has fields that nobody signs")
        own = Ed25519PublicKey.from_public_bytes(raw)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"is not signed ({error}); ask for a new one.") from error
    if public_key is not None and _raw(public_key) != raw:
        raise InputError(
            f"is signed by {fingerprint(own)}, and the key given is {fingerprint(public_key)}; "
            "do not trust it."
        )
    rest = {name: value for name, value in document.items() if name != FIELD}
    try:
        own.verify(value, rfc8785.dumps(rest))
    except (InvalidSignature, ValueError) as error:  # also what has no canonical form
        raise InputError(
            "was changed after it was signed; do not trust it, and ask for a new one."
        ) from error
    return fingerprint(own)


def fingerprint(key: Ed25519PublicKey) -> str:
    """Of a public key, as `ssh-keygen -l` prints it."""
    blob = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1]
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def _decoded(text: str) -> bytes:
    """Bytes of base64, of which there is one form only: other last characters mean the same."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode("ascii") != text:
        raise ValueError("base64 that is written in another way")
    return data


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: is too large for a key; {HOW}.")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {HOW}.") from error
