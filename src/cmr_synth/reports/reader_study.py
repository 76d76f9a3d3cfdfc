"""Results of a reader study as a page, a JSON file and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_synth.reports.document import Section, Table, interval, number, write_document

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cmr_synth.evaluation.readers.study import Calls, StudyResult

COLUMNS = {
    "Of": "",
    "Images": "read",
    "Right": "",
    "Accuracy": "share called rightly, with Wilson's 95 % interval; 0.5 is guessing",
    "d'": "detectability, with the log-linear correction; 0 is guessing, above 1 is easy",
    "Quality, real": "mean, from 1 (not diagnostic) to 5 (excellent)",
    "Quality, synthetic": "",
}


def write_reader_study(
    out: Path, found: StudyResult
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """Write the report; returns its facts, lines for a terminal, and the names of its files."""
    readers = [found.overall, *found.readers]
    main = Table(COLUMNS, [_cells(one) for one in readers])
    lead = (
        f"{len(found.readers)} reader{'s' * (len(found.readers) != 1)} of {found.images} pictures, "
        "half of them real. An interval around 0.5 means that they could not be told apart; a "
        "narrow one needs many pictures."
    )
    sections = [
        Section(
            "Real or synthetic",
            tables=[main],
            figures={"Accuracy with its 95 % interval": _plot([*readers, *found.vendors])},
        ),
        Section(
            "By vendor",
            tables=[Table(dict.fromkeys(COLUMNS, ""), [_cells(v) for v in found.vendors])],
        ),
    ]
    if found.kappas:
        columns = {"Readers": "", "Kappa": "agreement beyond chance; 0 is chance, 1 is always"}
        rows = [[pair, number(kappa, 2)] for pair, kappa in found.kappas.items()]
        rows.append([f"all, on {found.shared} pictures (Fleiss)", number(found.fleiss, 2)])
        sections.append(Section("Do readers agree", tables=[Table(columns, rows)]))
    facts = found.as_dict()
    files = write_document(out, "Reader study", lead, sections, facts)
    return facts, [*main.text(), "", lead, str(out / files["page"])], files


def _cells(one: Calls) -> list[str]:
    return [
        one.of,
        str(one.images),
        str(one.right),
        interval(one.accuracy, one.low, one.high, 2),
        number(one.d_prime, 2),
        number(one.quality_real, 1),
        number(one.quality_synthetic, 1),
    ]


def _plot(calls: Sequence[Calls]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.9 + 0.32 * len(calls)), layout="constrained")
    axes = figure.add_subplot()
    for k, one in enumerate(calls):
        axes.plot([one.low, one.high], [k, k], color="#0072b2", lw=2)
        axes.plot([one.accuracy], [k], "o", color="#0072b2", ms=5)
    axes.axvline(0.5, color="0.6", lw=1)
    axes.set_xlim(0, 1)
    axes.set_yticks(range(len(calls)), [f"{one.of} (n={one.images})" for one in calls], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("accuracy")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
