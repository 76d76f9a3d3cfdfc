"""Numbers said one by one: read strictly, written shortly, and everything else is background."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import (
    INFARCT,
    LV,
    MYO,
    NO_REFLOW,
    RV,
    UNLABELLED,
    convert,
    meaning_of,
    revert,
)
from cmr_synth.anatomy.own_numbers import read_numbers, says_numbers, write_numbers
from cmr_synth.errors import InputError


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("LV=3,MYO=2,RV=1", {"LV": (3,), "MYO": (2,), "RV": (1,)}),
        (" rv = 600 , lv=500, myo=205 ", {"LV": (500,), "MYO": (205,), "RV": (600,)}),
        ("MYO=2+4 + 4,LV=1", {"LV": (1,), "MYO": (2, 4)}),
        (
            "lv=1,myo=2,Infarct=3,NO-REFLOW=4",
            {"LV": (1,), "MYO": (2,), "infarct": (3,), "no-reflow": (4,)},
        ),
    ],
)
def test_what_is_read_is_written_and_read_again(text, numbers):
    read = read_numbers(text)
    assert read == numbers and list(read) == list(numbers)
    assert read_numbers(write_numbers(read)) == numbers


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("LV=1,LA=4", r"'LA' is no structure; write .* no-reflow, such as LV=3"),
        ("LV=1,lv=2", r"'lv' is given twice"),
        ("LV=one", r"'one' is no number of LV"),
        ("LV=", r"'' is no number of LV"),
        ("LV=-1", r"'-1' is no number of LV"),
        ("LV=1.5", r"'1.5' is no number of LV"),
        ("LV=0", r"0 cannot be LV; .* 0 is the background"),
        ("LV=99999", r"99999 cannot be LV"),
        ("LV=1,RV=1", r"1 is both LV and RV"),
        ("=", r"'' is no structure"),
        (",", r"no structure is named"),
    ],
)
def test_what_makes_no_sense_is_refused(text, fault):
    with pytest.raises(InputError, match=fault):
        read_numbers(text)


def test_scar_is_said_like_any_structure():
    ours = convert(np.array([1, 2, 8, 9, 7]), "LV=1,MYO=2,infarct=8,no-reflow=9")
    assert ours.tolist() == [LV, MYO, INFARCT, NO_REFLOW, 0]


def test_engine_labels_are_written_in_numbers_that_were_said():
    labels = np.array([0, LV, MYO, RV, INFARCT, NO_REFLOW, UNLABELLED], np.uint8)
    said = "LV=500,MYO=2+3,RV=600,infarct=4,no-reflow=5"
    written = revert(labels, said)
    assert written.tolist() == [0, 500, 2, 600, 4, 5, 255]
    np.testing.assert_array_equal(convert(written, said), labels)
    assert revert(labels[:4], "LV=1,MYO=2,RV=3").dtype == np.uint8
    with pytest.raises(InputError, match="shows infarct, no-reflow, which has no number in LV=1"):
        revert(labels, "LV=1,MYO=2,RV=3")
    with pytest.raises(InputError, match="255 is what nobody labelled"):
        revert(labels, "LV=255,MYO=2")


def test_a_name_is_no_list_of_numbers():
    assert says_numbers("LV=1") and not says_numbers("acdc") and not says_numbers(None)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_masks_of_other_programs_are_converted(dtype):
    """As of MM-WHS: 420 is the left atrium, which counts as background."""
    theirs = np.array([[0, 500, 205], [600, 420, 255]], dtype)
    ours = convert(theirs, "LV=500,MYO=205,RV=600")
    assert ours.dtype == np.uint8
    assert ours.tolist() == [[0, LV, MYO], [RV, 0, UNLABELLED]]


def test_several_numbers_may_be_one_structure():
    assert convert(np.array([1, 2, 4]), "LV=1,MYO=2+4").tolist() == [LV, MYO, MYO]
    assert meaning_of("LV=1,MYO=2+4") == {1: "LV", 2: "MYO", 4: "MYO"}
    assert meaning_of("acdc") == {1: "RV", 2: "MYO", 3: "LV"}


def test_a_mask_with_none_of_the_numbers_is_refused():
    with pytest.raises(InputError, match=r"scan_gt: found labels 1, 2, none of LV=5 is among them"):
        convert(np.array([0, 1, 2]), "LV=5", name="scan_gt")
    assert not convert(np.zeros(3, np.uint8), "LV=5").any()  # empty is another matter


def test_a_mask_saved_with_interpolation_is_refused():
    with pytest.raises(InputError, match=r"not whole"):
        convert(np.array([0.0, 1.5]), "LV=1")
