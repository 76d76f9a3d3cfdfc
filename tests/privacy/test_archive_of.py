"""From patients on disk to an archive, as the app and the command line do it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.evaluation.events import Event
from cmr_synth.evaluation.real_patients import RealPatients, with_slices
from cmr_synth.privacy.archive import Archive
from cmr_synth.privacy.archive_of import archive_of

AFFINE = np.diag([-1.5, -1.5, 8.0, 1.0])


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """Six drawn patients of one slice, as images beside masks."""
    root = tmp_path / "patients"
    root.mkdir()
    for number in range(6):
        labels = draw_slice(shape=(128, 128), seed=number)
        noise = np.random.default_rng(number).normal(0, 0.05, labels.shape)
        pixels = 1000 * (np.array([0.2, 0.9, 0.4, 0.8])[labels] + noise)
        for name, array in ((f"p{number}", pixels.astype(np.int16)), (f"p{number}_gt", labels)):
            nib.save(nib.Nifti1Image(array.T[..., None], AFFINE), root / f"{name}.nii.gz")
    return root


def test_patients_become_an_archive_and_nothing_else_stays(patients: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "archive"
    source = RealPatients(folder=patients, cohort="folder")
    *told, archive = with_slices(source, out, lambda slices: archive_of(slices, out))
    assert isinstance(archive, Archive) and archive.folder == out
    assert {event.title for event in told if isinstance(event, Event)} == {"prepare", "build"}
    assert len(archive.starts) < 6 and archive.calibration is not None, "some are held out"
    assert [path.name for path in out.parent.iterdir()] == ["archive"]


def test_patients_that_are_not_there_are_told(tmp_path: Path) -> None:
    out = tmp_path / "archive"
    gone = RealPatients(folder=tmp_path / "gone", cohort="folder")
    with pytest.raises(InputError, match="no such folder"):
        list(with_slices(gone, out, lambda slices: archive_of(slices, out)))
    with pytest.raises(InputError, match="gone"):
        no_set = RealPatients(folder=tmp_path / "gone")
        list(with_slices(no_set, out, lambda slices: archive_of(slices, out)))
    assert not out.exists()
