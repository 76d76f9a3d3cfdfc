"""Dials on masks as they are stored, and the scan that moves with them."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.dials import Dials, Region, Regional, turn
from cmr_synth.anatomy.labels import LV, MYO
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.dialled import Upright

SPACING = (8.0, 1.5, 1.5)
THICK = Dials(hypertrophy=(Regional(0.6, Region("septal")),), dilation=0.2)


@pytest.fixture(scope="module")
def labels():
    return draw_stack(seed=2, slices=6, shape=(96, 96))


def scan_of(array, name="heart.nii.gz", affine=None) -> Scan:
    affine = np.diag([-1.5, -1.5, 8.0, 1.0]) if affine is None else affine
    return Scan(array=array, spacing=SPACING, affine=affine, name=name)


def test_a_mask_stored_on_its_side_is_turned_as_one_upright(labels):
    x = np.array([-0.712, -0.701, -0.034])
    x /= np.linalg.norm(x)
    y = np.array([0.308, -0.268, -0.913])
    y -= (y @ x) * x
    y /= np.linalg.norm(y)
    z = np.cross(x, y)
    z *= np.sign(z @ [-1, 1, -1])  # base to apex
    upright, on_its_side = np.eye(4), np.eye(4)
    upright[:3, :3] = np.stack([x, y, z], axis=1) * SPACING[::-1]
    on_its_side[:3, :3] = np.stack([y, x, z], axis=1) * SPACING[::-1]
    expected = turn(labels, SPACING, THICK).labels
    stored = scan_of(labels.swapaxes(1, 2), affine=on_its_side)
    found = Upright.of(stored).turned(THICK).mask.array
    assert np.array_equal(found.swapaxes(1, 2), expected)
    assert np.array_equal(
        Upright.of(scan_of(labels, affine=upright)).turned(THICK).mask.array, expected
    )


def test_every_frame_of_a_cine_is_turned_by_itself(labels):
    systole = draw_stack(seed=2, slices=6, shape=(96, 96), phase="ES")
    frames = np.stack([systole, np.zeros_like(labels), labels])
    turned = Upright.of(scan_of(frames)).turned(THICK)
    assert np.array_equal(turned.mask.array[0], turn(systole, SPACING, THICK).labels)
    assert not turned.mask.array[1].any()
    assert turned.reference == 2  # the larger LV
    pixels = np.random.default_rng(0).random(frames.shape, dtype=np.float32)
    altered = turned.altered(scan_of(pixels, "cine.nii.gz"))
    assert np.array_equal(altered.array[1], pixels[1])
    assert not np.array_equal(altered.array[2], pixels[2])


def test_a_scan_is_altered_where_its_mask_is(labels):
    bright = np.where(labels == LV, 0.9, np.where(labels == MYO, 0.2, 0.5)).astype(np.float32)
    turned = Upright.of(scan_of(labels)).turned(THICK)
    altered = turned.altered(scan_of(bright, "scan.nii.gz")).array
    new = turned.mask.array
    assert altered[new == LV].mean() > 0.85 and altered[new == MYO].mean() < 0.3
    same = Upright.of(scan_of(labels)).turned(Dials()).altered(scan_of(bright, "scan.nii.gz"))
    assert np.array_equal(same.array, bright)


def test_scan_and_mask_must_belong_together(labels):
    turned = Upright.of(scan_of(labels)).turned(THICK)
    with pytest.raises(InputError, match="on its own grid"):
        turned.altered(scan_of(np.zeros((6, 90, 96), np.float32), "other.nii.gz"))
    with pytest.raises(InputError, match=r"cine.nii.gz: has 3 frames and the mask heart.nii.gz 1"):
        turned.altered(scan_of(np.zeros((3, *labels.shape), np.float32), "cine.nii.gz"))


def test_the_record_says_altered_and_never_synthetic(labels):
    record = Upright.of(scan_of(labels)).turned(THICK).record()
    assert record["altered"] is True and record["synthetic"] is False
    assert record["dials"] == {"dilation": 0.2, "hypertrophy": ["0.6@septal"]}
    (thick,) = [e for e in record["effects"]["0"] if e["dial"] == "hypertrophy"]
    assert thick["measured"] == pytest.approx(thick["asked"], rel=0.08)
