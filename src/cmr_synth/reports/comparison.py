"""A comparison of models: one table and one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.files import write_file
from cmr_synth.reports.content import Content, Picture, Section, Table
from cmr_synth.reports.numbers import NONE, interval, number
from cmr_synth.reports.output import write_report
from cmr_synth.reports.sheet import SheetRow, colour_labels, contact_sheet
from cmr_synth.reports.text import markdown

if TYPE_CHECKING:
    from PIL import Image

    from cmr_synth.comparison.protocol import Basis, Row
    from cmr_synth.evaluation.realism.contract import Metric
    from cmr_synth.privacy.overfitting.measures import Estimate as Loss

TABLE, SHEET = "comparison.md", "sheet.png"

MODEL = {"Model": "name of the model or recipe, and its family"}
ADHERENCE = {
    "LV": "Dice of the structure that the segmenter finds in synthetic pictures, over that in real "
    "ones; 1 is as well",
    "MYO": "",
    "RV": "",
}
OF_MODELS = {
    "Alike": "MS-SSIM of pictures of one mask with different seeds; 1 is always the same picture",
    "Privacy loss": "how much harder pictures are told from training than from held-out patients, "
    "by their nearest neighbours; above 0 the model gives its patients away, with the 95 % range",
    "Steps": "network evaluations a slice",
    "Seconds": "a slice, median, the model warm",
    "Parameters": "in millions",
    "Memory": "largest, of a process that makes one slice, in MB",
    "Trained": "minutes and images seen",
}
"""Headings of columns that are no metric of realism, and what they say."""


def columns(rows: Sequence[Row]) -> dict[str, str]:
    """Heading of every column and what it says."""
    of_realism = {metric.heading: metric.sentence for metric in measured(rows)}
    return MODEL | of_realism | ADHERENCE | OF_MODELS


def measured(rows: Sequence[Row]) -> list[Metric]:
    """Metrics of the table that a model has, in its order."""
    from cmr_synth.evaluation.realism.metrics import load_metric, metrics

    return [load_metric(name) for name in metrics() if any(name in one.estimates for one in rows)]


def cells(row: Row, metrics: Sequence[Metric]) -> list[str]:
    """One row of the table, in the order of `columns`."""
    found = [(row.estimates.get(metric.name), metric.digits) for metric in metrics]
    seen = row.adherence.overall() if row.adherence else {}
    return [
        f"{row.name} ({row.family})",
        *(NONE if one is None else number(one.value, digits) for one, digits in found),
        *(
            number(seen[structure].scores["dice"].ratio, 3) if structure in seen else NONE
            for structure in STRUCTURES
        ),
        number(row.similarity, 2),
        _with_range(row.privacy_loss),
        NONE if row.steps is None else str(row.steps),
        number(row.cost.seconds),
        number(row.cost.parameters / 1e6, 1),
        number(row.cost.memory_mb, 0),
        f"{row.minutes:.0f} min, {row.images_seen:,}",
    ]


def _with_range(loss: Loss | None) -> str:
    return NONE if loss is None else interval(loss.value, loss.low, loss.high, sign=True)


def real_cells(basis: Basis, rows: Sequence[Row], metrics: Sequence[Metric]) -> list[str]:
    """The row of real pictures: other patients in the place of a model's slices."""
    floors = []
    for metric in metrics:
        # every model stands beside the same real pictures
        one = next(row.estimates[metric.name] for row in rows if metric.name in row.estimates)
        floors.append(number(one.floor, metric.digits))
    blank = [NONE] * (len(OF_MODELS) - 1)
    return ["real patients", *floors, *["1.000"] * 3, number(basis.similarity, 2), *blank]


def table(basis: Basis, rows: Sequence[Row]) -> Table:
    """A row for real patients, then one for each model."""
    metrics = measured(rows)
    lines = [real_cells(basis, rows, metrics), *(cells(row, metrics) for row in rows)]
    return Table(columns(rows), lines)


def in_markdown(basis: Basis, rows: Sequence[Row]) -> str:
    """The table, and below it what was measured on and what the columns say."""
    shown = table(basis, rows)
    lines = [
        *markdown(shown),
        "",
        describe(basis),
        "",
        *(f"- **{name}**: {words}" for name, words in shown.meanings.items()),
        "",
        *(f"- {row.name}: weights `{row.sha256[:16]}`" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def describe(basis: Basis) -> str:
    """One sentence on what was measured on."""
    return (
        f"Measured on {basis.slices} {basis.split} slices of {basis.patients} patients "
        f"({', '.join(basis.cohorts)}), seed {basis.seed}, features of the "
        f"{basis.features} `{basis.encoder[:12]}`, contours of the segmenter "
        f"`{basis.segmenter[:12]}`."
    )


def _plain(basis: Basis) -> str:
    return describe(basis).replace("`", "")


def sheet(basis: Basis, rows: Sequence[Row], *, show_real: bool = True) -> Image.Image:
    """Rows are models and columns masks; real pictures first, unless nobody may see them."""
    lines = [SheetRow(pictures=[colour_labels(mask) for mask in basis.masks], name="mask")]
    if show_real:
        lines.append(SheetRow(pictures=list(basis.pictures), name="real", detail="held-out"))
    for row in rows:
        masked = row.adherence is not None
        detail = f"{row.cost.seconds:.2f} s a slice" if masked else "follows no mask"
        lines.append(SheetRow(pictures=list(row.pictures), name=row.name, detail=detail))
    return contact_sheet(
        lines,
        title="Models compared",
        subtitle="Every row below the real one is synthetic and shows no patient.",
        footnote=_plain(basis),
        tile=128,
    )


def brief(basis: Basis, rows: Sequence[Row]) -> list[str]:
    """What a terminal is told."""
    return [*markdown(table(basis, rows)), _plain(basis)]


def comparison_content(basis: Basis, rows: Sequence[Row], *, show_real: bool = True) -> Content:
    """Models in one table, beside each other on one sheet."""
    shown = table(basis, rows)
    picture = Picture(
        says="One row for each model, one column for each mask.",
        image=sheet(basis, rows, show_real=show_real),
        name=SHEET.removesuffix(".png"),
    )
    hashes = [(row.name, f"sha256 {row.sha256}") for row in rows]
    return Content(
        title="Models compared",
        lead=_plain(basis),
        tables=[shown],
        plots=[picture],
        sections=[Section(title="The models", facts=hashes)],
        brief=brief(basis, rows),
        data={"protocol": basis.as_dict(), "models": [row.as_dict() for row in rows]},
    )


def write_comparison(
    out: Path, basis: Basis, rows: Sequence[Row], *, show_real: bool = True
) -> dict[str, str]:
    """Write table, page, figures and sheet into a folder; returns their names.

    Raises
    ------
    InputError
        If one cannot be written.
    """
    with write_file(out / TABLE) as temporary:
        temporary.write_text(in_markdown(basis, rows), encoding="utf-8")
    content = comparison_content(basis, rows, show_real=show_real)
    return {"table": TABLE, **write_report(out, content, name="comparison")}
