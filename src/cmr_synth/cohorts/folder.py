"""A plain folder of images and masks in NIfTI: the cohort for everyone's own data.

Three layouts are recognised, in this order:

- ``images/NAME.nii.gz`` with ``labels/NAME.nii.gz``;
- ``imagesTr/NAME_0000.nii.gz`` with ``labelsTr/NAME.nii.gz``, as nnU-Net wants it;
- ``NAME.nii.gz`` beside ``NAME_gt.nii.gz`` (or ``_seg``, ``_mask``, ``_label``), in the folder
  itself or one below it; images without a mask are left out.

The patient is the file name up to its first underscore, the phase a part ``ED`` or ``ES`` of it.
A cine with a mask for some of its frames gives one stack a labelled frame; where two frames are
labelled, the one with the larger LV is ED and the other ES.

``cohort.csv`` may state what file names do not, in the columns patient, phase, vendor, pathology
and file (the image's name); a row without a file holds for every file of its patient, and an empty
cell states nothing. ``cohort.yaml`` may state what holds for all::

    labels: acdc          # acdc, mnms or ukbb; otherwise told from the masks, never from a doubt
    vendor: siemens
    drawn: [LV, MYO]      # structures that were drawn; the others are unknown, not absent
"""

from __future__ import annotations

import csv
import re
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
    STRUCTURES,
    UNLABELLED,
    ConventionGuess,
    convert,
    guess_convention,
    is_heart,
)
from cmr_synth.cohorts.examination import (
    PATHOLOGIES,
    PHASES,
    VENDORS,
    Examination,
    fully_labelled,
)
from cmr_synth.errors import InputError
from cmr_synth.imaging.nifti import read_image, read_labels
from cmr_synth.imaging.orientation import apply, apply_to_spacing, in_plane_orientation
from cmr_synth.imaging.positions import slice_position
from cmr_synth.imaging.scan import require_same_grid

name = "folder"
title = "Folder of images and masks"
vendor = None
licence = "not stated"
citation = "not stated"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}

MASKS_ASKED = 8  # so many masks, spread over the cohort, decide on the label convention
CLEAR = 0.5  # confidence below which the convention must be stated

_SUFFIX = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
_MASK = re.compile(r"_(gt|seg|mask|label)$", re.IGNORECASE)
_COLUMNS = ("patient", "phase", "vendor", "pathology", "file")


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


def examinations(root: Path) -> Iterator[Examination]:
    """Yield every labelled stack of a folder, in the order of its file names.

    Raises
    ------
    InputError
        If no layout fits, a partner is missing, a file cannot be read, the table or
        `cohort.yaml` does not fit, or the label convention is in doubt.
    """
    root = Path(root)
    pairs, statement = find_pairs(root), read_statement(root)
    table = _Table.read(root, pairs)
    guess = None if statement.labels else label_convention(root)
    convention = statement.labels or (guess.convention if guess else "")
    for pair in pairs:
        image, mask = read_image(pair.image), read_labels(pair.mask)
        require_same_grid(image, mask)
        if image.n_frames != mask.n_frames:
            raise InputError(
                f"{mask.name}: the mask has {mask.n_frames} frames, {image.name} has "
                f"{image.n_frames}; give a mask with as many frames, empty where nothing is drawn."
            )
        # a stack is a cine of one frame: (t, z, y, x)
        numbers = mask.array.astype(np.uint8, copy=False).reshape(-1, *mask.shape[-3:])
        pixels = image.array.astype(np.float32, copy=False).reshape(numbers.shape)
        if guess is not None:
            _agree(guess, numbers, mask.name)
        labels = convert(numbers, convention, name=mask.name)
        orientation = in_plane_orientation(image.affine)
        labels, pixels = apply(orientation, labels), apply(orientation, pixels)
        spacing = apply_to_spacing(orientation, image.spacing)
        drawn = is_heart(labels).any(axis=(1, 2, 3))
        frames = np.flatnonzero(drawn) if drawn.any() else np.arange(1)
        about = table.of(pair, statement)
        phases = _phases(labels[frames], about["phase"])
        for frame, phase in zip(frames, phases, strict=True):
            stack, may_hide = _known(labels[frame], statement.drawn)
            yield Examination(
                cohort=name,
                patient=about["patient"] or "",
                image=pixels[frame],
                labels=stack,
                may_hide=may_hide,
                spacing=spacing,
                z=slice_position(is_heart(stack).sum(axis=(1, 2))),
                vendor=about["vendor"],
                phase=phase,
                pathology=about["pathology"],
                files=(pair.image.name, pair.mask.name),
            )


def remarks(root: Path) -> list[str]:
    """What had to be assumed about a folder, for `cohort check` to show."""
    root = Path(root)
    pairs, statement = find_pairs(root), read_statement(root)
    said = []
    if statement.labels is None:
        guess = label_convention(root)
        said.append(
            f"labels are read as {guess.convention} (confidence {guess.confidence:.2f}): "
            f"{guess.reason} If that is wrong, write `labels: NAME` into cohort.yaml."
        )
    if pairs[0].image.parent.name not in ("images", "imagesTr"):
        known = {path for pair in pairs for path in (pair.image, pair.mask)}
        others = [p for p in _beside(root) if p not in known]
        if others:
            said.append(f"{len(others)} images have no mask and are left out ({others[0].name}).")
    return said


def find_pairs(root: Path) -> list[Pair]:
    """Pair the images and masks below a folder.

    Parameters
    ----------
    root : Path
        In one of the layouts described above.

    Returns
    -------
    list of Pair
        Sorted by name, never empty.

    Raises
    ------
    InputError
        If there is no layout, or a file lacks its partner.
    """
    root = Path(root)
    for images, masks, channel in (("images", "labels", ""), ("imagesTr", "labelsTr", "_0000")):
        if (root / images).is_dir() and (root / masks).is_dir():
            return _pairs_of_folders(root / images, root / masks, channel)
    files = {(path.parent, _stem(path)): path for path in _beside(root)}
    pairs = []
    for (folder, stem), mask in files.items():
        if not _MASK.search(stem):
            continue
        whole = _MASK.sub("", stem)
        image = files.get((folder, whole))
        if image is None:
            raise InputError(
                f"{mask}: there is no image {whole}.nii.gz beside this mask; put it there, or "
                "move the mask away."
            )
        pairs.append(Pair(image, mask, whole))
    if not pairs:
        raise InputError(
            f"{root}: holds no images with masks; expected images/ and labels/ with equal names, "
            "imagesTr/ and labelsTr/, or NAME.nii.gz beside NAME_gt.nii.gz."
        )
    images_used = [pair.image for pair in pairs]
    for image in images_used:
        if images_used.count(image) > 1:
            raise InputError(f"{image}: has more than one mask beside it; keep one.")
    return pairs


def read_statement(root: Path) -> Statement:
    """Read `cohort.yaml`; without one nothing is stated.

    Raises
    ------
    InputError
        If it is not valid YAML, or states something unknown.
    """
    path = Path(root) / "cohort.yaml"
    if not path.exists():
        return Statement()
    try:
        stated: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
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
        known = ", ".join(Statement.model_fields)
        raise InputError(f"{path}: field {field!r}: {first['msg']}; fields are {known}.") from error


def label_convention(root: Path) -> ConventionGuess:
    """Tell the label convention of a folder from some of its masks.

    Returns
    -------
    ConventionGuess
        The guess of the mask that is most certain.

    Raises
    ------
    InputError
        If the masks contradict each other, or none is clear.
    """
    pairs = find_pairs(root)
    chosen = np.unique(np.linspace(0, len(pairs) - 1, MASKS_ASKED).round().astype(int))
    best: ConventionGuess | None = None
    best_name = ""
    for index in chosen:
        mask = read_labels(pairs[index].mask)
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
            f"{root}: no slice to use, the {len(chosen)} masks looked at are empty; check that "
            "they belong to these scans, or write `labels: acdc`, `mnms` or `ukbb` into "
            "cohort.yaml if others are not."
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


def _known(
    labels: NDArray[np.uint8], drawn: tuple[str, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Labels and `may_hide` of a stack on which only some structures were drawn."""
    hidden = [STRUCTURES[s] for s in STRUCTURES if s not in drawn]
    may_hide = fully_labelled(labels)
    if hidden:
        labels = np.where(labels == BACKGROUND, np.uint8(UNLABELLED), labels)
        may_hide[:, hidden] = True
    return np.ascontiguousarray(labels), may_hide


def _phases(labels: NDArray[np.uint8], stated: str | None) -> list[str | None]:
    """Phase of every labelled frame, (t, z, y, x)."""
    if len(labels) != 2 or stated:
        return [stated] * len(labels)
    first, second = (labels == LV).sum(axis=(1, 2, 3))
    return ["ED", "ES"] if first >= second else ["ES", "ED"]


class _Table:
    """What `cohort.csv` states, by file and by patient."""

    def __init__(self, by_file: dict[str, dict[str, str]], by_patient: dict[str, dict[str, str]]):
        self.by_file, self.by_patient = by_file, by_patient

    @classmethod
    def read(cls, root: Path, pairs: list[Pair]) -> _Table:
        path = root / "cohort.csv"
        if not path.exists():
            return cls({}, {})
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file)
                rows = [{k: v or "" for k, v in row.items() if k is not None} for row in reader]
                columns = [c.strip() for c in reader.fieldnames or ()]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: cannot be read as a table ({error}).") from error
        unknown = [c for c in columns if c not in _COLUMNS]
        if unknown or not {"patient", "file"} & set(columns):
            raise InputError(
                f"{path}: columns are {', '.join(columns) or 'none'}; known are "
                f"{', '.join(_COLUMNS)}, one of them patient or file."
            )
        names = {_stem(pair.image): pair for pair in pairs} | {pair.stem: pair for pair in pairs}
        by_file: dict[str, dict[str, str]] = {}
        by_patient: dict[str, dict[str, str]] = {}
        for line, raw in enumerate(rows, start=2):
            row = {k.strip(): v.strip() for k, v in raw.items()}
            _check_words(row, f"{path}, line {line}")
            if row.get("file"):
                pair = names.get(_stem(Path(row["file"])))
                if pair is None:
                    raise InputError(f"{path}, line {line}: there is no image {row['file']!r}.")
                key, rows_so_far = pair.stem, by_file
            elif row.get("patient"):
                key, rows_so_far = row["patient"], by_patient
            else:
                raise InputError(f"{path}, line {line}: names neither a file nor a patient.")
            if key in rows_so_far:
                raise InputError(f"{path}, line {line}: {key!r} has a row already; keep one.")
            rows_so_far[key] = row
        return cls(by_file, by_patient)

    def of(self, pair: Pair, statement: Statement) -> dict[str, str | None]:
        """Patient, phase, vendor and pathology of a pair; None where nobody states it."""
        row = self.by_file.get(pair.stem, {})
        patient = row.get("patient") or pair.stem.partition("_")[0]
        whole = self.by_patient.get(patient, {})
        parts = [part.upper() for part in pair.stem.split("_")[1:]]
        in_name = [phase for phase in PHASES if phase in parts]
        return {
            "patient": patient,
            "phase": (row.get("phase") or whole.get("phase") or "").upper()
            or (in_name[0] if len(in_name) == 1 else None),
            "vendor": (row.get("vendor") or whole.get("vendor") or "").lower() or statement.vendor,
            "pathology": (row.get("pathology") or whole.get("pathology") or "").lower() or None,
        }


def _check_words(row: dict[str, str], where: str) -> None:
    for column, known in (("phase", PHASES), ("vendor", VENDORS), ("pathology", PATHOLOGIES)):
        value = row.get(column, "")
        if value and value.lower() not in [word.lower() for word in known]:
            raise InputError(
                f"{where}: {column} {value!r} is unknown; known are {', '.join(known)}, "
                "or leave it empty."
            )


def _pairs_of_folders(images: Path, masks: Path, channel: str) -> list[Pair]:
    by_stem = {}
    for path in _nifti_files(images):
        stem = _stem(path)
        if channel:
            if not stem.endswith(channel):
                raise InputError(
                    f"{path}: a single-channel image ends in {channel}.nii.gz here; rename it, or "
                    "move other channels away."
                )
            stem = stem[: -len(channel)]
        by_stem[stem] = path
    mask_of = {_stem(path): path for path in _nifti_files(masks)}
    if not by_stem:
        raise InputError(f"{images}: holds no .nii or .nii.gz file.")
    lonely = sorted(by_stem.keys() ^ mask_of.keys())
    if lonely:
        has, lacks = (images, masks) if lonely[0] in by_stem else (masks, images)
        raise InputError(
            f"{has}: {lonely[0]} has no partner in {lacks} ({len(lonely)} files have none); "
            "every image needs a mask of the same name."
        )
    return [Pair(by_stem[stem], mask_of[stem], stem) for stem in sorted(by_stem)]


def _beside(root: Path) -> list[Path]:
    return sorted([*_nifti_files(root), *(p for d in _folders(root) for p in _nifti_files(d))])


def _folders(root: Path) -> list[Path]:
    return [p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")]


def _nifti_files(folder: Path) -> list[Path]:
    return sorted(
        p for p in folder.iterdir() if _SUFFIX.search(p.name) and not p.name.startswith(".")
    )


def _stem(path: Path) -> str:
    return _SUFFIX.sub("", path.name)
