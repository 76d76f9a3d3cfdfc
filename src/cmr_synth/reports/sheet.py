"""A contact sheet: pictures in a labelled grid, each row beside the mask that it follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import SCAR, STRUCTURES, UNLABELLED

if TYPE_CHECKING:
    from PIL import Image

COLOURS = {"LV": "#d55e00", "MYO": "#f0e442", "RV": "#0072b2"}
"""One colour for a structure everywhere; apart for colour-blind eyes (Okabe and Ito 2008)."""
OF_SCAR = {"infarct": "#cc79a7", "no-reflow": "#009e73"}

NAMES = {"LV": "LV blood pool", "MYO": "myocardium", "RV": "RV blood pool"}

# A dark page, as on a reading screen: a picture's own black then has no frame.
_PAGE, _BRIGHT, _DIM, _NOTHING = "#101214", "#f2f3f5", "#9aa1a9", "#1b1e22"
_MARGIN, _GAP, _GROUP_GAP, _NAME_WIDTH = 36, 4, 20, 150


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """One row of a sheet.

    Parameters
    ----------
    pictures : sequence of (y, x) arrays in [0, 1], (y, x, 3) uint8 arrays, or None
        One for each column: grey, or in colours such as those of `colour_labels`; None leaves
        its place empty.
    labels : (y, x) uint8 array, optional
        Engine labels of the mask, drawn first.
    name, detail : str
        A short line at the left, and one or some below it.
    """

    pictures: Sequence[NDArray[Any] | None]
    labels: NDArray[np.uint8] | None = None
    name: str = ""
    detail: str = ""


def contact_sheet(
    rows: Sequence[SheetRow],
    *,
    columns: Sequence[str] = (),
    groups: Sequence[tuple[str, int]] = (),
    title: str = "",
    subtitle: str = "",
    footnote: str = "",
    tile: int = 160,
) -> Image.Image:
    """Lay out a sheet.

    Parameters
    ----------
    rows : sequence of SheetRow
        All with the same number of pictures.
    columns : sequence of str
        A heading for each column of pictures.
    groups : sequence of (heading, number of columns)
        Set apart by a wider gap; together all columns.
    title, subtitle, footnote : str
    tile : int
        Pixels along the longer side of a picture.

    Returns
    -------
    PIL.Image.Image
        RGB.

    Raises
    ------
    ValueError
        If rows, columns and groups do not fit together.
    """
    from PIL import Image, ImageDraw

    count = len(rows[0].pictures) if rows else 0
    if not count or any(len(row.pictures) != count for row in rows):
        raise ValueError("a sheet needs rows that all have the same number of pictures, at least 1")
    if columns and len(columns) != count:
        raise ValueError(f"{len(columns)} column headings given for {count} columns")
    if groups and sum(size for _, size in groups) != count:
        raise ValueError(f"groups of {sum(s for _, s in groups)} columns given for {count} columns")

    with_masks = any(row.labels is not None for row in rows)
    left = _MARGIN + (_NAME_WIDTH if any(row.name or row.detail for row in rows) else 0)
    first = left + (tile + _GROUP_GAP if with_masks else 0)
    starts = _column_starts(first, count, groups, tile)
    top = _MARGIN + (40 if title else 0) + (26 if subtitle else 0) + (12 if title else 0)
    head = (26 if groups else 0) + (22 if columns or with_masks else 0)
    with_colours = with_masks or any(
        picture is not None and picture.ndim == 3 for row in rows for picture in row.pictures
    )
    legend = 34 if with_colours or footnote else 0
    width = starts[-1] + tile + _MARGIN
    named = sum(18 + _length(name) + 22 for name in NAMES.values()) if with_colours else 0
    # beside the colours if there is room, else below them
    below = bool(named and footnote) and left + named + _length(footnote) > width - _MARGIN
    legend += 22 * below
    height = top + head + len(rows) * (tile + _GAP) - _GAP + legend + _MARGIN

    sheet = Image.new("RGB", (width, height), _PAGE)
    draw = ImageDraw.Draw(sheet)
    y = _MARGIN
    if title:
        draw.text((_MARGIN, y), title, font=_font(28), fill=_BRIGHT)
        y += 40
    if subtitle:
        draw.text((_MARGIN, y), subtitle, font=_font(16), fill=_DIM)
    y = top
    column = 0
    for heading, size in groups:
        draw.text((starts[column], y), heading, font=_font(18), fill=_BRIGHT)
        column += size
    y += 26 if groups else 0
    if with_masks:
        draw.text((left, y), "mask", font=_font(14), fill=_DIM)
    for x, heading in zip(starts, columns, strict=False):
        draw.text((x, y), heading, font=_font(14), fill=_DIM)
    y = top + head
    for row in rows:
        draw.text((_MARGIN, y + tile // 2 - 22), row.name, font=_font(18), fill=_BRIGHT)
        draw.text((_MARGIN, y + tile // 2 + 2), row.detail, font=_font(14), fill=_DIM)
        if row.labels is not None:
            sheet.paste(_tile(colour_labels(row.labels), tile), (left, y))
        for x, picture in zip(starts, row.pictures, strict=True):
            if picture is None:
                draw.rectangle((x, y, x + tile - 1, y + tile - 1), fill=_NOTHING)
            elif picture.ndim == 3:
                sheet.paste(_tile(picture, tile), (x, y))
            else:
                grey = np.uint8(np.round(np.clip(picture, 0, 1) * 255))
                sheet.paste(_tile(np.stack([grey] * 3, axis=-1), tile), (x, y))
        y += tile + _GAP
    y += 14
    x = left
    for structure, name in NAMES.items() if with_colours else ():
        draw.rectangle((x, y + 3, x + 11, y + 14), fill=COLOURS[structure])
        draw.text((x + 18, y), name, font=_font(14), fill=_DIM)
        x += 18 + _length(name) + 22
    if footnote:
        y += 22 * below
        draw.text((width - _MARGIN, y), footnote, font=_font(14), fill=_DIM, anchor="ra")
    return sheet


def colour_labels(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paint engine labels, (y, x) to (y, x, 3); unlabelled pixels are grey."""
    painted = np.zeros((*labels.shape, 3), dtype=np.uint8)
    for structure, number in STRUCTURES.items():
        painted[labels == number] = _rgb(COLOURS[structure])
    for scar, number in SCAR.items():
        painted[labels == number] = _rgb(OF_SCAR[scar])
    painted[labels == UNLABELLED] = _rgb("#4a4f55")
    return painted


def _column_starts(
    first: int, count: int, groups: Sequence[tuple[str, int]], tile: int
) -> list[int]:
    starts, x = [], first
    for _, size in groups or [("", count)]:
        for _ in range(size):
            starts.append(x)
            x += tile + _GAP
        x += _GROUP_GAP - _GAP
    return starts


def _tile(pixels: NDArray[np.uint8], size: int) -> Image.Image:
    """Fit a picture into a square without distorting its pixels."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    scale = size / max(picture.size)
    fitted = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    square = Image.new("RGB", (size, size), _NOTHING)
    corner = ((size - fitted[0]) // 2, (size - fitted[1]) // 2)
    square.paste(picture.resize(fitted, Image.Resampling.BICUBIC), corner)
    return square


def _length(text: str) -> int:
    """Of a line of the small font, in pixels."""
    return int(_font(14).getlength(text))


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue
