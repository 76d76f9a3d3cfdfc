"""Does a release hold: signature, list, hashes, marks, passports, and pictures made again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.errors import InputError
from cmr_synth.evaluation.events import Event
from cmr_synth.imaging.masks import read_mask, stem_of
from cmr_synth.privacy.origin import origin_of
from cmr_synth.privacy.passport import verify_passport
from cmr_synth.privacy.subject import read_subject
from cmr_synth.release.manifest import MANIFEST, SUMS, differences, read_manifest
from cmr_synth.release.marks import is_marked
from cmr_synth.release.passports import FOLDER as PASSPORTS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


_ELSEWHERE = "is not in the zoo here"  # of whoever gets a release without its model


@dataclass(frozen=True)
class Verified:
    """What was found.

    Parameters
    ----------
    document : dict
        The manifest.
    signer : str
    files : int
    faults : tuple of str
        What does not hold, a line each; none: it holds.
    made_again : dict of path to str
        Pictures that were repeated, and how that came out.
    remarks : tuple of str
    """

    document: dict[str, Any]
    signer: str
    files: int
    faults: tuple[str, ...] = ()
    made_again: dict[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.faults


def verify_release(
    folder: Path,
    *,
    public_key: Ed25519PublicKey | None = None,
    repeat: int = 3,
    seed: int | None = None,
) -> Iterator[Event | Verified]:
    """Check a release.

    Parameters
    ----------
    folder : Path
    public_key : Ed25519PublicKey, optional
        Of whoever is to have signed it.
    repeat : int
        Pictures, drawn at random, that are made again from their records.
    seed : int, optional
        Of that draw; by default another every time.

    Yields
    ------
    Event or Verified

    Raises
    ------
    InputError
        If the manifest or its list is missing, changed or signed by somebody else: nothing else
        can be known then.
    """
    folder = Path(folder)
    yield Event("check hashes")
    listed = read_manifest(folder, public_key=public_key)
    faults = differences(folder, listed)
    intact = sorted(
        name for name in listed.files if not any(f.startswith(f"{name}:") for f in faults)
    )
    for number, name in enumerate([MANIFEST, SUMS, *intact]):
        if number % 50 == 0:
            yield Event("check marks", number / (len(intact) + 2), name)
        if not _marked(folder / name):
            faults.append(f"{name}: is not marked as synthetic")
    records = pictures_in(folder, intact)
    for number, (_, image, _) in enumerate(records):
        if number % 20 == 0:
            yield Event("check passports", number / max(len(records), 1), image.name)
        fault = _passport_fault(folder, image, public_key)
        if fault:
            faults.append(fault)
    remarks = []
    if public_key is None:
        remarks.append("whose key it is was not checked; give --public-key")
    made_again: dict[str, str] = {}
    chosen = np.random.default_rng(seed).permutation(len(records))[:repeat]
    load = cache(_load)
    for number, k in enumerate(sorted(int(one) for one in chosen)):
        record, image, mask = records[k]
        name = image.relative_to(folder).as_posix()
        yield Event("make again", number / len(chosen), name)
        try:
            drawn = read_mask(mask, convention="mnms")
            origin = origin_of(read_subject(image, drawn, sidecar=record), load=load)
        except InputError as error:
            faults.append(f"{name}: cannot be made again ({error})")
            continue
        if _ELSEWHERE in origin.why:
            remarks.append(f"{name}: was not made again: {origin.why}")
            continue
        made_again[name] = origin.words
        if origin.state != "reproduced":
            faults.append(f"{name}: does not come out again from its record ({origin.why})")
    yield Verified(
        listed.document, listed.signer, len(listed.files), tuple(faults), made_again, tuple(remarks)
    )


def _load(name: str, device: str) -> Any:
    from cmr_synth.generators import zoo

    return zoo.load(name, device=device)


def _marked(path: Path) -> bool:
    try:
        return is_marked(path)
    except Exception:  # whatever a library raises for a file that is not of its kind
        return False


def pictures_in(folder: Path, names: list[str]) -> list[tuple[Path, Path, Path]]:
    """Record, image and mask of every picture whose files are as they were signed."""
    known, found = set(names), []
    for name in names:
        if not name.endswith(".json") or name.startswith(f"{PASSPORTS}/"):
            continue
        path = folder / name
        try:
            places = json.loads(path.read_text(encoding="utf-8")).get("places")
        except (OSError, ValueError, AttributeError):
            continue
        if not isinstance(places, dict):
            continue
        image, mask = (_inside(folder, path, str(places.get(what))) for what in ("image", "mask"))
        if image in known and mask in known:
            found.append((path, folder / image, folder / mask))
    return found


def _inside(folder: Path, record: Path, place: str) -> str:
    """A path that a record names, from the folder of the release; empty if it leads out of it."""
    path = (record.parent / place).resolve()
    root = folder.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else ""


def _passport_fault(folder: Path, image: Path, public_key: Ed25519PublicKey | None) -> str:
    path = folder / PASSPORTS / f"{stem_of(image)}.passport.json"
    try:
        verify_passport(path, image=image, public_key=public_key)
    except InputError as error:
        return str(error)
    return ""
