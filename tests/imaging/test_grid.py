"""From the user's grid to the network's and back: the same place, whatever the voxels."""

from __future__ import annotations

from itertools import product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError
from cmr_synth.imaging.grid import Placement, WorkingGrid, place
from cmr_synth.imaging.nifti import read_image, read_labels, write_nifti
from cmr_synth.imaging.orientation import (
    apply,
    apply_to_spacing,
    in_plane_orientation,
    undo,
)

GRID = WorkingGrid()
SPACINGS = [(1.5, 1.5), (0.8, 0.8), (1.2, 1.4), (1.4, 1.2), (2.5, 1.0), (3.0, 3.0)]


def dice(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def ramp(shape, spacing, centre):
    """mm from the centre of the heart, along y and along x: two images whose truth is known."""
    y, x = ((np.arange(n) - c) * s for n, s, c in zip(shape, spacing, centre, strict=True))
    return np.stack(np.meshgrid(y, x, indexing="ij")).astype(np.float32)


def test_field_of_view_of_the_default_grid():
    assert GRID.field_of_view == (192.0, 192.0)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("grid", [GRID, WorkingGrid(shape=(64, 80), spacing=2.0)])
def test_every_pixel_lies_where_it_should(spacing, grid):
    """A linear ramp is reproduced by cubic interpolation, so positions show as values."""
    shape = tuple(int(260 / s) for s in spacing)
    centre = (shape[0] / 2 - 3.5, shape[1] / 2 + 2)
    placement = Placement(shape=shape, spacing=spacing, centre=centre, grid=grid)
    on_grid = placement.image_to_grid(ramp(shape, spacing, centre))
    middle = tuple((n - 1) / 2 for n in grid.shape)
    truth = ramp(grid.shape, (grid.spacing,) * 2, middle)
    assert placement.covered().all()
    np.testing.assert_allclose(on_grid, truth, atol=0.02)  # mm
    back = placement.image_from_grid(truth, fill=np.nan)
    mine = ramp(shape, spacing, centre)
    reached = np.isfinite(back).all(axis=0)
    reach_mm = [(n - 1) / 2 * grid.spacing for n in grid.shape]
    inner = (np.abs(mine[0]) < reach_mm[0] - 8) & (np.abs(mine[1]) < reach_mm[1] - 8)
    assert reached[inner].all()
    np.testing.assert_allclose(back[:, inner], mine[:, inner], atol=0.02)
    outside = (np.abs(mine[0]) > reach_mm[0] + grid.spacing) | (
        np.abs(mine[1]) > reach_mm[1] + grid.spacing
    )
    assert not reached[outside].any()


def test_a_picture_already_on_the_grid_is_left_alone(heart):
    placement = Placement(shape=(128, 128), spacing=(1.5, 1.5), centre=(63.5, 63.5), grid=GRID)
    image = np.random.default_rng(0).random((2, 128, 128)).astype(np.float32)
    np.testing.assert_allclose(placement.image_to_grid(image), image, atol=1e-5)
    np.testing.assert_allclose(placement.image_from_grid(image), image, atol=1e-5)
    np.testing.assert_array_equal(placement.labels_to_grid(heart), heart)
    np.testing.assert_array_equal(placement.labels_from_grid(heart), heart)


@settings(max_examples=25, deadline=None)
@given(
    spacing=st.tuples(st.floats(0.6, 3), st.floats(0.6, 3)),
    shift=st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
)
def test_labels_come_back(spacing, shift):
    """A disc inside a ring, drawn at any voxel size: at least 0.93 Dice after both ways.

    The ring is 9 mm wide: 3 voxels at the coarsest spacing, where half a voxel is lost per edge.
    """
    shape = tuple(int(220 / s) for s in spacing)
    centre = tuple(n / 2 + d / s for n, d, s in zip(shape, shift, spacing, strict=True))
    y, x = ramp(shape, spacing, centre)
    radius = np.hypot(y, x)
    labels = np.where(radius < 24, 1, np.where(radius < 33, 2, 0)).astype(np.uint8)
    placement = place(labels > 0, spacing, grid=GRID)
    on_grid = placement.labels_to_grid(labels)
    area = np.pi * 33**2
    assert np.count_nonzero(on_grid) * 1.5**2 == pytest.approx(area, rel=0.06)
    rows, columns = np.nonzero(on_grid)
    np.testing.assert_allclose([rows.mean(), columns.mean()], 63.5, atol=1.5)
    back = placement.labels_from_grid(on_grid)
    assert back.dtype == np.uint8 and set(np.unique(back)) == {0, 1, 2}
    for k in (1, 2):
        assert dice(back == k, labels == k) > 0.93 - 0.03 * (k == 2) * (max(spacing) > 2)


def test_no_label_is_invented_between_two_others(heart):
    """Labels 1 and 3 side by side never give 2, as averaging their numbers would."""
    labels = np.where(np.arange(100)[None, :] < 50, 1, 3) * np.ones((100, 1))
    labels = labels.astype(np.uint8)
    placement = Placement(shape=(100, 100), spacing=(2.3, 1.7), centre=(50, 50), grid=GRID)
    assert set(np.unique(placement.labels_to_grid(labels, fill=1))) == {1, 3}


def test_unlabelled_stays_unlabelled(heart):
    labels = np.where(heart == 2, 255, heart).astype(np.uint8)
    placement = place(heart > 0, (1.2, 1.4), grid=GRID)
    assert set(np.unique(placement.labels_to_grid(labels))) == {0, 1, 3, 255}


def test_beyond_the_field_of_view():
    placement = Placement(shape=(60, 60), spacing=(1.5, 1.5), centre=(29.5, 29.5), grid=GRID)
    image = np.full((60, 60), 7, np.float32)
    covered = placement.covered()
    assert covered.sum() == 60 * 60 and covered[34:94, 34:94].all()
    np.testing.assert_allclose(placement.image_to_grid(image), 7)  # the edge goes on
    labels = placement.labels_to_grid(np.ones((60, 60), np.uint8), fill=255)
    np.testing.assert_array_equal(labels == 1, covered)
    np.testing.assert_array_equal(labels == 255, ~covered)
    large = Placement(shape=(200, 200), spacing=(1.5, 1.5), centre=(99.5, 99.5), grid=GRID)
    back = large.image_from_grid(np.full((128, 128), 7, np.float32), fill=-1)
    assert (back == 7).sum() == 128 * 128 and (back == -1).sum() == 200 * 200 - 128 * 128


def test_fine_detail_does_not_fold_back():
    """Stripes finer than the grid turn grey instead of into coarse false stripes."""
    stripes = np.tile([0.0, 1.0], 240)[None, :] * np.ones((480, 1))
    placement = Placement(shape=(480, 480), spacing=(0.4, 0.4), centre=(239.5, 239.5), grid=GRID)
    assert placement.image_to_grid(stripes)[:, 10:-10].std() < 0.01


def test_values_stay_within_the_range_of_the_input(heart):
    placement = place(heart > 0, (1.1, 1.9), grid=GRID)
    image = (heart == 1).astype(np.float32)
    for out in (placement.image_to_grid(image), placement.image_from_grid(image)):
        assert out.min() >= 0 and out.max() <= 1 and out.dtype == np.float32


def test_a_stack_shares_one_placement_around_all_its_slices():
    foreground = np.zeros((2, 100, 100), bool)
    foreground[0, 20:30, 40:50] = True
    foreground[1, 40:60, 60:81] = True
    placement = place(foreground, (1.5, 1.5), grid=GRID)
    assert placement.centre == (39.5, 60.0) and placement.shape == (100, 100)


def test_a_heart_that_does_not_fit_and_one_that_is_not_there(heart):
    with pytest.raises(InputError, match="a.nii.gz: every voxel is background"):
        place(np.zeros((3, 10, 10)), (1.5, 1.5), grid=GRID, name="a.nii.gz")
    with pytest.raises(InputError, match=r"a.nii.gz: the heart is .* mm, larger than .* 192 x 192"):
        place(heart > 0, (15, 15), grid=GRID, name="a.nii.gz")
    assert place(heart > 0, (15, 15), grid=GRID, must_fit=False).spacing == (15, 15)


def test_slices_of_another_size_are_refused(heart):
    placement = place(heart > 0, (1.5, 1.5), grid=WorkingGrid(shape=(64, 64), spacing=3))
    for way in ("image_to_grid", "labels_to_grid"):
        with pytest.raises(ValueError, match=r"this placement is for \(128, 128\)"):
            getattr(placement, way)(np.zeros((100, 100)))
    for way in ("image_from_grid", "labels_from_grid"):
        with pytest.raises(ValueError, match=r"this placement is for \(64, 64\)"):
            getattr(placement, way)(np.zeros((128, 128)))


@pytest.mark.parametrize("move", list(product((1, -1), (1, -1), (False, True))))
def test_the_whole_way_from_an_oblique_anisotropic_file_and_back(tmp_path, oblique, move):
    """However the file stores the slices, the network sees one picture; the file gets its own."""
    flip_x, flip_y, exchange = move
    labels = draw_stack(slices=3, shape=(150, 170), spacing=(8.0, 1.4, 1.2), seed=1)
    image = labels.astype(np.float32) + ramp((150, 170), (1.4, 1.2), (0, 0)).sum(axis=0) / 100
    reference = place(labels > 0, (1.4, 1.2), grid=GRID).image_to_grid(image)

    order = (1, 0, 2) if exchange else (0, 1, 2)
    files = {}
    for name, array in (("image", image), ("mask", labels)):
        stored = array.transpose()[::flip_x, ::flip_y].transpose(order)  # (z, y, x) -> file
        affine = oblique @ np.diag([flip_x, flip_y, 1, 1])
        affine[:3, 3] += oblique[:3, 0] * 169 * (flip_x < 0) + oblique[:3, 1] * 149 * (flip_y < 0)
        files[name] = tmp_path / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(stored, affine[:, [*order, 3]]), files[name])

    scan, mask = read_image(files["image"]), read_labels(files["mask"])
    orientation = in_plane_orientation(mask.affine)
    assert orientation.trustworthy
    seen = apply(orientation, mask.array)
    np.testing.assert_array_equal(seen, labels)
    _, *spacing = apply_to_spacing(orientation, mask.spacing)
    placement = place(seen > 0, tuple(spacing), grid=GRID, name=mask.name)
    on_grid = placement.image_to_grid(apply(orientation, scan.array))
    np.testing.assert_allclose(on_grid, reference, atol=1e-3)  # spacing is stored as float32

    back = undo(orientation, placement.labels_from_grid(placement.labels_to_grid(seen)))
    for k in (1, 2, 3):
        assert dice(back == k, mask.array == k) > 0.95
    out = nib.load(write_nifti(mask.with_array(back), tmp_path / "out.nii.gz"))
    original = nib.load(files["mask"])
    assert out.shape == original.shape
    np.testing.assert_array_equal(out.affine, original.affine)
    agreement = np.mean(np.asarray(out.dataobj) == np.asarray(original.dataobj))
    assert agreement > 0.99
