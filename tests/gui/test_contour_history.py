"""Contours turned into a mask come back with undo, as they were, and go again with redo."""

from __future__ import annotations

import numpy as np

from napari_cmr_synth.heart_mask.contours import apply_contours, contour_layer, start_contour

ENDO = [[40, 40], [40, 60], [60, 60], [60, 40]]
EPI = [[34, 34], [34, 66], [66, 66], [66, 34]]


def draw(viewer, mask, kind, points):
    layer = start_contour(viewer, mask, kind)
    layer.add_polygons(np.array([[1, *point] for point in points], float))
    return layer


def test_contours_come_back_with_undo_and_go_with_redo(viewer, add_mask, stack, qtbot):
    mask = add_mask(np.zeros_like(stack))
    draw(viewer, mask, "endo", ENDO)
    layer = draw(viewer, mask, "epi", EPI)
    colours = np.array(layer.edge_color)
    assert apply_contours(viewer, mask) > 0
    assert len(layer.data) == 0 and viewer.layers.selection.active is mask
    drawn = mask.data.copy()

    mask.data_setitem((np.array([0]), np.array([0]), np.array([0])), 3)
    mask.undo()  # of a later stroke: the contours stay away
    assert len(layer.data) == 0

    mask.undo()
    assert not mask.data.any() and list(layer.features["contour"]) == ["endo", "epi"]
    np.testing.assert_allclose(layer.data[1][:, 1:], EPI)
    np.testing.assert_allclose(layer.edge_color, colours)
    assert viewer.layers.selection.active is mask  # so that the next undo goes on

    mask.redo()
    np.testing.assert_array_equal(mask.data, drawn)
    assert len(layer.data) == 0

    viewer.layers.remove(layer)  # whatever became of the layer
    mask.undo()
    assert len(contour_layer(viewer, mask).data) == 2
    assert apply_contours(viewer, mask) > 0
    np.testing.assert_array_equal(mask.data, drawn)
