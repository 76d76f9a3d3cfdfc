"""NIfTI files of a cohort by name: packed or not, in capitals or not, behind links, in folders."""

from __future__ import annotations

import re
from pathlib import Path

from cmr_synth.errors import InputError
from cmr_synth.files import walk

_ENDING = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)


def stem_of(file_name: str) -> str:
    """A file name without `.nii` or `.nii.gz`."""
    return _ENDING.sub("", file_name)


def is_nifti_name(file_name: str) -> bool:
    """Whether a name ends as those of NIfTI files do, and is not hidden."""
    return bool(_ENDING.search(file_name)) and not file_name.startswith(".")


def nifti_at(folder: Path, *stems: str) -> Path:
    """The NIfTI file in a folder by its name without ending; the first stem that is there.

    Some who unpack leave a folder `NAME.nii` with the file in it; it is found as well.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        there = {entry.name.lower(): entry for entry in folder.iterdir()}
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be read ({error.strerror or error}); check that it is there."
        ) from error
    for stem in stems:
        for ending in (".nii.gz", ".nii"):
            path = there.get(f"{stem}{ending}".lower())
            if path is not None and path.is_dir():
                inside = [p for p in sorted(path.iterdir()) if is_nifti_name(p.name)]
                path = inside[0] if len(inside) == 1 else None
            if path is not None:
                return path
    raise InputError(f"{folder}: holds no {stems[0]}.nii.gz, packed or not.")


def nifti_below(root: Path) -> list[Path]:
    """All NIfTI files in a folder and below it, in order; links are followed, never in circles.

    Hidden files and folders are left alone.

    Raises
    ------
    InputError
        If the folder cannot be read.
    """
    return [path for path in walk(root).files if is_nifti_name(path.name)]


def relative(path: Path, root: Path) -> str:
    """A path below the cohort's folder, for people; whole where it is elsewhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
