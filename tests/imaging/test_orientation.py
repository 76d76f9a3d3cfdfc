"""Every way in which a scanner or converter stores a slice ends in the same picture."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmr_synth.errors import InputError
from cmr_synth.imaging.orientation import (
    CONVENTIONS,
    Orientation,
    apply,
    apply_to_spacing,
    in_plane_orientation,
    undo,
)

MOVES = list(product((False, True), repeat=3))


def stored(picture, affine, move):
    """The same picture as another converter would store it, with the affine that belongs to it."""
    transpose, flip_rows, flip_columns = move
    n_y, n_x = picture.shape
    change = np.eye(4)  # new (x, y, z) to old
    if flip_columns:
        picture = picture[:, ::-1]
        change = change @ [[-1, 0, 0, n_x - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    if flip_rows:
        picture = picture[::-1]
        change = change @ [[1, 0, 0, 0], [0, -1, 0, n_y - 1], [0, 0, 1, 0], [0, 0, 0, 1]]
    affine = affine @ change
    if transpose:
        picture, affine = picture.T, affine[:, [1, 0, 2, 3]]
    return picture, affine


@pytest.mark.parametrize("move", MOVES)
def test_all_eight_ways_to_store_a_slice_end_in_one_picture(oblique, move):
    picture = np.arange(30).reshape(6, 5)
    other, affine = stored(picture, oblique, move)
    orientation = in_plane_orientation(affine)
    assert orientation.trustworthy and orientation.reason == "From the affine."
    np.testing.assert_array_equal(apply(orientation, other), picture)


def test_a_typical_scanner_plane_is_left_alone_and_has_the_rv_on_the_left(oblique):
    assert in_plane_orientation(oblique) == Orientation(trustworthy=True, reason="From the affine.")
    toward_rv = np.array([1.0, 0.6, 0.0])  # right and anterior of the LV, RAS
    assert toward_rv @ oblique[:3, 0] < 0  # smaller columns


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ((-1, 0, 0), (0, -1, 0)),  # axial: left, posterior
        ((-1, 0, 0), (0, 0, -1)),  # coronal: left, inferior
        ((0, -1, 0), (0, 0, -1)),  # sagittal: posterior, inferior
    ],
)
@pytest.mark.parametrize("move", MOVES)
def test_planes_near_the_scanner_axes_hang_as_usual(columns, rows, move):
    tilt = 5  # degrees; exactly parallel counts as lost
    angle = np.deg2rad(tilt)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    turn = turn @ turn[[2, 0, 1]][:, [2, 0, 1]]
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.stack([columns, rows, np.cross(columns, rows)], axis=1)
    picture = np.arange(30).reshape(6, 5)
    other, affine = stored(picture, affine, move)
    np.testing.assert_array_equal(apply(in_plane_orientation(affine), other), picture)


@pytest.mark.parametrize("signs", list(product((-1.0, 1.0), repeat=3)))
@pytest.mark.parametrize("axes", list(permutations(range(3))))
def test_an_affine_along_the_scanner_axes_has_lost_the_direction(signs, axes):
    affine = np.eye(4)
    affine[:3, :3] = (np.diag(signs) @ np.diag([1.5, 1.5, 8.0]))[:, axes]
    free = in_plane_orientation(affine)
    assert not free.trustworthy and "assumed" in free.reason
    known = in_plane_orientation(affine, convention="acdc")
    assert not known.trustworthy and "ACDC" in known.reason
    for found in (free, known):
        assert not (found.transpose or found.flip_rows or found.flip_columns)


def test_a_believable_affine_wins_over_the_convention(oblique):
    _, affine = stored(np.zeros((6, 5)), oblique, (True, True, False))
    assert in_plane_orientation(affine, convention="acdc") == in_plane_orientation(affine)


@pytest.mark.parametrize(
    "affine", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.ones((4, 4)), np.eye(3)]
)
def test_nonsense_is_not_believed(affine):
    assert not in_plane_orientation(affine).trustworthy


def test_turning_a_plane_changes_the_picture_once_and_says_where_that_is_close(oblique):
    found = []
    for degrees in range(0, 91, 3):
        angle = np.deg2rad(degrees)
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        directions = oblique / np.linalg.norm(oblique, axis=0)
        found.append(in_plane_orientation(directions @ turn))
    moves = [(o.transpose, o.flip_rows, o.flip_columns) for o in found]
    unclear = ["45 degrees" in o.reason for o in found]
    change = [i for i in range(1, len(moves)) if moves[i] != moves[i - 1]]
    assert len(change) == 1 and unclear[change[0]] | unclear[change[0] - 1]
    assert not unclear[0] and not unclear[-1] and sum(unclear) < 8


def test_an_unknown_convention_lists_the_known_ones():
    with pytest.raises(InputError, match=r"'nope' is unknown; known: acdc"):
        in_plane_orientation(np.eye(4), convention="nope")


@given(
    move=st.sampled_from(MOVES),
    lead=st.sampled_from([(), (2,), (2, 3)]),
    plane=st.tuples(st.integers(1, 6), st.integers(1, 6)),
)
def test_undo_undoes(move, lead, plane):
    orientation = Orientation(transpose=move[0], flip_rows=move[1], flip_columns=move[2])
    array = np.arange(np.prod((*lead, *plane))).reshape(*lead, *plane)
    moved = apply(orientation, array)
    assert moved.shape == (*lead, *(plane[::-1] if move[0] else plane))
    np.testing.assert_array_equal(undo(orientation, moved), array)
    np.testing.assert_array_equal(apply(orientation, undo(orientation, moved)), moved)


def test_spacing_follows_the_axes():
    assert apply_to_spacing(Orientation(transpose=True), (8.0, 1.4, 1.2)) == (8.0, 1.2, 1.4)
    assert apply_to_spacing(Orientation(flip_rows=True), (8.0, 1.4, 1.2)) == (8.0, 1.4, 1.2)


def test_acdc_hangs_right_as_stored(data_root):
    """The convention claims it; the RV of real patients lies on smaller columns than the LV."""
    from cmr_synth.imaging.nifti import read_labels

    assert "acdc" in CONVENTIONS
    for number in (1, 21, 41, 61, 81):
        folder = data_root / "acdc" / "training" / f"patient{number:03d}"
        mask = read_labels(sorted(folder.glob("*_gt.nii.gz"))[0])
        labels = apply(in_plane_orientation(mask.affine, convention="acdc"), mask.array)
        rv, lv = (np.argwhere(labels == k)[:, 2].mean() for k in (1, 3))
        assert rv < lv
