"""A comparison of models: one table, one sheet, one page, one JSON file."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.files import write_file
from cmr_synth.reports.html import render
from cmr_synth.reports.sheet import SheetRow, colour_labels, contact_sheet

if TYPE_CHECKING:
    from PIL import Image

    from cmr_synth.evaluation.comparison import Protocol, Row

TABLE, PAGE, FIGURES, SHEET = "comparison.md", "comparison.html", "comparison.json", "sheet.png"

COLUMNS = {
    "Model": "name of the model or recipe, and its family",
    "Ratio to floor": "Frechet distance over that of real training to real held-out pictures; "
    "1 is as near as real patients are to each other",
    "LV": "Dice of the structure that the segmenter finds in synthetic pictures, over that in real "
    "ones; 1 is as well",
    "MYO": "",
    "RV": "",
    "Recall": "share of real pictures within the reach of synthetic ones; low after mode collapse",
    "Precision": "share of synthetic pictures within the reach of real ones",
    "Alike": "MS-SSIM of pictures of one mask with different seeds; 1 is always the same picture",
    "Steps": "network evaluations a slice",
    "Seconds": "a slice, median, the model warm",
    "Parameters": "in millions",
    "Memory": "largest, of a process that makes one slice, in MB",
    "Trained": "minutes and images seen",
}
"""Heading of every column and what it says."""

NONE = "–"


def cells(row: Row) -> list[str]:
    """One row of the table, in the order of `COLUMNS`."""
    found = row.quality
    adherence = [
        f"{found.adherence[structure]:.3f}" if found.adherence else NONE for structure in STRUCTURES
    ]
    return [
        f"{row.name} ({row.family})",
        f"{found.ratio:.2f}",
        *adherence,
        f"{row.coverage.recall:.2f}",
        f"{row.coverage.precision:.2f}",
        NONE if row.similarity is None else f"{row.similarity:.2f}",
        NONE if row.steps is None else str(row.steps),
        f"{row.cost.seconds:.3f}",
        f"{row.cost.parameters / 1e6:.1f}",
        f"{row.cost.memory_mb:.0f}",
        f"{row.minutes:.0f} min, {row.images_seen:,}",
    ]


def real_cells(protocol: Protocol) -> list[str]:
    """The row of real pictures: training against held-out patients."""
    blank = [NONE] * 5
    return [
        "real patients",
        "1.00",
        *["1.000"] * 3,
        f"{protocol.coverage.recall:.2f}",
        f"{protocol.coverage.precision:.2f}",
        f"{protocol.similarity:.2f}",
        *blank,
    ]


def markdown(protocol: Protocol, rows: Sequence[Row]) -> str:
    """The table, and below it what was measured on and what the columns say."""
    lines = [
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(line) + " |" for line in [real_cells(protocol), *map(cells, rows)]),
        "",
        describe(protocol),
        "",
        *(f"- **{name}**: {words}" for name, words in COLUMNS.items() if words),
        "",
        *(f"- {row.name}: weights `{row.sha256[:16]}`" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def describe(protocol: Protocol) -> str:
    """One sentence on the protocol."""
    return (
        f"Measured on {protocol.slices} {protocol.split} slices of {protocol.patients} patients "
        f"({', '.join(protocol.cohorts)}), seed {protocol.seed}, features and contours of the "
        f"segmenter `{protocol.segmenter[:12]}`."
    )


def sheet(protocol: Protocol, rows: Sequence[Row], *, show_real: bool = True) -> Image.Image:
    """Rows are models and columns masks; real pictures first, unless nobody may see them."""
    lines = [SheetRow(pictures=[colour_labels(mask) for mask in protocol.masks], name="mask")]
    if show_real:
        lines.append(SheetRow(pictures=list(protocol.pictures), name="real", detail="held-out"))
    for row in rows:
        masked = bool(row.quality.adherence)
        detail = f"{row.cost.seconds:.2f} s a slice" if masked else "follows no mask"
        lines.append(SheetRow(pictures=list(row.pictures), name=row.name, detail=detail))
    return contact_sheet(
        lines,
        title="Models compared",
        subtitle="Every row below the real one is synthetic and shows no patient.",
        footnote=describe(protocol).replace("`", ""),
        tile=128,
    )


def write_comparison(
    out: Path, protocol: Protocol, rows: Sequence[Row], *, show_real: bool = True
) -> dict[str, str]:
    """Write table, page, figures and sheet into a folder; returns their names.

    Raises
    ------
    InputError
        If one cannot be written.
    """
    picture = sheet(protocol, rows, show_real=show_real)
    png = io.BytesIO()
    picture.save(png, format="PNG", optimize=True)
    html = render(
        "comparison.html",
        columns=COLUMNS,
        rows=[real_cells(protocol), *map(cells, rows)],
        hashes=[(row.name, row.sha256) for row in rows],
        protocol=describe(protocol).replace("`", ""),
        sheet=base64.b64encode(png.getvalue()).decode("ascii"),
        sheet_size=picture.size,
    )
    facts = {"protocol": protocol.as_dict(), "models": [row.as_dict() for row in rows]}
    for name, content in (
        (TABLE, markdown(protocol, rows)),
        (PAGE, html),
        (FIGURES, json.dumps(facts, indent=2) + "\n"),
    ):
        with write_file(out / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    with write_file(out / SHEET) as temporary:
        temporary.write_bytes(png.getvalue())
    return {"table": TABLE, "page": PAGE, "figures": FIGURES, "sheet": SHEET}
