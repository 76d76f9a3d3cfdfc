"""A plain folder of images and masks in NIfTI: the cohort for everyone's own data.

Three layouts are recognised, in this order; files are packed or not (`.nii.gz`, `.nii`):

- ``images/NAME.nii.gz`` with ``labels/NAME.nii.gz``;
- ``imagesTr/NAME_0000.nii.gz`` with ``labelsTr/NAME.nii.gz``, as nnU-Net wants it;
- ``NAME.nii.gz`` beside ``NAME_gt.nii.gz`` (or ``_seg``, ``_mask``, ``_label``), in the folder
  itself or anywhere below it.

Images without a mask, masks without an image, other planes than the short axis (told by name, such
as ``LA`` or ``4CH``, and by direction), and files that cannot be read are left out, and told.

The patient is the file name up to its first underscore, or the folder where file names tell none
(see `cmr_synth.cohorts.whose`); the phase a part ``ED`` or ``ES`` of either. A cine with a mask for
some of its frames gives one stack a labelled frame; where two frames are labelled, the one with the
larger LV is ED and the other ES.

``cohort.csv`` may state what names do not (see `cmr_synth.cohorts.table`). ``cohort.yaml`` (or
``cohort.yml``) may state what holds for all::

    labels: acdc          # acdc, mnms or ukbb; otherwise told from the masks, never from a doubt
    vendor: siemens
    drawn: [LV, MYO]      # structures that were drawn; the others are unknown, not absent
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from cmr_synth.anatomy.labels import (
    BACKGROUND,
    LV,
    MYO,
    UNLABELLED,
    ConventionGuess,
    convert,
    guess_convention,
    is_heart,
)
from cmr_synth.cohorts.examination import Examination, LeftOut, Unread
from cmr_synth.cohorts.nifti_files import nifti_below, relative, stem_of
from cmr_synth.cohorts.planes import names_another_plane
from cmr_synth.cohorts.stacks import each, examination_of, frames_of, require_short_axis
from cmr_synth.cohorts.table import NAMES as TABLES
from cmr_synth.cohorts.whose import patients_of, phase_in_name
from cmr_synth.errors import InputError
from cmr_synth.imaging.nifti import read_image, read_labels
from cmr_synth.imaging.scan import require_same_grid
from cmr_synth.text_files import read_text

name = "folder"
title = "Folder of images and masks"
vendor = None
licence = "not stated"
citation = "not stated"
asked_for = "whoever owns the files"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}

MASKS_ASKED = 8  # so many masks, spread over the cohort, decide on the label convention
CLEAR = 0.5  # confidence below which the convention must be stated
STATEMENTS = ("cohort.yaml", "cohort.yml")

_MASK = re.compile(r"_(gt|d?seg|masks?|labels?)$", re.IGNORECASE)


class Statement(BaseModel):
    """What `cohort.yaml` states about every file.

    Parameters
    ----------
    labels : str, optional
        Label convention; None tells it from the masks.
    vendor : str, optional
        Where the table does not say otherwise.
    drawn : tuple of str
        Structures that the annotators drew.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    labels: Literal["acdc", "mnms", "ukbb"] | None = None
    vendor: Literal["siemens", "philips", "ge", "canon"] | None = None
    drawn: tuple[Literal["LV", "MYO", "RV"], ...] = ("LV", "MYO", "RV")


@dataclass(frozen=True)
class Pair:
    """An image file and its mask."""

    image: Path
    mask: Path
    stem: str  # the name that both share
    patient: str


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield every labelled stack of a folder, in the order of its file names.

    Raises
    ------
    InputError
        If no layout fits, `cohort.yaml` does not fit, or the label convention is in doubt.
    """
    root = Path(root)
    pairs, lost, _ = find_pairs(root)
    yield from lost
    yield from _unread_statements(root)
    statement = read_statement(root)
    guess = None if statement.labels else label_convention(pairs, root)
    convention = statement.labels or (guess.convention if guess else "")

    def read(pair: Pair) -> list[Examination]:
        return _read(pair, root, statement, convention, guess)

    yield from each(pairs, read, lambda pair: [pair.image, pair.mask], root=root)


def remarks(root: Path) -> list[str]:
    """What had to be assumed about a folder, for `cohort check` to show."""
    root = Path(root)
    pairs, _, said = find_pairs(root)
    if read_statement(root).labels is None:
        guess = label_convention(pairs, root)
        said = [
            f"labels are read as {guess.convention} (confidence {guess.confidence:.2f}): "
            f"{guess.reason} If that is wrong, write `labels: NAME` into cohort.yaml.",
            *said,
        ]
    return said


def find_pairs(root: Path) -> tuple[list[Pair], list[LeftOut], list[str]]:
    """Pair the images and masks below a folder.

    Parameters
    ----------
    root : Path
        In one of the layouts described above.

    Returns
    -------
    list of Pair
        Sorted by name, never empty.
    list of LeftOut
        Files without a partner, and views of another plane.
    list of str
        What to know about whose files they are.

    Raises
    ------
    InputError
        If there is no layout, or no pair.
    """
    root = Path(root)
    for images, masks, channel in (("images", "labels", ""), ("imagesTr", "labelsTr", "_0000")):
        if (root / images).is_dir() and (root / masks).is_dir():
            found, lost = _in_two_folders(root / images, root / masks, channel)
            break
    else:
        found, lost = _beside(root)
    short_axis = {}
    for image, (mask, stem) in found.items():
        word = names_another_plane(stem)
        if word is None:
            short_axis[image] = (mask, stem)
        else:
            lost.append((image, f"no short-axis view by its name ({word})."))
    left = [LeftOut(relative(path, root), reason) for path, reason in lost]
    if not short_axis:
        why = f" {left[0].what}: {left[0].reason}" if left else ""
        raise InputError(
            f"{root}: holds no images with masks; expected images/ and labels/ with equal names, "
            f"imagesTr/ and labelsTr/, or NAME.nii.gz beside NAME_gt.nii.gz.{why}"
        )
    whose, said = patients_of(root, ((path, stem) for path, (_, stem) in short_axis.items()))
    pairs = [
        Pair(image, mask, stem, whose[image]) for image, (mask, stem) in sorted(short_axis.items())
    ]
    return pairs, left, said


def read_statement(root: Path) -> Statement:
    """Read `cohort.yaml`; without one nothing is stated.

    Raises
    ------
    InputError
        If it is not valid YAML, states something unknown, or there are two.
    """
    there = [p for p in sorted(Path(root).iterdir()) if p.name.lower() in STATEMENTS]
    if not there:
        return Statement()
    if len(there) > 1:
        raise InputError(f"{there[1]}: {there[0].name} states things, too; keep one.")
    path = there[0]
    try:
        stated: Any = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: cannot be read as YAML; it holds `labels: acdc`.") from error
    if stated is None:
        return Statement()
    if not isinstance(stated, dict):
        raise InputError(f"{path}: is no mapping of fields; it holds lines such as `labels: acdc`.")
    try:
        return Statement.model_validate(stated)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        fields = ", ".join(Statement.model_fields)
        raise InputError(
            f"{path}: field {field!r}: {first['msg']}; fields are {fields}."
        ) from error


def label_convention(pairs: list[Pair], root: Path) -> ConventionGuess:
    """Tell the label convention of a folder from some of its masks.

    Parameters
    ----------
    pairs : list of Pair
    root : Path
        For messages.

    Returns
    -------
    ConventionGuess
        The guess of the mask that is most certain.

    Raises
    ------
    InputError
        If the masks contradict each other, or none is clear.
    """
    chosen = np.unique(np.linspace(0, len(pairs) - 1, MASKS_ASKED).round().astype(int))
    best: ConventionGuess | None = None
    best_name = ""
    for index in chosen:
        try:
            mask = read_labels(pairs[index].mask)
        except InputError:
            continue  # it is left out when its turn comes
        if not np.any((mask.array != BACKGROUND) & (mask.array != UNLABELLED)):
            continue
        guess = guess_convention(mask.array, name=mask.name)
        if best is None or guess.confidence > best.confidence:
            if best is not None:
                _same(guess, best, best_name)
            best, best_name = guess, mask.name
        else:
            _same(best, guess, mask.name)
    if best is None:
        raise InputError(
            f"{root}: no slice to use, the {len(chosen)} masks looked at are empty or cannot be "
            "read; check that they belong to these scans, or write `labels: acdc`, `mnms` or "
            "`ukbb` into cohort.yaml if others are not."
        )
    if best.confidence < CLEAR:
        raise InputError(
            f"{root}: the label convention is not clear ({best.reason}) Write `labels: acdc`, "
            "`mnms` or `ukbb` into cohort.yaml."
        )
    return best


def _agree(cohort: ConventionGuess, numbers: NDArray[np.uint8], mask_name: str) -> None:
    """Refuse a mask that clearly follows another convention than its cohort."""
    if np.isin(numbers, (1, 3)).any() and np.isin(numbers, MYO).any():
        _same(cohort, guess_convention(numbers, name=mask_name), mask_name)


def _same(cohort: ConventionGuess, other: ConventionGuess, other_name: str) -> None:
    if other.convention != cohort.convention and other.confidence >= CLEAR:
        # where only the myocardium is labelled every convention is the same
        if "every convention" in other.reason or "every convention" in cohort.reason:
            return
        raise InputError(
            f"{other_name}: looks like {other.convention} labels, other masks of this folder like "
            f"{cohort.convention}; keep one convention, or name it in cohort.yaml."
        )


def _phases(labels: NDArray[np.uint8], stated: str | None) -> list[str | None]:
    """Phase of every labelled frame, (t, z, y, x)."""
    if len(labels) != 2 or stated:
        return [stated] * len(labels)
    first, second = (labels == LV).sum(axis=(1, 2, 3))
    return ["ED", "ES"] if first >= second else ["ES", "ED"]


def _read(
    pair: Pair, root: Path, statement: Statement, convention: str, guess: ConventionGuess | None
) -> list[Examination]:
    """The labelled frames of a pair."""
    image, mask = read_image(pair.image), read_labels(pair.mask)
    require_short_axis(image)
    require_same_grid(image, mask)
    if image.n_frames != mask.n_frames:
        raise InputError(
            f"{mask.name}: the mask has {mask.n_frames} frames, {image.name} has "
            f"{image.n_frames}; give a mask with as many frames, empty where nothing is drawn."
        )
    numbers = frames_of(mask).astype(np.uint8, copy=False)
    pixels = frames_of(image).astype(np.float32, copy=False)
    if guess is not None:
        _agree(guess, numbers, mask.name)
    labels = convert(numbers, convention, name=mask.name)
    drawn = is_heart(labels).any(axis=(1, 2, 3))
    frames = np.flatnonzero(drawn) if drawn.any() else np.arange(1)
    folders = reversed(pair.image.parent.relative_to(root).parts)
    phases = _phases(labels[frames], phase_in_name(pair.stem, *folders))
    return [
        examination_of(
            image,
            pixels[frame],
            labels[frame],
            cohort=name,
            patient=pair.patient,
            files=(relative(pair.image, root), relative(pair.mask, root)),
            drawn=statement.drawn,
            vendor=statement.vendor,
            phase=phase,
        )
        for frame, phase in zip(frames, phases, strict=True)
    ]


_Found = tuple[dict[Path, tuple[Path, str]], list[tuple[Path, str]]]
"""Images with their masks and common names; files left out and why."""


def _in_two_folders(images: Path, masks: Path, channel: str) -> _Found:
    lost = []
    by_stem: dict[Path, Path] = {}
    for path in nifti_below(images):
        stem = path.relative_to(images).with_name(stem_of(path.name))
        if channel and not stem.name.endswith(channel):
            lost.append(
                (path, f"a single-channel image ends in {channel}; other channels are not read.")
            )
            continue
        by_stem[stem.with_name(stem.name.removesuffix(channel))] = path
    mask_of: dict[Path, Path] = {}
    for path in nifti_below(masks):
        stem = path.relative_to(masks).with_name(stem_of(path.name))
        plain = stem.with_name(_MASK.sub("", stem.name))
        mask_of[plain if stem not in by_stem else stem] = path
    lost += [(by_stem[s], f"has no mask in {masks.name}/.") for s in by_stem.keys() - mask_of]
    lost += [(mask_of[s], f"has no image in {images.name}/.") for s in mask_of.keys() - by_stem]
    both = by_stem.keys() & mask_of.keys()
    return {by_stem[s]: (mask_of[s], s.name) for s in both}, sorted(lost)


def _beside(root: Path) -> _Found:
    files = {(path.parent, stem_of(path.name)): path for path in nifti_below(root)}
    lost, found = [], {}
    masks = {key for key in files if _MASK.search(key[1])}
    wanted = Counter((folder, _MASK.sub("", stem)) for folder, stem in masks)
    for folder, stem in sorted(masks):
        whole = (folder, _MASK.sub("", stem))
        if whole not in files:
            lost.append((files[folder, stem], f"has no image {whole[1]}.nii.gz beside it."))
        elif wanted[whole] > 1:
            lost.append((files[folder, stem], "is one of several masks of an image; keep one."))
        else:
            found[files[whole]] = (files[folder, stem], whole[1])
    for key, path in sorted(files.items()):
        if key not in masks and path not in found:
            lost.append((path, "has no mask beside it."))
    return found, lost


def _unread_statements(root: Path) -> list[LeftOut]:
    """Files that somebody meant for this program by their name, and that nobody reads."""
    read = (*STATEMENTS, *TABLES)
    return [
        LeftOut(path.name, f"is not read; known are {', '.join(read)}.")
        for path in sorted(root.iterdir())
        if path.name.lower().startswith("cohort.") and path.name.lower() not in read
    ]
