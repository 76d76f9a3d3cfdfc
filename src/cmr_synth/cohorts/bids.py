"""A BIDS-like folder: `sub-*/[ses-*/]...` with masks beside the images or below `derivatives/`.

A mask has the name of its image but for the entities `desc-` and `label-` and the suffix, which is
dseg, seg, mask or gt: `sub-01_acq-ED_cine.nii.gz` and
`derivatives/hearts/sub-01/sub-01_acq-ED_desc-manual_dseg.nii.gz`. Numbers are told by a table
`*dseg.tsv` (columns index and name) beside a mask or in a folder above it, else from the masks. The
patient is `sub-`; sessions are further examinations of the same patient. `participants.tsv` may
have the columns vendor (or manufacturer) and pathology.

BIDS has no standard for cardiac MR: this is how such folders are commonly made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cmr_synth.anatomy.labels import BACKGROUND, CONVENTIONS, guess_convention
from cmr_synth.cohorts.examination import PATHOLOGIES, LeftOut, Unread
from cmr_synth.cohorts.nifti_files import nifti_below, relative, stem_of
from cmr_synth.cohorts.planes import names_another_plane
from cmr_synth.cohorts.stacks import Drawing, Stack, read_stacks
from cmr_synth.cohorts.structure_names import structure_named
from cmr_synth.cohorts.whose import phase_in_name
from cmr_synth.errors import InputError
from cmr_synth.imaging.dicom_header import vendor_of
from cmr_synth.imaging.nifti import read_labels
from cmr_synth.text_files import read_table

name = "bids"
title = "BIDS-like folder"
vendor = None
licence = "not stated"
citation = "not stated"
asked_for = "whoever owns the files"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}
CLEAR = 0.5  # confidence below which numbers must be stated

_MASK = re.compile(r"_(dseg|seg|mask|gt)$", re.IGNORECASE)
_OF_MASKS = ("desc-", "label-", "space-")


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield every image that has a mask, in order.

    Raises
    ------
    InputError
        If there is no `sub-` folder, or the meaning of labels is in doubt.
    """
    root = Path(root)
    pairs, lost = _pairs(root)
    yield from lost
    if not pairs:
        raise InputError(f"{root}: no image below a folder sub-* has a mask.")
    by_numbers: dict[tuple[tuple[int, int], ...], list[_Pair]] = {}
    guessed: dict[int, int] | None = None
    for pair in pairs:
        stated = _stated(pair.mask, root)
        if stated is None:
            guessed = guessed or _guessed(pairs, root)
        by_numbers.setdefault(tuple(sorted((stated or guessed or {}).items())), []).append(pair)
    people = _participants(root)
    for numbers, own in by_numbers.items():
        drawing = Drawing(source=root.name, numbers=dict(numbers))
        stacks = (_stack(pair, people) for pair in own)
        yield from read_stacks(stacks, drawing, cohort=name, root=root)


def remarks(root: Path) -> list[str]:
    """Which numbers were told from the masks."""
    root = Path(root)
    pairs, _ = _pairs(root)
    if pairs and any(_stated(pair.mask, root) is None for pair in pairs):
        words = ", ".join(f"{n} {label}" for n, label in _guessed(pairs, root).items())
        return [
            f"no dseg.tsv names labels; numbers were told from the masks (file, ours: {words})."
        ]
    return []


@dataclass(frozen=True)
class _Pair:
    image: Path
    mask: Path
    patient: str


def _stack(pair: _Pair, people: Mapping[str, tuple[str | None, str | None]]) -> Stack:
    own_vendor, pathology = people.get(pair.patient, (None, None))
    return Stack(
        patient=pair.patient,
        image=pair.image,
        mask=pair.mask,
        frames=((0, phase_in_name(stem_of(pair.image.name))),),
        vendor=own_vendor,
        pathology=pathology,
    )


def _pairs(root: Path) -> tuple[list[_Pair], list[LeftOut]]:
    images: dict[tuple[str, ...], Path] = {}
    masks: dict[tuple[str, ...], Path] = {}
    lost = []
    for path in nifti_below(root):
        stem = stem_of(path.name)
        if not stem.startswith("sub-"):
            lost.append(LeftOut(relative(path, root), "is not named sub-*."))
        elif _MASK.search(stem):
            masks[_entities(_MASK.sub("", stem))] = path
        elif word := names_another_plane(stem):
            lost.append(LeftOut(relative(path, root), f"no short-axis view by its name ({word})."))
        elif "derivatives" not in path.relative_to(root).parts:
            images[_entities(stem.rpartition("_")[0] or stem)] = path
    pairs = [_Pair(images[key], masks[key], key[0]) for key in sorted(images.keys() & masks.keys())]
    lost += [LeftOut(relative(images[k], root), "has no mask.") for k in images.keys() - masks]
    lost += [LeftOut(relative(masks[k], root), "has no image.") for k in masks.keys() - images]
    return pairs, sorted(lost, key=lambda one: one.what)


def _entities(stem: str) -> tuple[str, ...]:
    """`sub-01`, then the other entities of a name that images and masks share, in order."""
    parts = [part for part in stem.split("_") if not part.startswith(_OF_MASKS)]
    return (parts[0], *sorted(part for part in parts[1:] if "-" in part))


def _stated(mask: Path, root: Path) -> dict[int, int] | None:
    """Numbers of a mask by the nearest dseg.tsv; None without one."""
    own = mask.with_name(f"{stem_of(mask.name)}.tsv")
    above = [f for f in mask.parents if f == root or f.is_relative_to(root)]
    for path in [own, *(p for folder in above for p in sorted(folder.glob("*dseg.tsv")))]:
        if not path.is_file() or (path != own and path.name.startswith("sub-")):
            continue
        table = read_table(path)
        try:
            found = {int(row["index"]): structure_named(row["name"]) for row in table.rows}
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}: has no columns index (a number) and name.") from error
        return {0: BACKGROUND, **{n: label or BACKGROUND for n, label in found.items()}}
    return None


def _guessed(pairs: list[_Pair], root: Path) -> dict[int, int]:
    best = max(
        (guess_convention(read_labels(p.mask).array, name=p.mask.name) for p in pairs[:4]),
        key=lambda guess: guess.confidence,
    )
    if best.confidence < CLEAR:
        raise InputError(
            f"{root}: what the masks' numbers mean is not clear ({best.reason}) Put a dseg.tsv "
            "with the columns index and name into the folder."
        )
    return dict(CONVENTIONS[best.convention])


def _participants(root: Path) -> dict[str, tuple[str | None, str | None]]:
    path = root / "participants.tsv"
    if not path.is_file():
        return {}
    people = {}
    for row in read_table(path).rows:
        low = {key.lower(): cell for key, cell in row.items()}
        who = low.get("participant_id", "")
        pathology = (low.get("pathology") or low.get("diagnosis") or "").lower()
        people[who if who.startswith("sub-") else f"sub-{who}"] = (
            vendor_of(low.get("vendor") or low.get("manufacturer") or ""),
            pathology if pathology in PATHOLOGIES else None,
        )
    return people
