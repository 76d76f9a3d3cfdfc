"""One way in, decided by content."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.imaging.readers import read_scan, read_scans


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_nifti(tmp_path, oblique, name):
    nib.save(nib.Nifti1Image(np.ones((6, 5, 3)), oblique), tmp_path / name)
    assert read_scan(tmp_path / name).shape == (3, 5, 6)


def test_a_dicom_slice_under_any_name_and_the_folder_around_it(data_root, tmp_path):
    source = data_root / "sunnybrook_dicom" / "SCD0000301"
    (tmp_path / "a.nii").write_bytes((source / "81.dcm").read_bytes())
    assert read_scan(tmp_path / "a.nii").shape == (1, 256, 256)
    (tmp_path / "b").write_bytes((source / "82.dcm").read_bytes())
    (tmp_path / "c").write_bytes((source / "101.dcm").read_bytes())
    assert [s.n_frames for s in read_scans(tmp_path)] == [2, 1]
    fuller = read_scan(tmp_path)
    assert fuller.n_frames == 2 and "the fullest short-axis one of 2 scans" in fuller.notes[-1]


def test_what_is_nothing(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_scan(tmp_path / "nothing")
    (tmp_path / "notes.dcm").write_text("not a picture at all")
    with pytest.raises(InputError, match="notes.dcm: a text file"):
        read_scan(tmp_path / "notes.dcm")
