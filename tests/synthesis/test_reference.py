"""A real picture on the model's grid: centred on its heart, scaled as the training data were."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.reference import reference_on_grid

GRID = WorkingGrid()
SHADES = np.array([0.15, 0.9, 0.3, 0.8])
TISSUES = 100 * SHADES  # in the scanner's units


def scan_of(array: np.ndarray, name: str, spacing: float = 1.5) -> Scan:
    affine = np.diag([-spacing, -spacing, 8.0, 1.0])
    return Scan(array=array, spacing=(8.0, spacing, spacing), affine=affine, name=name)


@pytest.fixture
def labels() -> np.ndarray:
    """A heart whose middle lies 30 voxels above and 25 left of that of the slice."""
    return np.roll(np.pad(draw_slice(), 40), (-30, -25), axis=(0, 1))[None]


@pytest.fixture
def picture(labels) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 2, labels.shape)
    return (TISSUES[labels] + noise).astype(np.float32)


@pytest.mark.parametrize("given", [True, False], ids=["mask", "segmenter"])
def test_it_is_centred_on_the_heart(picture, labels, given):
    mask = scan_of(labels.astype(np.uint8), "mask") if given else None
    # what finds the heart sees the grid that it was trained on, and a dark slice around
    seen = []

    def segment(pixels):
        seen.append(pixels.shape)
        return np.digitize(pixels, [0.25, 0.6]).astype(np.uint8)

    found = reference_on_grid(
        scan_of(picture, "scan"), GRID, mask=mask, segment=None if given else segment
    )
    assert found.pixels.shape == (128, 128) and found.pixels.dtype == np.float32
    assert bool(seen) != given and not found.notes
    bright = np.argwhere(found.pixels > 0.5)
    assert np.abs(bright.mean(axis=0) - 63.5).max() < 14  # 30 voxels off before
    assert found.pixels.min() >= 0 and found.pixels.max() <= 1


def test_without_a_heart_the_middle_is_used_and_said(picture):
    def none(pixels):
        return np.zeros(pixels.shape, np.uint8)

    found = reference_on_grid(scan_of(picture, "scan"), GRID, segment=none)
    assert found.notes == ("no heart was found in the reference; its middle is used",)


def test_units_of_the_scanner_do_not_matter(picture, labels):
    mask = scan_of(labels.astype(np.uint8), "mask")
    one, other = (
        reference_on_grid(scan_of(p, "scan"), GRID, mask=mask) for p in (picture, 7 * picture + 300)
    )
    np.testing.assert_allclose(one.pixels, other.pixels, atol=1e-4)


def test_slice_and_frame_are_chosen(picture, labels):
    cine = np.stack([np.stack([picture[0]] * 3), np.stack([2 * picture[0]] * 3)])
    cine[1, 2] = cine[1, 2][::-1]
    mask = scan_of(np.stack([np.stack([labels[0]] * 3)] * 2).astype(np.uint8), "mask")
    first = reference_on_grid(scan_of(cine, "scan"), GRID, mask=mask)
    other = reference_on_grid(scan_of(cine, "scan"), GRID, k=2, frame=1, mask=mask)
    assert (first.slice, first.frame, other.slice, other.frame) == (1, 0, 2, 1)
    assert np.abs(first.pixels - other.pixels).mean() > 0.01
    assert first.sha256 != other.sha256
    record = other.record(0.25)
    assert record["strength"] == 0.25 and record["slice"] == 2 and record["sha256"] == other.sha256


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda p: p, {"k": 1}, "scan: has no slice 1; choose 0 to 0"),
        (lambda p: p, {"frame": 1}, "scan: has no frame 1; choose 0 to 0"),
        (lambda p: np.full_like(p, 3), {}, "slice 0 is constant"),
        (lambda p: p[:, :8], {}, "slices of 8 x .* needs 16"),
        (lambda p: (p > 50).astype(np.float32), {}, "holds 2 whole numbers only, as a mask does"),
    ],
)
def test_what_cannot_be_a_reference(picture, change, options, message):
    with pytest.raises(InputError, match=message):
        reference_on_grid(scan_of(change(picture), "scan"), GRID, **options)


def test_a_mask_must_be_of_the_picture_and_show_a_heart(picture, labels):
    for mask, message in (
        (labels[:, :20], "mask: is of .* give the mask of this picture"),
        (np.zeros_like(labels), "mask: shows no heart on slice 0"),
    ):
        with pytest.raises(InputError, match=message):
            reference_on_grid(
                scan_of(picture, "scan"), GRID, mask=scan_of(mask.astype(np.uint8), "mask")
            )
