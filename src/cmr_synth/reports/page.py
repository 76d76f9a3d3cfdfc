"""A short HTML page in one file: the sheet, the model and its limits, every file's origin."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_synth.files import write_file
from cmr_synth.reports.html import render

if TYPE_CHECKING:
    from PIL import Image

    from cmr_synth.generators.card import Card


def write_page(
    path: Path,
    *,
    title: str,
    lead: str,
    sheet: Image.Image,
    card: Card,
    records: Sequence[dict[str, Any]],
    folder: str = "",
) -> None:
    """Write the page of a set of synthetic images.

    Parameters
    ----------
    path : Path
        Of the HTML file.
    title, lead : str
        Heading, and the sentence below it.
    sheet : PIL.Image.Image
        Embedded.
    card : Card
        Of the model that made the images.
    records : sequence of dict
        What `write_synthetic` returned for each image.
    folder : str
        Where the images lie, relative to the page.

    Raises
    ------
    InputError
        If the page cannot be written.
    """
    png = io.BytesIO()
    sheet.save(png, format="PNG", optimize=True)
    html = render(
        "images.html",
        title=title,
        lead=lead,
        sheet=base64.b64encode(png.getvalue()).decode("ascii"),
        sheet_size=sheet.size,
        card=card,
        measured=card.measured.model_dump(),
        records=records,
        first=records[0],
        folder=f"{folder}/" if folder else "",
    )
    with write_file(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
