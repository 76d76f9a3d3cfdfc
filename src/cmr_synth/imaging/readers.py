"""One way in: what a path holds is decided by its content, never by its name."""

from __future__ import annotations

from pathlib import Path

from cmr_synth.errors import InputError
from cmr_synth.imaging.dicom import is_dicom, read_dicom
from cmr_synth.imaging.nifti import read_image
from cmr_synth.imaging.scan import Scan


def read_scans(path: str | Path) -> list[Scan]:
    """Read the pixels of a NIfTI file, a DICOM slice, or a folder of DICOM slices.

    Parameters
    ----------
    path : path
        A folder is read as one examination in DICOM.

    Returns
    -------
    list of Scan
        float32; more than one only for a folder with several stacks.

    Raises
    ------
    InputError
        If the path is missing, of another format, or damaged.
    """
    path = Path(path)
    if path.is_dir() or is_dicom(path):
        return read_dicom(path)
    return [read_image(path)]


def read_scan(path: str | Path) -> Scan:
    """Read the only scan at a path.

    Parameters
    ----------
    path : path
        As for `read_scans`.

    Returns
    -------
    Scan

    Raises
    ------
    InputError
        As `read_scans`, and if there are several.
    """
    scans = read_scans(path)
    if len(scans) > 1:
        found = "; ".join(f"{scan.name}: {_size(scan)}" for scan in scans[:8])
        more = f" and {len(scans) - 8} more" if len(scans) > 8 else ""
        raise InputError(
            f"{path}: holds {len(scans)} scans ({found}{more}), one is needed. "
            "Give a folder with the slices of one."
        )
    return scans[0]


def _size(scan: Scan) -> str:
    return f"{scan.n_frames} frames, {scan.n_slices} slices"
