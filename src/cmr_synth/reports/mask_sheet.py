"""A contact sheet of whole hearts: slices from base to apex, end-systole below end-diastole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.reports.sheet import SheetRow, colour_labels, contact_sheet

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, kw_only=True, eq=False)
class SheetHeart:
    """One heart of a sheet.

    Attributes
    ----------
    ed, es : (z, y, x) uint8 arrays
        Engine labels.
    name, detail : str
        Short lines at its left: beside end-diastole, and beside end-systole.
    """

    ed: NDArray[np.uint8]
    es: NDArray[np.uint8]
    name: str
    detail: str = ""


def mask_sheet(
    hearts: Sequence[SheetHeart], *, title: str = "", subtitle: str = "", tile: int = 96
) -> Image.Image:
    """Lay out the hearts, two rows each.

    Parameters
    ----------
    hearts : sequence of SheetHeart
    title, subtitle : str
    tile : int
        Pixels along the longer side of a slice.
    """
    most = max(len(heart.ed) for heart in hearts)
    rows = []
    for heart in hearts:
        for stack, name, detail in (
            (heart.ed, heart.name, "ED"),
            (heart.es, "", f"ES  {heart.detail}".rstrip()),
        ):
            pictures = [colour_labels(labels) for labels in stack]
            rows.append(
                SheetRow(
                    pictures=[*pictures, *[None] * (most - len(pictures))], name=name, detail=detail
                )
            )
    columns = ["base", *[""] * (most - 1)] if most > 1 else ["base"]
    return contact_sheet(rows, columns=columns, title=title, subtitle=subtitle, tile=tile)
