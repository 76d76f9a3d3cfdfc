"""Numbers of a mask said one by one: kept with the layer, and the same in every panel."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from cmr_synth.anatomy.labels import LV, MYO, RV
from napari_cmr_synth import _masks
from napari_cmr_synth._layers import COLOURS
from napari_cmr_synth._mask_picker import OWN, MaskPicker
from napari_cmr_synth.heart_mask.edits import structure_numbers

THEIRS = {0: 0, LV: 50, MYO: 20, RV: 60}


@pytest.fixture
def pickers(viewer, qtbot):
    """One picker as in the Heart mask panel and one as in the Synthesize panel."""
    made = MaskPicker(viewer), MaskPicker(viewer)
    for picker in made:
        qtbot.addWidget(picker)
        picker.show()
        qtbot.waitExposed(picker)
    return made


@pytest.fixture
def theirs(add_mask, slice_mask, pickers):
    """A mask in the numbers of another program, with an atrium, 42."""
    numbers = np.vectorize(THEIRS.get)(slice_mask).astype(np.int32)
    numbers[:6, :6] = 42
    return add_mask(numbers, name="whole heart")


def choose_own(picker, qtbot):
    """Choose the entry by keyboard, as a user does."""
    picker.conventions.setFocus()
    QTest.keyClick(picker.conventions, Qt.Key.Key_End)
    picker.conventions.activated.emit(picker.conventions.currentIndex())
    assert picker.conventions.currentText() == OWN
    assert all(field.isVisible() for field in picker.numbers.fields.values())


def say(picker, **numbers):
    """Type into the fields one after the other, going on with the tab key."""
    for name, number in numbers.items():
        field = picker.numbers.fields[name]
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field, str(number))
        if name != list(numbers)[-1]:
            QTest.keyClick(field, Qt.Key.Key_Tab)
    QTest.keyClick(field, Qt.Key.Key_Return)


def test_numbers_said_in_one_panel_count_in_all(pickers, theirs, slice_mask, qtbot):
    one, other = pickers
    assert one.convention is None and "numbers follow no known convention" in one.reason.text()
    choose_own(one, qtbot)
    assert "Numbers in whole heart: 20, 42, 50, 60" in one.reason.text()
    say(one, LV=50, MYO=20, RV=60)
    for picker in pickers:
        assert picker.convention == "LV=50,MYO=20,RV=60"
        assert picker.reason.text().startswith("Confirmed by you. Own numbers: 50 LV")
        assert [field.text() for field in picker.numbers.fields.values()] == ["50", "20", "60"]
        assert picker.numbers.isVisible()
    scan = _masks.mask_scan(theirs, _masks.convention_of(theirs))
    assert (scan.array[0] == slice_mask).all()  # the atrium is background
    assert structure_numbers(theirs) == {"LV": 50, "MYO": 20, "RV": 60}
    colour = theirs.get_color(50)[:3] * 255
    assert "#{:02x}{:02x}{:02x}".format(*np.rint(colour).astype(int)) == COLOURS["LV"]
    assert "confirmed" in _masks.meaning(theirs) and "50 LV" in _masks.meaning(theirs)


def test_nothing_is_taken_before_it_makes_sense(pickers, theirs, qtbot):
    picker, _ = pickers
    choose_own(picker, qtbot)
    say(picker, LV=50, MYO=50)
    assert "50 is both LV and MYO" in picker.numbers.problem.text()
    assert picker.convention is None and _masks.confirmed(theirs) is None
    say(picker, MYO=20)
    # what is not in the mask gets a free number, shown in its field, to paint it with
    assert picker.convention == "LV=50,MYO=20,RV=1"
    assert picker.numbers.fields["RV"].text() == "1" and not picker.numbers.problem.isVisible()


def test_a_preset_takes_the_place_of_the_numbers(pickers, add_mask, stack, qtbot):
    mask = add_mask(stack)
    one, other = pickers
    choose_own(one, qtbot)
    say(one, LV=1, MYO=2, RV=3)
    assert other.convention == "LV=1,MYO=2,RV=3"
    other.conventions.setCurrentIndex(other.conventions.findData("acdc"))
    other.conventions.activated.emit(0)
    assert one.convention == other.convention == _masks.confirmed(mask) == "acdc"
    assert not one.numbers.isVisible() and one.reason.text() == "Confirmed by you."


def test_data_sets_with_the_same_numbers_are_one_entry(pickers, add_mask, stack):
    picker, _ = pickers
    entries = [picker.conventions.itemText(i) for i in range(picker.conventions.count())]
    assert sum("1 LV, 2 MYO, 3 RV" in entry for entry in entries) == 1
    mask = add_mask(stack)
    _masks.confirm(mask, "ukbb")  # by a script
    assert picker.convention == "mnms"


def test_a_picture_follows_the_numbers_and_its_record_tells(viewer, pickers, theirs, drawn):
    from napari_cmr_synth._overlay import mask_of
    from napari_cmr_synth._results import RECORD

    _masks.confirm(theirs, "LV=50,MYO=20,RV=60")
    _, picture = drawn(mask=theirs)
    said = picture.metadata[RECORD]["mask"]["labels"]
    assert said == "own numbers: 50 LV, 20 MYO, 60 RV, all others background; confirmed"
    assert mask_of(viewer, picture)[1:][1] is False  # not changed since


def test_an_nnunet_data_set_is_written_by_the_numbers(pickers, theirs, drawn, slice_mask, tmp_path):
    import nibabel as nib

    _masks.confirm(theirs, "LV=50,MYO=20,RV=60")
    layers = [layer.as_layer_data_tuple() for layer in reversed(drawn(mask=theirs))]
    from napari_cmr_synth.writing.nnunet import write_nnunet

    _, labels, *_ = write_nnunet(str(tmp_path / "Dataset1"), layers)
    stored = np.asarray(nib.load(labels).dataobj).transpose()
    np.testing.assert_array_equal(stored[0], slice_mask)  # 1 LV, 2 MYO, 3 RV
