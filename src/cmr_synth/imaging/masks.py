"""Mask files: found in folders, read, told apart by convention, and called by unique names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cmr_synth.anatomy.labels import convert, guess_convention
from cmr_synth.errors import InputError
from cmr_synth.files import sha256, walk
from cmr_synth.imaging.contours.cvi42 import is_cvi42
from cmr_synth.imaging.contours.masks import read_contour_mask
from cmr_synth.imaging.nifti import read_labels
from cmr_synth.imaging.scan import Scan, require_foreground

SURE = 0.75  # confidence of a guess from which it is used without asking
SUFFIXES = (".nii.gz", ".nii")

_NAMED_A_MASK = re.compile(
    r"(^|[^a-z])(gt|labels?(tr|ts)?|masks?|seg|segmentations?|contours?)([^a-z]|$)", re.IGNORECASE
)
_OF_A_PAIR = re.compile(r"_(gt|d?seg|masks?|labels?|\d{4})$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask file in engine labels.

    Parameters
    ----------
    scan : Scan
    path : Path
    sha256 : str
        Of the file.
    labels : str
        Where the meaning of its numbers comes from, in one sentence.
    """

    scan: Scan
    path: Path
    sha256: str
    labels: str


def read_mask(path: str | Path, *, convention: str | None = None) -> Mask:
    """Read a mask and bring it to engine labels.

    Parameters
    ----------
    path : path
        NIfTI, 2D to 4D; or a cvi42 workspace (`.cvi42wsx`) beside its DICOM images.
    convention : str, optional
        A key of `cmr_synth.anatomy.labels.CONVENTIONS`; None tells it by topology. Contours need
        none.

    Returns
    -------
    Mask

    Raises
    ------
    InputError
        If the file is missing, damaged, no mask or empty, or topology does not tell enough.
    """
    path = Path(path)
    if is_cvi42(path):
        drawn = require_foreground(read_contour_mask(path))
        return Mask(drawn, path, sha256(path), "drawn as contours, which name their structure.")
    scan = require_foreground(read_labels(path))
    if convention is None:
        guess = guess_convention(scan.array, name=scan.name)
        if guess.confidence < SURE:
            raise InputError(
                f"{scan.name}: cannot tell which convention its numbers follow. "
                f"{guess.reason.rstrip('.')}. Name it with --labels acdc, mnms or ukbb."
            )
        convention = guess.convention
        how = f"read as {convention} labels. {guess.reason}"
    else:
        how = f"read as {convention} labels, as told."
    engine = convert(scan.array, convention, name=scan.name)
    return Mask(scan.with_array(engine), path, sha256(path), how)


@dataclass(frozen=True)
class MaskFiles:
    """Masks found, and one line for each link or folder that was left out."""

    files: tuple[Path, ...]
    left_out: tuple[str, ...]


def mask_files(paths: Sequence[str | Path]) -> list[Path]:
    """List the masks at paths, as `find_masks` does, without what was left out."""
    return list(find_masks(paths).files)


def find_masks(paths: Sequence[str | Path]) -> MaskFiles:
    """List the masks at paths, looking into folders.

    Parameters
    ----------
    paths : sequence of path
        Files are taken as they are. Of a folder, all NIfTI files in it and below are taken, in
        order of their names, through links. Where some of them are named as masks (such as
        `patient001_gt` or those in `labelsTr`) it is these alone, because data sets keep images
        beside masks. Hidden files and synthetic images with their sidecar are left out.

    Returns
    -------
    MaskFiles

    Raises
    ------
    InputError
        If a folder holds no NIfTI file, or nothing is given.
    """
    files: list[Path] = []
    left_out: list[str] = []
    for path in map(Path, paths):
        if path.is_dir():
            walked = walk(path)
            files += _masks_among(walked.files, path, walked.left_out)
            left_out += walked.left_out
        else:
            files.append(path)
    if not files:
        raise InputError("no masks given; name NIfTI files, or folders that hold some.")
    return MaskFiles(tuple(files), tuple(left_out))


def unique_stems(paths: Sequence[Path]) -> list[str]:
    """Name each mask by its file, and by its folder too where several files are named alike.

    Raises
    ------
    InputError
        If that does not tell them apart.
    """
    stems = [stem_of(path) for path in paths]
    count = Counter(stems)
    # Data sets that name every mask alike have a folder for each patient.
    unique = [
        f"{path.resolve().parent.name}_{stem}" if count[stem] > 1 else stem
        for path, stem in zip(paths, stems, strict=True)
    ]
    for name, times in Counter(unique).items():
        if times > 1:
            raise InputError(
                f"{times} masks would be called {name!r} in the output folder; run them one by "
                "one into different folders."
            )
    return unique


def stem_of(path: Path) -> str:
    """File name without `.nii.gz` or `.nii`, or without its last ending."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def _masks_among(found: Sequence[Path], folder: Path, left_out: Sequence[str]) -> list[Path]:
    files = [
        path for path in found if path.name.lower().endswith(SUFFIXES) and not is_synthetic(path)
    ]
    if not files:
        raise InputError(
            " ".join(
                [
                    f"{folder}: holds no NIfTI mask (.nii or .nii.gz); choose another folder.",
                    *left_out,
                ]
            )
        )
    named = [path for path in files if is_named_a_mask(path, folder)]
    return named or files


def is_named_a_mask(path: Path, folder: Path) -> bool:
    """Whether a file, or a folder between it and the one given, is called as masks are."""
    return bool(_NAMED_A_MASK.search(_words(path, folder)))


def without_mask_words(path: Path) -> str:
    """The name that a mask shares with its image: less `_gt`, or the channel `_0000`."""
    return _OF_A_PAIR.sub("", stem_of(path))


def _words(path: Path, folder: Path) -> str:
    """The name and the folders above it, up to the one that was given."""
    return "/".join([*path.relative_to(folder).parts[:-1], stem_of(path)])


def is_synthetic(path: Path) -> bool:
    """Whether a sidecar says so, as beside images made into the folder of their masks."""
    sidecar = path.with_name(f"{stem_of(path)}.json")
    try:
        stated = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(stated, dict) and stated.get("synthetic") is True
