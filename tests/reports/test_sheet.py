"""Contact sheets: every picture in its place, colours fixed, nothing distorted."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.reports.sheet import COLOURS, SheetRow, colour_labels, contact_sheet


def test_each_structure_has_its_colour() -> None:
    painted = colour_labels(np.array([[0, LV, MYO, RV, UNLABELLED]], np.uint8))
    as_text = ["#" + bytes(pixel).hex() for pixel in painted[0]]
    assert as_text[0] == "#000000"
    assert as_text[1:4] == [COLOURS["LV"], COLOURS["MYO"], COLOURS["RV"]]
    assert len(set(as_text)) == 5


def test_pictures_are_in_the_order_given() -> None:
    grey = [np.full((8, 8), value) for value in (0.25, 0.5, 1.0)]
    sheet = contact_sheet([SheetRow(pictures=grey), SheetRow(pictures=grey[::-1])], tile=40)
    values = np.asarray(sheet)[..., 0]
    middle = values[36 + 20, :]
    order = [v for v in (64, 128, 255) if v in middle]
    assert order == [64, 128, 255]
    starts = [int(np.flatnonzero(middle == v)[0]) for v in order]
    assert starts == sorted(starts)
    below = values[36 + 44 + 20, :]
    assert [int(np.flatnonzero(below == v)[0]) for v in order] == starts[::-1]


def test_a_picture_keeps_its_proportions() -> None:
    sheet = contact_sheet([SheetRow(pictures=[np.ones((10, 20))])], tile=60)
    white = np.asarray(sheet)[..., 0] > 250
    rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
    assert len(columns) == pytest.approx(60, abs=2) and len(rows) == pytest.approx(30, abs=2)


def test_a_mask_may_be_among_the_pictures() -> None:
    mask = colour_labels(np.full((8, 8), LV, np.uint8))
    grey = np.full((8, 8), 0.5)
    sheet = contact_sheet([SheetRow(pictures=[grey, mask, None])], tile=40)
    colours = {"#" + bytes(pixel).hex() for pixel in np.asarray(sheet)[36 + 20]}
    assert {COLOURS["LV"], "#808080"} <= colours
    assert sheet.height > contact_sheet([SheetRow(pictures=[grey])], tile=40).height  # its legend


def test_headings_masks_and_notes_take_their_room() -> None:
    row = SheetRow(pictures=[np.zeros((8, 8))] * 2)
    plain = contact_sheet([row])
    full = contact_sheet(
        [SheetRow(pictures=row.pictures, labels=np.ones((8, 8), np.uint8), name="a", detail="b")],
        columns=["one", "two"],
        groups=[("left", 1), ("right", 1)],
        title="Title",
        subtitle="What it shows.",
        footnote="From where.",
    )
    assert full.width > plain.width and full.height > plain.height


def test_a_long_note_goes_below_the_colours() -> None:
    row = SheetRow(pictures=[np.zeros((8, 8))] * 3, labels=np.ones((8, 8), np.uint8))
    short, long = (contact_sheet([row], footnote=note) for note in ("From where.", 9 * "From. "))
    assert long.height > short.height and long.width == short.width
    pixels = np.asarray(long)
    colour = tuple(int(COLOURS["LV"][i : i + 2], 16) for i in (1, 3, 5))
    legend = np.flatnonzero((pixels == colour).all(axis=-1).any(axis=1))[-1]
    written = np.flatnonzero((pixels[..., 0] > 120).any(axis=1))[-1]
    assert written > legend + 5


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "same number of pictures"),
        ([1, 2], {}, "same number of pictures"),
        ([2], {"columns": ["one"]}, "1 column headings given for 2"),
        ([2], {"groups": [("a", 3)]}, "groups of 3 columns given for 2"),
    ],
)
def test_a_sheet_that_does_not_fit_together_is_refused(
    rows: list[int], options: dict, message: str
) -> None:
    made = [SheetRow(pictures=[np.zeros((4, 4))] * count) for count in rows]
    with pytest.raises(ValueError, match=message):
        contact_sheet(made, **options)
