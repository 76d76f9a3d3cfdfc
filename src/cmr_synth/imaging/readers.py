"""One way in: what a path holds is decided by its content, never by its name."""

from __future__ import annotations

from pathlib import Path

from cmr_synth.files import require_path
from cmr_synth.imaging.dicom import choose, is_dicom, list_stacks, read_dicom, read_stack
from cmr_synth.imaging.nifti import read_image
from cmr_synth.imaging.scan import Scan


def read_scans(path: str | Path) -> list[Scan]:
    """Read the pixels of a NIfTI file, a DICOM file, or a folder of DICOM slices.

    Parameters
    ----------
    path : path
        A folder, or a DICOMDIR, is read as one examination.

    Returns
    -------
    list of Scan
        float32; more than one only for a folder with several stacks.

    Raises
    ------
    InputError
        If the path is missing, of another format, or damaged.
    """
    path = require_path(path)
    if path.is_dir() or is_dicom(path):
        return read_dicom(path)
    return [read_image(path)]


def read_scan(path: str | Path) -> Scan:
    """Read the only scan at a path, or the short-axis cine of an examination.

    Parameters
    ----------
    path : path
        As for `read_scans`.

    Returns
    -------
    Scan
        Where there was a choice, its last note says what was taken, why, and what was not.

    Raises
    ------
    InputError
        As `read_scans`, and if there are several scans of which none is short-axis.
    """
    path = require_path(path)
    if path.is_dir() or is_dicom(path):
        return read_stack(choose(list_stacks(path)))
    return read_image(path)
