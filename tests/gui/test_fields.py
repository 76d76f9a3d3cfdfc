"""Entry fields: the wheel scrolls past them, and comma and point are one."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QLocale, QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QWidget,
)

pytest.importorskip("napari", reason="napari is not installed; the extra [app] brings it")

PANELS = ("Heart mask", "Synthesize", "Batch")


def turn_wheel(field: QWidget) -> None:
    """One notch down, over the middle of the field, as Qt sends it."""
    middle = field.rect().center()
    event = QWheelEvent(
        QPointF(middle),
        QPointF(field.mapToGlobal(middle)),
        QPoint(0, -120),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(field, event)


def value_of(field: QWidget) -> object:
    return field.currentIndex() if isinstance(field, QComboBox) else field.text()  # type: ignore


@pytest.mark.parametrize("title", PANELS)
def test_the_wheel_changes_no_field_of_a_panel_that_is_scrolled(viewer, title: str) -> None:
    _, panel = viewer.window.add_plugin_dock_widget("napari-cmr-synth", title)
    fields = [
        *panel.findChildren(QComboBox),
        *(f for f in panel.findChildren(QAbstractSpinBox)),
    ]
    assert len(fields) >= 5
    panel.setFocus()
    before = [value_of(field) for field in fields]
    for field in fields:
        turn_wheel(field)
        assert not field.hasFocus()
    assert [value_of(field) for field in fields] == before


def test_a_field_that_was_clicked_into_takes_the_wheel(qtbot) -> None:
    from napari_cmr_synth._fields import WholeNumber

    field = WholeNumber()
    field.setRange(0, 9)
    field.setValue(5)
    qtbot.addWidget(field)
    field.show()
    qtbot.waitExposed(field)
    turn_wheel(field)
    assert field.value() == 5
    field.activateWindow()
    field.setFocus()
    qtbot.waitUntil(field.hasFocus)
    turn_wheel(field)
    assert field.value() == 4


@pytest.mark.parametrize("country", ["C", "de_DE", "fr_FR"])
@pytest.mark.parametrize("typed", ["1.5", "1,5"])
def test_comma_and_point_are_the_same_in_every_country(qtbot, country: str, typed: str) -> None:
    from napari_cmr_synth._fields import Number

    before = QLocale()
    QLocale.setDefault(QLocale(country))
    try:
        field = Number()
        field.setRange(0, 100)
        field.setDecimals(1)
        field.setSuffix(" mm")
        qtbot.addWidget(field)
        field.selectAll()
        qtbot.keyClicks(field, typed)
        assert field.value() == 1.5
        assert field.text() == "1.5 mm"
    finally:
        QLocale.setDefault(before)


def test_a_long_name_is_cut_in_its_middle(qtbot) -> None:
    """The end, which tells layers apart, is drawn: other ends, other pixels."""
    from napari_cmr_synth._fields import Choice

    drawn = []
    for end in ("AAAA", "WWWW"):
        field = Choice()
        field.addItem("synthetic siemens of a mask with a very long name " + end)
        field.setFixedWidth(160)
        qtbot.addWidget(field)
        field.show()
        qtbot.waitExposed(field)
        drawn.append(field.grab().toImage())
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("title", PANELS)
def test_keys_stay_with_the_canvas_after_a_button_was_clicked(viewer, qtbot, title: str) -> None:
    _, panel = viewer.window.add_plugin_dock_widget("napari-cmr-synth", title)
    canvas = viewer.window._qt_viewer.canvas.native
    viewer.window._qt_window.activateWindow()
    canvas.setFocus()
    qtbot.waitUntil(canvas.hasFocus)
    boxes = [box for box in panel.findChildren(QCheckBox) if box.isVisible() and box.isEnabled()]
    buttons = [*boxes, *(b for b in panel.findChildren(QAbstractButton) if b.isVisible())]
    assert buttons
    for button in buttons:
        assert not button.focusPolicy() & Qt.FocusPolicy.ClickFocus, button.text()
    # what Batch has are plain choices; elsewhere a click may have to show a message
    for box in boxes if title == "Batch" else ():
        before = box.isChecked()
        # on its mark: the middle of a wide box is beside its words
        mark = QPoint(8, box.height() // 2)
        qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=mark)
        assert box.isChecked() is not before
        assert canvas.hasFocus()
