"""The signed list of everything in a release.

`SHA256SUMS` names every file with its hash, in the form of coreutils, so that `sha256sum --check`
reads it, too. `manifest.json` holds the hash of that list and is signed (ed25519 over RFC 8785, see
`privacy.signature`); it has one form to the byte, so that nothing in a release can be changed
without being found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cmr_synth
from cmr_synth.errors import InputError
from cmr_synth.files import sha256, walk, write_file
from cmr_synth.privacy.exact_json import read_object
from cmr_synth.privacy.signature import signed, verify
from cmr_synth.release.marks import COMMENT

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
FORMAT = 1


@dataclass(frozen=True)
class Listed:
    """A manifest that holds.

    Parameters
    ----------
    document : dict
    files : dict of path to SHA-256
    signer : str
        Fingerprint of the key.
    """

    document: dict[str, Any]
    files: dict[str, str]
    signer: str


def write_manifest(
    folder: Path, facts: Mapping[str, Any], key: Ed25519PrivateKey
) -> dict[str, Any]:
    """List and sign everything that lies in a folder.

    Parameters
    ----------
    folder : Path
    facts : mapping
        What the release is, for its manifest.
    key : Ed25519PrivateKey

    Returns
    -------
    dict
        The signed document.

    Raises
    ------
    InputError
        If a file cannot be read or written.
    """
    for name in (MANIFEST, SUMS):
        (folder / name).unlink(missing_ok=True)
    files = _files_in(folder)
    lines = [f"{sha256(folder / name)}  {name}\n" for name in files]
    with write_file(folder / SUMS) as temporary:
        temporary.write_text(COMMENT + "".join(lines), encoding="utf-8", newline="\n")
    document = signed(
        {
            "manifest": FORMAT,
            "synthetic": True,
            "cmr_synth": cmr_synth.__version__,
            **facts,
            "files": len(files),
            "bytes": sum((folder / name).stat().st_size for name in files),
            "sums": {"file": SUMS, "sha256": sha256(folder / SUMS)},
        },
        key,
    )
    with write_file(folder / MANIFEST) as temporary:
        temporary.write_text(_text(document), encoding="utf-8", newline="\n")
    return document


def read_manifest(folder: Path, *, public_key: Ed25519PublicKey | None = None) -> Listed:
    """Check the signature of a release and its list; no other file is read.

    Raises
    ------
    InputError
        If there is none, it was changed, or it is signed by somebody else.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder}: holds no {MANIFEST}; give the folder of a finished release.")
    document = read_object(path)
    if document.get("manifest") != FORMAT:
        raise InputError(
            f"{path}: is no manifest of format {FORMAT}, which this version checks; check it with "
            "the version that made the release."
        )
    try:
        signer = verify(document, public_key=public_key)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if path.read_bytes() != _text(document).encode("utf-8"):
        raise InputError(f"{path}: was written anew after it was signed; do not trust it.")
    sums = folder / SUMS
    stated = document.get("sums")
    if not isinstance(stated, Mapping) or not sums.is_file() or sha256(sums) != stated["sha256"]:
        raise InputError(f"{sums}: is missing or was changed after it was signed; do not trust it.")
    files = {}
    for line in sums.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            digest, _, name = line.partition("  ")
            files[name] = digest
    return Listed(document, files, signer)


def differences(folder: Path, listed: Listed) -> list[str]:
    """What lies in a folder otherwise than its manifest says, a line each."""
    there = set(_files_in(folder)) - {MANIFEST, SUMS}
    found = [f"{name}: is missing" for name in sorted(set(listed.files) - there)]
    found += [
        f"{name}: does not belong to the release" for name in sorted(there - set(listed.files))
    ]
    for name in sorted(there & set(listed.files)):
        if sha256(folder / name) != listed.files[name]:
            found.append(f"{name}: was changed after it was signed")
    return found


def _files_in(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too; links are followed, as whoever reads would."""
    walked = walk(folder, hidden=True)
    if walked.left_out:
        raise InputError(f"{walked.left_out[0]} A release holds files and no such links.")
    return sorted(path.relative_to(folder).as_posix() for path in walked.files)


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
