"""What a panel speaks of is named and lies on top; its mask and the overlay lie above it."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_cmr_synth._grid_view import grid_of_cells
from napari_cmr_synth._overlay import overlay_of, show_overlay
from napari_cmr_synth._synthetic import bring_to_front
from napari_cmr_synth.fidelity.panel import FidelityPanel
from napari_cmr_synth.neighbours.panel import NeighboursPanel
from napari_cmr_synth.record.panel import RecordPanel

PANELS = (RecordPanel, FidelityPanel, NeighboursPanel)


@pytest.fixture
def panels(viewer):
    """The three panels in one window."""
    made = [panel(viewer) for panel in PANELS]
    for one in made:
        viewer.window.add_dock_widget(one)
    return made


def names(viewer):
    """From the lowest to the topmost."""
    return [layer.name for layer in viewer.layers]


def test_all_panels_name_the_same_layer_and_bring_it_to_the_front(viewer, panels, drawn, qtbot):
    mask, first = drawn(seed=1)
    _, second = drawn(mask=mask, seed=2)
    viewer.add_image(np.ones(mask.data.shape), name="scan", scale=mask.scale)
    assert [panel.layer for panel in panels] == [second] * 3  # the newest
    viewer.layers.selection.active = first
    for panel in panels:
        assert panel.layer is first and panel.picker.layers.currentText() == first.name

    picker = panels[1].picker
    picker.layers.setCurrentIndex(picker.layers.findText(second.name))
    picker.layers.activated.emit(picker.layers.currentIndex())
    assert [panel.layer for panel in panels] == [second] * 3
    assert names(viewer) == [first.name, "scan", second.name, mask.name]
    assert viewer.layers.selection.active is second

    viewer.layers.selection.active = first
    first.visible = False
    QTest.mouseClick(panels[0].picker.front_button, Qt.MouseButton.LeftButton)
    assert names(viewer) == ["scan", second.name, first.name, mask.name] and first.visible

    first.name = "synthetic, the good one"
    assert panels[2].picker.layers.currentText() == "synthetic, the good one"
    viewer.layers.remove(first)
    viewer.layers.remove(second)
    assert [panel.layer for panel in panels] == [None] * 3
    assert not panels[0].check_button.isEnabled()


def test_the_overlay_lies_above_the_picture_and_its_mask(viewer, drawn):
    mask, picture = drawn()
    differs = np.zeros(mask.data.shape, np.uint8)
    differs[1, 40:60, 40:60] = 1
    show_overlay(viewer, picture, mask, differs)
    overlay = overlay_of(viewer, picture)
    assert names(viewer) == [picture.name, mask.name, overlay.name]
    viewer.add_image(np.ones(mask.data.shape), name="scan")
    bring_to_front(viewer, picture)
    assert names(viewer) == ["scan", picture.name, mask.name, overlay.name]
    grid_of_cells(viewer).enabled = True
    viewer.add_image(np.ones(mask.data.shape), name="cell")
    bring_to_front(viewer, picture)
    assert names(viewer)[-1] == "cell"  # the order of the cells stays
    grid_of_cells(viewer).enabled = False
