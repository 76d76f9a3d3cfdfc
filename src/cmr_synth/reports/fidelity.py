"""Fidelity as a page, a JSON file and pictures of what gives synthetic slices away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.reports.document import Section, Table, interval, number, write_document

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cmr_synth.evaluation.protocol import Measured
    from cmr_synth.evaluation.realism.contract import Metric
    from cmr_synth.evaluation.realism.estimate import Estimate
    from cmr_synth.evaluation.sample import Sample

SHOWN = 8  # slices in the picture of the two-sample test


def write_fidelity(
    out: Path,
    held_out: Sample,
    other: Sample,
    measured: Sequence[Measured],
    *,
    split: str,
    seed: int,
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """Write the report; returns its facts, lines for a terminal, and the names of its files."""
    patients = len(np.unique(held_out.patients))
    lead = (
        f"{len(held_out)} {split} slices of {patients} patients that no model has seen; other real "
        f"patients: {len(np.unique(other.patients))} of the training; synthetic slices with seed "
        f"{seed}. Every figure is over patients."
    )
    sections, lines = [], []
    for number_of_space in range(len(measured[0].spaces)):
        section = _space_section(measured, number_of_space)
        found = measured[0].spaces[number_of_space]
        sections.append(section)
        lines += [f"{found.space} ({found.hash[:12]})", *section.tables[0].text(), ""]
    for section in _picture_sections(held_out, measured):
        sections.append(section)
        if section.title == TOLD:
            lines += [*section.tables[0].text(), ""]
    remarks = list(dict.fromkeys(remark for one in measured for remark in one.remarks))
    if remarks:
        sections.append(Section("Left out", notes=remarks))
    facts = {
        "split": split,
        "seed": seed,
        "slices": len(held_out),
        "patients": patients,
        "candidates": [one.as_dict() for one in measured],
        "remarks": remarks,
    }
    files = write_document(out, "How near to real patients", lead, sections, facts)
    return facts, [*lines, lead, str(out / files["page"])], files


def table_of(
    estimates: Mapping[str, Mapping[str, Estimate]],
    more: Mapping[str, tuple[str, Mapping[str, str]]] | None = None,
) -> Table:
    """A row for each candidate, and a column for each metric of the table of metrics that it has.

    Parameters
    ----------
    estimates : mapping of candidate to its estimates by metric
    more : mapping of heading to words and to a text for each candidate
        Columns after those of the metrics.
    """
    from cmr_synth.evaluation.realism.metrics import load_metric, metrics

    found = [name for name in metrics() if any(name in one for one in estimates.values())]
    columns: dict[str, str] = {"Candidate": ""}
    rows: dict[str, list[str]] = {name: [name] for name in estimates}
    for metric in map(load_metric, found):
        of_metric = {name: one.get(metric.name) for name, one in estimates.items()}
        for heading, words, cells in _columns(metric, of_metric):
            columns[heading] = words
            for name, cell in cells.items():
                rows[name].append(cell)
    for heading, (words, texts) in (more or {}).items():
        columns[heading] = words
        for name in estimates:
            rows[name].append(texts.get(name, "–"))
    return Table(columns, list(rows.values()))


Cells = dict[str, str]


def _columns(
    metric: Metric, found: Mapping[str, Estimate | None]
) -> Iterator[tuple[str, str, Cells]]:
    """Heading, words and cells of a metric: its floor in brackets, or in a column of its own.

    A floor has a column if there is more to say of it than one number.
    """
    known = [one for one in found.values() if one is not None]
    apart = any(np.isfinite([one.floor_low, one.floor_sd]).any() for one in known)
    beside = not apart and any(np.isfinite(one.floor) for one in known)
    words = f"{metric.sentence}; with the 95 % interval by patient"
    if beside:
        words += ", other real patients' in brackets"
    digits = metric.digits
    cells = {}
    for name, one in found.items():
        cells[name] = "–" if one is None else interval(one.value, one.low, one.high, digits)
        if one is not None and beside:
            cells[name] += f" ({number(one.floor, digits)})"
    yield metric.heading, words, cells
    if apart:
        yield (
            f"{metric.heading} floor",
            "the same of other real patients",
            {name: _floor(one, digits) for name, one in found.items()},
        )


def _floor(one: Estimate | None, digits: int) -> str:
    if one is None:
        return "–"
    spread = f" (sd {one.floor_sd:.{digits}f})" if np.isfinite(one.floor_sd) else ""
    return interval(one.floor, one.floor_low, one.floor_high, digits) + spread


def _space_section(measured: Sequence[Measured], number_of_space: int) -> Section:
    spaces = {one.name: one.spaces[number_of_space] for one in measured}
    first = measured[0].spaces[number_of_space]
    words = [
        f"{first.dimensions} features of the {first.space}, {first.hash}. The distances are "
        f"called {first.frechet_name} and {first.kernel_name} here; classes of the score: "
        f"{first.classes}."
    ]
    table = table_of({name: found.estimates for name, found in spaces.items()})
    notes = [f"{name}: {note}" for name, found in spaces.items() for note in found.notes]
    return Section(f"Realism: {first.space}", words, [table], notes=notes)


TOLD, PAIRED, TISSUE = "Two-sample test", "Pixel by pixel", "Tissue"
"""Sections that have more than the table of their metrics."""

WORDS = {
    TOLD: "A trained network finds traces that no reader sees: an AUC near 1 says that they exist, "
    "not that they matter. The pictures show where it looks.",
    PAIRED: "Against the real slice of the same mask. A generator is not asked to repeat the "
    "patient: a high similarity is no aim, and an extreme one is a warning.",
    TISSUE: "Brightness, contrast, noise and sharpness of the tissues that the masks show.",
}


def _picture_sections(held_out: Sample, measured: Sequence[Measured]) -> Iterator[Section]:
    """One for each section that metrics of pictures name, in the order of the table."""
    from cmr_synth.evaluation.realism.metrics import load_metric, metrics

    present = {name for one in measured for name in one.pictures.estimates}
    section_of = {name: load_metric(name).section for name in metrics() if name in present}
    for title in dict.fromkeys(section_of.values()):
        estimates = {}
        for one in measured:
            own = {k: v for k, v in one.pictures.estimates.items() if section_of[k] == title}
            if own:
                estimates[one.name] = own
        more = _of_the_test(measured) if title == TOLD else None
        tables = [table_of(estimates, more)]
        if title == TISSUE:
            tables += _of_vendors(measured)
        figures = _of_what_speaks(held_out, measured) if title == TOLD else {}
        words = [WORDS[title]] if title in WORDS else []
        yield Section(title, words, tables, figures)
    notes = [f"{one.name}: {note}" for one in measured for note in one.pictures.notes]
    if notes:
        yield Section("Not measured", notes=notes)


def _of_the_test(measured: Sequence[Measured]) -> dict[str, tuple[str, Cells]]:
    told = {one.name: one.pictures.told for one in measured if one.pictures.told is not None}
    return {
        "Accuracy": ("at even odds", {name: f"{one.accuracy:.1%}" for name, one in told.items()}),
        "Slices": ("of each kind", {name: str(one.slices) for name, one in told.items()}),
        "Patients": ("", {name: str(one.patients) for name, one in told.items()}),
    }


def _of_what_speaks(held_out: Sample, measured: Sequence[Measured]) -> dict[str, Figure]:
    return {
        f"{one.name}: synthetic slices that gave themselves away most, and what speaks for "
        "synthetic (orange) and for real (blue)": _saliency(one, len(held_out))
        for one in measured
        if one.pictures.told is not None
    }


def _saliency(one: Measured, real: int) -> Figure:
    from matplotlib.figure import Figure
    from scipy import ndimage

    told = one.pictures.told
    assert told is not None
    scores = told.scores[real:]
    chosen: list[int] = []
    for i in np.argsort(scores)[::-1]:  # one slice a patient
        if one.synthetic.patients[i] not in one.synthetic.patients[chosen]:
            chosen.append(int(i))
        if len(chosen) == SHOWN:
            break
    figure = Figure(figsize=(1.5 * len(chosen), 3.3), layout="constrained", facecolor="#101214")
    axes = figure.subplots(2, len(chosen), squeeze=False)
    for column, i in enumerate(chosen):
        speaks = ndimage.gaussian_filter(told.saliency[real + i], 1.5)
        reach = float(np.quantile(np.abs(speaks), 0.995)) or 1.0
        axes[0, column].imshow(one.synthetic.pixels[i], cmap="gray", vmin=0, vmax=1)
        axes[1, column].imshow(one.synthetic.pixels[i], cmap="gray", vmin=0, vmax=1)
        axes[1, column].imshow(
            speaks,
            cmap="PuOr_r",
            vmin=-reach,
            vmax=reach,
            alpha=np.clip(np.abs(speaks) / reach, 0, 1) * 0.8,
        )
        axes[0, column].set_title(f"{scores[i]:.2f}", color="#f2f3f5", fontsize=9)
    for ax in axes.flat:
        ax.set_axis_off()
    return figure


TISSUE_COLUMNS = {
    "Candidate": "",
    "Vendor": "",
    "Figure": "",
    "Real range": "95 % of other real patients' slices of this vendor lie within",
    "Within": "share of synthetic slices in the range, held-out real ones' in brackets",
    "Real": "mean over held-out patients",
    "Synthetic": "mean over the patients whose masks were taken",
    "Effect": "Hedges' g with its 95 % interval; about 0.2 is small, 0.8 large",
}


def _of_vendors(measured: Sequence[Measured]) -> list[Table]:
    from cmr_synth.evaluation.realism.tissue import FIGURES

    rows = []
    for one in measured:
        for found in one.pictures.tissue.figures if one.pictures.tissue else ():
            apart = found.difference
            rows.append(
                [
                    one.name,
                    found.vendor or "unknown",
                    FIGURES[found.figure],
                    f"{found.range.low:.3g} to {found.range.high:.3g}",
                    f"{found.inside:.0%} ({found.real_inside:.0%})",
                    "–" if apart is None else f"{apart.real:.3g}",
                    "–" if apart is None else f"{apart.synthetic:.3g}",
                    "–" if apart is None else interval(apart.effect, apart.low, apart.high, 2),
                ]
            )
    return [Table(TISSUE_COLUMNS, rows)] if rows else []
