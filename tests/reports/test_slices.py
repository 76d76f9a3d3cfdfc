"""A sheet of slices: every slice in its place, outlines on the mask, and nothing distorted."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import Scan
from cmr_synth.reports.sheet import COLOURS
from cmr_synth.reports.slices import MOST_PICTURES, outlined, slices_sheet


def scan(array, name="scan.nii.gz", spacing=(8.0, 1.5, 1.5)):
    return Scan(array=np.asarray(array), spacing=spacing, affine=np.eye(4), name=name)


def rgb(colour):
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def count(sheet, colour):
    apart = np.abs(np.asarray(sheet).astype(int) - rgb(colour)).max(axis=-1)
    return int((apart < 40).sum())  # lines blend a little into what is beside them


def test_every_slice_of_every_frame_is_there():
    steps = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1)
    sheet = slices_sheet([scan(np.broadcast_to(steps, (2, 3, 32, 32)))], windows=[(0.0, 5.0)])
    grey = np.asarray(sheet)[..., 0]
    for value in np.round(np.linspace(0, 255, 6)).astype(int):
        assert (grey == value).sum() > 200**2  # 6 tiles of 240 pixels


def test_the_window_is_the_users_or_the_percentiles():
    array = np.full((1, 32, 32), 10.0, np.float32)
    array[0, :16] = 30.0
    given = np.asarray(slices_sheet([scan(array)], windows=[(0.0, 40.0)]))
    assert {64, 191} <= set(given[..., 0].ravel().tolist())
    own = np.asarray(slices_sheet([scan(array)]))
    assert 255 in own and 191 not in set(own[100:200, 100:200, 0].ravel().tolist())


def test_outlines_follow_the_structures():
    labels = np.zeros((60, 60), np.uint8)
    labels[10:50, 10:50], labels[20:40, 20:40], labels[0:8, 0:8] = MYO, LV, RV
    labels[55:] = UNLABELLED
    drawn = outlined(np.zeros((60, 60)), labels)
    for structure, number in (("LV", LV), ("MYO", MYO), ("RV", RV)):
        coloured = (drawn == rgb(COLOURS[structure])).all(axis=-1)
        assert coloured.any() and (labels[coloured] == number).all()
    assert not drawn[25:35, 25:35].any()  # inside, the picture stays
    assert not drawn[55:].any()


def test_the_mask_lies_over_every_frame_and_has_a_legend():
    cine = scan(np.zeros((2, 1, 32, 32), np.float32))
    labels = np.zeros((1, 32, 32), np.uint8)
    labels[0, 8:24, 8:24] = LV
    both = slices_sheet([cine], scan(labels))
    one = slices_sheet([cine], scan(np.stack([labels, np.zeros_like(labels)])))
    plain = slices_sheet([cine])
    assert count(both, COLOURS["LV"]) > count(one, COLOURS["LV"]) > count(plain, COLOURS["LV"]) == 0
    assert both.height > plain.height  # the legend


def test_pixels_become_square():
    wide = scan(np.full((1, 32, 32), 1.0, np.float32), spacing=(8.0, 1.0, 2.0))
    grey = np.asarray(slices_sheet([wide], windows=[(0.0, 1.0)]))[..., 0] > 250
    rows, columns = np.flatnonzero(grey.sum(1) > 100), np.flatnonzero(grey.sum(0) > 60)
    assert len(columns) == pytest.approx(2 * len(rows), abs=4)


def test_rows_are_called_by_what_differs():
    names = [f"synthetic {vendor} heart, seed 0" for vendor in ("siemens", "ge")]
    from cmr_synth.reports.slices import _row_names

    stills = [scan(np.zeros((1, 8, 8), np.float32), name=name) for name in names]
    assert _row_names(stills) == ["siemens", "ge"]
    assert slices_sheet(stills).width > slices_sheet(stills[:1]).width - 200


def test_what_does_not_fit_is_refused():
    image = scan(np.zeros((2, 8, 8), np.float32))
    with pytest.raises(InputError, match=r"^m: the mask is 2 x 9 x 8 and scan.nii.gz is 2 x 8 x 8"):
        slices_sheet([image], scan(np.zeros((2, 9, 8), np.uint8), name="m"))
    with pytest.raises(InputError, match="the mask is 3 x 2 x 8 x 8"):
        slices_sheet([image], scan(np.zeros((3, 2, 8, 8), np.uint8)))
    with pytest.raises(InputError, match="are too many for one sheet"):
        slices_sheet([scan(np.zeros((MOST_PICTURES + 1, 2, 2), np.float32))])
