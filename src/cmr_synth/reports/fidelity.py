"""Fidelity: how near to real patients, and what gives synthetic slices away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cmr_synth.reports.content import Cell, Content, Plot, Section, Table
from cmr_synth.reports.numbers import NONE, interval, number, share, significant
from cmr_synth.reports.plots import Tile, grid

if TYPE_CHECKING:
    from cmr_synth.evaluation.protocol import Measured
    from cmr_synth.evaluation.realism.contract import Metric
    from cmr_synth.evaluation.realism.estimate import Estimate
    from cmr_synth.evaluation.sample import Sample

SHOWN = 8  # slices in the picture of the two-sample test


def fidelity_content(
    held_out: Sample, other: Sample, measured: Sequence[Measured], *, split: str, seed: int
) -> Content:
    """Every metric of realism of the candidates, beside what other real patients give."""
    patients = len(np.unique(held_out.patients))
    lead = (
        f"{len(held_out)} {split} slices of {patients} patients that no model has seen; other real "
        f"patients: {len(np.unique(other.patients))} of the training; synthetic slices with seed "
        f"{seed}. Every figure is over patients."
    )
    sections: list[Section] = []
    brief: list[str | Table] = []
    for k, found in enumerate(measured[0].spaces):
        section = _space_section(measured, k)
        sections.append(section)
        brief += [f"{found.space} ({found.hash[:12]})", section.tables[0], ""]
    for section in _picture_sections(held_out, measured):
        sections.append(section)
        if section.title == TOLD:
            brief += [section.tables[0], ""]
    remarks = list(dict.fromkeys(remark for one in measured for remark in one.remarks))
    if remarks:
        sections.append(Section(title="Left out", remarks=remarks))
    return Content(
        title="How near to real patients",
        lead=lead,
        sections=sections,
        brief=[*brief, lead],
        data={
            "split": split,
            "seed": seed,
            "slices": len(held_out),
            "patients": patients,
            "candidates": [one.as_dict() for one in measured],
            "remarks": remarks,
        },
    )


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
    rows: dict[str, list[Cell]] = {name: [name] for name in estimates}
    for metric in map(load_metric, found):
        of_metric = {name: one.get(metric.name) for name, one in estimates.items()}
        for heading, words, cells in _columns(metric, of_metric):
            columns[heading] = words
            for name, cell in cells.items():
                rows[name].append(cell)
    for heading, (words, texts) in (more or {}).items():
        columns[heading] = words
        for name in estimates:
            rows[name].append(texts.get(name, NONE))
    return Table(columns, list(rows.values()))


Cells = dict[str, str]


def _columns(
    metric: Metric, found: Mapping[str, Estimate | None]
) -> Iterator[tuple[str, str, Cells]]:
    """Heading, words and cells of a metric: its floor in brackets, or in a column of its own.

    A floor has a column if there is more to say of it than one number.
    """
    known = [one for one in found.values() if one is not None]
    apart = any(np.isfinite(one.floor_low) for one in known)
    in_brackets = not apart and any(np.isfinite(one.floor) for one in known)
    words = f"{metric.sentence}; with the 95 % interval by patient"
    if in_brackets:
        words += ", other real patients' in brackets"
    digits = metric.digits
    cells = {}
    for name, one in found.items():
        cells[name] = NONE if one is None else interval(one.value, one.low, one.high, digits)
        if one is not None and in_brackets:
            cells[name] += f" ({number(one.floor, digits)})"
    yield metric.heading, words, cells
    if apart:
        yield (
            f"{metric.heading} floor",
            "the same of other real patients",
            _shown(found, ("floor", "floor_low", "floor_high"), digits),
        )
    if any(np.isfinite(one.null) for one in known):
        yield (
            f"{metric.heading} null",
            "the same of one generator on both sides, with other noise: what no difference reads "
            "as with so many patients",
            _shown(found, ("null", "null_low", "null_high"), digits),
        )


def _shown(found: Mapping[str, Estimate | None], parts: tuple[str, str, str], digits: int) -> Cells:
    """Cells of a figure beside the value, by the names of itself and its interval's ends."""
    return {
        name: NONE if one is None else _interval_of(one, parts, digits)
        for name, one in found.items()
    }


def _interval_of(one: Estimate, parts: tuple[str, str, str], digits: int) -> str:
    value, low, high = (getattr(one, part) for part in parts)
    return interval(value, low, high, digits)


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
    title = f"Realism: {first.space}"
    return Section(title=title, words=words, tables=[table], remarks=notes)


TOLD, SPECTRUM = "Two-sample test", "Spectrum"
PAIRED, TISSUE = "Pixel by pixel", "Tissue"
"""Sections that have more than the table of their metrics."""

WORDS = {
    TOLD: "A trained network finds traces that no reader sees: an AUC near 1 says that they exist, "
    "not that they matter. The pictures show where it looks; what an AUC means is told on the page "
    "of metrics of the documentation, by real slices with known damage.",
    SPECTRUM: "Power by radial frequency, a Hann window over each slice: no training is needed to "
    "see whether fine detail is lost or a grain is added.",
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
        plots = []
        if title == TOLD:
            tested = [one for one in measured if one.pictures.told is not None]
            plots = [_saliency(one, len(held_out)) for one in tested]
        words = [WORDS[title]] if title in WORDS else []
        yield Section(title=title, words=words, tables=tables, plots=plots)
    notes = [f"{one.name}: {note}" for one in measured for note in one.pictures.notes]
    if notes:
        yield Section(title="Not measured", remarks=notes)


def _of_the_test(measured: Sequence[Measured]) -> dict[str, tuple[str, Cells]]:
    told = {one.name: one.pictures.told for one in measured if one.pictures.told is not None}
    return {
        "Accuracy": ("at even odds", {name: share(one.accuracy, 1) for name, one in told.items()}),
        "Slices": ("of each kind", {name: str(one.slices) for name, one in told.items()}),
        "Patients": ("", {name: str(one.patients) for name, one in told.items()}),
    }


def _saliency(one: Measured, real: int) -> Plot:
    """Slices above what speaks for synthetic or real in them; the first scores are of real ones."""
    from scipy import ndimage

    told = one.pictures.told
    assert told is not None
    scores = told.scores[real:]
    columns = []
    for i in one.synthetic.one_a_patient(np.argsort(scores)[::-1], SHOWN):
        pixels = one.synthetic.pixels[i]
        speaks = ndimage.gaussian_filter(told.saliency[real + i], 1.5)
        columns.append(
            [Tile(pixels=pixels, title=number(scores[i], 2)), Tile(pixels=pixels, over=speaks)]
        )
    return grid(
        columns,
        says=f"{one.name}: synthetic slices that gave themselves away most, and what speaks for "
        "synthetic (orange) and for real (blue)",
    )


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
                    f"{significant(found.range.low)} to {significant(found.range.high)}",
                    f"{share(found.inside)} ({share(found.real_inside)})",
                    NONE if apart is None else significant(apart.real),
                    NONE if apart is None else significant(apart.synthetic),
                    NONE if apart is None else interval(apart.effect, apart.low, apart.high, 2),
                ]
            )
    return [Table(TISSUE_COLUMNS, rows)] if rows else []
