"""OCMR: raw data of cine in ISMRMRD files (HDF5), Siemens; fully sampled ones are reconstructed.

One file a scan, `fs_0001_1_5T.h5`; those that are undersampled (`us_`) need an iterative
reconstruction and are left out, as are long-axis views. A picture is the root of the sum of squares
over coils of the inverse Fourier transform, without oversampling. The first phase, the nearest to
the R wave, is yielded as ED; nothing is drawn in this cohort.

Assumed without having seen the data: the layout of the ISMRMRD standard (`dataset/xml`,
`dataset/data`), Cartesian lines, and that every file is another patient's, which the files do not
tell. Needs h5py (`pip install "napari-cmr-synth[ocmr]"`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cmr_synth.cohorts.examination import Examination, LeftOut, Unread
from cmr_synth.cohorts.nifti_files import relative
from cmr_synth.cohorts.stacks import each, examination_of, require_short_axis
from cmr_synth.errors import InputError
from cmr_synth.files import walk
from cmr_synth.imaging.ismrmrd import read_raw, require_h5py

name = "ocmr"
title = "OCMR, open-access multi-coil k-space data set of cardiovascular MR"
vendor = "siemens"
licence = "CC BY-NC 4.0"
citation = (
    "C. Chen, Y. Liu, P. Schniter, et al. OCMR (v1.0): Open-Access Multi-Coil k-Space Dataset for "
    "Cardiovascular Magnetic Resonance Imaging. arXiv:2008.03410, 2020."
)
asked_for = "https://ocmr.info"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}

LEAST_LINES = 0.6  # of all; partial Fourier measures 5 eighths and more


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield the first phase of every fully sampled short-axis scan.

    Raises
    ------
    InputError
        If there is no .h5 file, or h5py is not installed.
    """
    root = Path(root)
    files = [path for path in walk(root).files if path.suffix.lower() == ".h5"]
    if not files:
        raise InputError(f"{root}: holds no .h5 file; give the folder of OCMR's scans.")
    require_h5py()
    yield from each(_chosen(files, root), lambda p: [_read(p, root)], lambda p: [p], root=root)


def remarks(root: Path) -> list[str]:
    """What is taken, and for what."""
    return ["the first phase is taken for ED; every file counts as a patient; nothing is drawn."]


def _chosen(files: list[Path], root: Path) -> Iterator[Path | LeftOut]:
    for path in files:
        if path.name.lower().startswith("us_"):
            yield LeftOut(relative(path, root), "is undersampled and not reconstructed.")
        else:
            yield path


def _read(path: Path, root: Path) -> Examination:
    raw = read_raw(path, first_phase=True)
    if raw.lines_measured < LEAST_LINES:
        raise InputError(
            f"{path.name}: is undersampled, {raw.lines_measured:.0%} of its lines are there."
        )
    axes = (-2, -1)
    coil_pictures = np.fft.fftshift(
        np.fft.ifft2(np.fft.ifftshift(raw.kspace, axes=axes), axes=axes, norm="ortho"), axes=axes
    )
    scan = raw.scan(np.sqrt((np.abs(coil_pictures) ** 2).sum(axis=2)))
    require_short_axis(scan)
    return examination_of(
        scan,
        np.asarray(scan.array, np.float32),
        None,
        cohort=name,
        patient=re.sub(r"\.h5$", "", path.name, flags=re.IGNORECASE),
        files=(relative(path, root),),
        vendor=vendor,
        phase="ED",
    )
