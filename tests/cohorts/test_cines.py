"""Slice sets of cines: real 4D files of drawn, beating hearts."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from cmr_synth.anatomy.labels import LV
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.cohorts.cines import prepare_cines
from cmr_synth.cohorts.preparing import Preparing
from cmr_synth.cohorts.slices import SliceRow, SliceSet, open_slice_set
from cmr_synth.cohorts.volumes import Depth, volumes_of
from cmr_synth.errors import InputError

FRAMES, ES = 6, 2
SPACING = (10.0, 2.0, 2.0)
CHOICES = Preparing(shape=(64, 64), spacing_mm=3.0)


@pytest.fixture(scope="module")
def beating() -> np.ndarray:
    """Labels (t, z, y, x) of a heart; the last slice has none."""
    ed, es = (
        draw_stack(slices=3, shape=(96, 96), spacing=SPACING, phase=phase) for phase in ("ED", "ES")
    )
    stack = np.stack([ed, ed, es, es, ed, ed])
    return np.concatenate([stack, np.zeros_like(stack[:, :1])], axis=1)


def find(scan):
    """The truth, by the grey values that were painted."""
    found = np.rint(np.asarray(scan.array) / 50).astype(np.uint8)
    return found, (0, int((found == LV).sum(axis=(1, 2, 3)).argmin()))


def write(path, array, spacing=SPACING):
    """Write ([t,] z, y, x) as a NIfTI file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array.T, np.diag([-spacing[2], -spacing[1], spacing[0], 1.0]))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def pictures(labels):
    return (50 * labels).astype(np.int16)


@pytest.fixture
def root(beating, tmp_path):
    for number in (1, 2, 3):
        folder = tmp_path / "cines" / f"patient00{number}"
        write(folder / f"patient00{number}_4d.nii.gz", pictures(beating))
        write(folder / f"patient00{number}_frame01.nii.gz", pictures(beating[0]))
    return tmp_path / "cines"


def test_slices_with_a_heart_are_taken_over_the_whole_beat(root, tmp_path):
    lines = list(prepare_cines(("acdc", root), tmp_path / "set", find, choices=CHOICES))
    assert lines[0] == "acdc patient001: 3 slices, 6 frames"  # stills are passed over
    slices = open_slice_set(tmp_path / "set")
    assert len(slices) == 3 * 3 * FRAMES
    first = [row for row in slices.rows if row.patient == "patient001" and row.slice == 1]
    assert [row.frame for row in first] == list(range(FRAMES))
    assert [row.phase for row in first] == ["ED", "", "ES", "", "", ""]
    assert all(row.completed and row.vendor == "siemens" for row in first)
    assert slices.about["cohorts"]["acdc"]["licence"] == "CC BY-NC-SA 4.0"


def test_only_the_heart_moves(root, tmp_path):
    list(prepare_cines(("acdc", root), tmp_path / "set", find, choices=CHOICES))
    slices = open_slice_set(tmp_path / "set")
    volumes, _ = volumes_of(
        slices, Depth(axis="t", count=FRAMES, between_mm=1, least=2), split=None
    )
    assert len(volumes) == 9
    pixels, labels, _ = volumes[0].read(slices)
    near = binary_dilation((labels > 0).any(axis=0), iterations=4)
    assert np.ptp(pixels[:, ~near], axis=0).max() == 0 < np.ptp(pixels[:, near], axis=0).max()
    areas = (labels == LV).sum(axis=(1, 2))
    assert areas.argmax() == 0 and areas.argmin() == ES


def test_a_spacing_that_nobody_set_is_that_of_a_still(root, beating, tmp_path):
    never = root / "patient002" / "patient002_4d.nii.gz"
    write(never, pictures(beating), spacing=(1.0, 1.0, 1.0))
    list(prepare_cines(("acdc", root), tmp_path / "set", find, choices=CHOICES))
    slices = open_slice_set(tmp_path / "set")
    areas = {
        patient: int((slices.labels[[r.patient == patient for r in slices.rows]] == LV).sum())
        for patient in ("patient001", "patient002")
    }
    assert areas["patient001"] == areas["patient002"]
    for still in root.rglob("patient002_frame01.nii.gz"):
        still.unlink()
    list(prepare_cines(("acdc", root), tmp_path / "set", find, choices=CHOICES))
    about = open_slice_set(tmp_path / "set").about["cohorts"]["acdc"]
    assert about["examinations"] == 2
    assert "header says 1 x 1 x 1 mm" in about["left_out"][0]["reason"]


def test_patients_keep_the_side_they_have(root, tmp_path):
    row = SliceRow(
        cohort="acdc", patient="patient001", split="test", vendor="siemens", phase="ED",
        pathology="hcm", slice=0, z=0.5, completed=False,
    )  # fmt: skip
    empty = np.zeros((2, 4, 4), np.uint8)
    like = SliceSet(
        empty, empty, empty, (row, replace(row, patient="patient003", split="train")), {}
    )
    list(prepare_cines(("acdc", root), tmp_path / "set", find, choices=CHOICES, like=like))
    rows = open_slice_set(tmp_path / "set").rows
    assert {r.split for r in rows if r.patient == "patient001"} == {"test"}
    assert {r.split for r in rows if r.patient == "patient003"} == {"train"}
    assert {r.pathology for r in rows if r.patient == "patient001"} == {"hcm"}


def test_a_folder_without_cines_is_one_line_and_leaves_nothing(beating, tmp_path):
    write(tmp_path / "stills" / "patient001_frame01.nii.gz", pictures(beating[0]))
    with pytest.raises(InputError, match="stills: no cine to use"):
        list(prepare_cines(("acdc", tmp_path / "stills"), tmp_path / "set", find))
    with pytest.raises(InputError, match="nowhere: holds no NIfTI files"):
        list(prepare_cines(("acdc", tmp_path / "nowhere"), tmp_path / "set", find))
    assert not (tmp_path / "set").exists()
