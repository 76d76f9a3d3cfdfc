"""A scan in other looks: its place, its marks, and what is refused."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_stack
from cmr_synth.cli import main
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.adapting import Adapted, adapt
from cmr_synth.synthesis.request import Request

GREY = np.array([0.2, 0.8, 0.3, 0.75], np.float32)
LABELS = draw_stack(slices=3).astype(np.uint8)
AFFINE = np.diag([-1.5, -1.5, 8, 1.0])


def scan(array, name):
    return Scan(array=array, spacing=(8, 1.5, 1.5), affine=AFFINE, name=name)


MASK = scan(LABELS, "mask.nii.gz")
IMAGE = scan(900 * GREY[LABELS] + np.arange(128, dtype=np.float32), "scan.nii.gz")


@pytest.fixture(scope="module")
def tiny(tiny_model):
    return zoo.load(tiny_model, device="cpu")


def test_a_scan_comes_back_where_it_was(tiny):
    *_, made = adapt(IMAGE, MASK, tiny, Request(vendor="ge"))
    assert isinstance(made, Adapted) and made.scan.shape == IMAGE.shape
    assert np.array_equal(made.scan.affine, AFFINE)
    assert made.record["altered"] is True and made.record["synthetic"] is False
    assert (made.record["vendor"], made.record["keep_mm"]) == ("ge", 1.5)
    *_, again = adapt(IMAGE, MASK, tiny, Request(vendor="ge", batch=1))
    assert np.allclose(made.scan.array, again.scan.array, atol=1e-4)
    *_, free = adapt(IMAGE, MASK, tiny, Request(vendor="ge"), follow=False)
    assert not np.allclose(made.scan.array, free.scan.array, atol=1e-2)


def test_less_kept_of_it_is_less_like_it(tiny):
    def likeness(mm):
        *_, made = adapt(IMAGE, MASK, tiny, Request(vendor="ge"), keep_mm=mm)
        inside = made.scan.array > 0
        return np.corrcoef(made.scan.array[inside], IMAGE.array[inside])[0, 1]

    found = [likeness(mm) for mm in (0.8, 3, 40)]
    assert found == sorted(found, reverse=True) and found[0] > 0.6 > found[2]


@pytest.mark.parametrize(
    ("image", "mask", "mm", "words"),
    [
        (scan(IMAGE.array[:2], "scan.nii.gz"), MASK, 3, "give the mask of this scan"),
        (IMAGE, scan(LABELS * 0, "mask.nii.gz"), 3, "mask"),
        (IMAGE, MASK, 0, "positive number"),
    ],
)
def test_what_cannot_be_adapted_is_refused(image, mask, mm, words, tiny):
    with pytest.raises(InputError, match=words):
        list(adapt(image, mask, tiny, Request(), keep_mm=mm))


def test_the_command_marks_what_it_writes(tiny_model, tmp_path, capsys):
    for name, one in (("scan", IMAGE), ("mask", MASK)):
        write_nifti(one, tmp_path / f"{name}.nii.gz")
    command = ["adapt", str(tmp_path / "scan.nii.gz"), "--mask", str(tmp_path / "mask.nii.gz")]
    command += ["--labels", "mnms", "--vendor", "siemens", "--model", str(tiny_model)]
    with pytest.raises(SystemExit) as done:
        main([*command, "--device", "cpu", "--out", str(tmp_path / "out")])
    assert done.value.code == 0, capsys.readouterr().err
    image = nib.load(tmp_path / "out" / "scan_siemens.nii.gz")
    assert b"ALTERED image of a real patient" in image.header["descrip"].item()
    record = json.loads((tmp_path / "out" / "scan_siemens.json").read_text())
    assert record["altered"] is True and record["mask"]["labels"].startswith("read as mnms")


def test_a_missing_mask_is_one_line(tiny_model, tmp_path, capsys):
    write_nifti(IMAGE, tmp_path / "scan.nii.gz")
    one = ["adapt", *[str(tmp_path / "scan.nii.gz")] * 2, "--mask", str(tmp_path / "scan.nii.gz")]
    with pytest.raises(SystemExit) as done:
        main([*one, "--model", str(tiny_model), "--out", str(tmp_path / "out")])
    assert done.value.code == 1 and "give one for each" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
