"""The utility experiment as a page, a JSON file and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_synth.reports.document import Section, Table, interval, number, write_document

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cmr_synth.evaluation.utility.results import Result
    from cmr_synth.evaluation.utility.study import Protocol

COLUMNS = {
    "Model": "",
    "Trained on": "real: the training patients' slices; synthetic: one slice for each of their "
    "masks, in the style of its own scanner; k x synthetic beside real ones: in the styles of "
    "other vendors",
    "Tested on": "patients that neither the segmenter nor the generator has seen",
    "Structure": "mean: over those drawn in the cohort",
    "Patients": "",
    "Dice": "mean over patients, each over the seeds, with the 95 % interval by patient",
    "Less real": "paired by patient: what was gained (+) or lost (-) against real slices alone",
    "p": "Wilcoxon's signed-rank test of the pairs; none below six patients",
    "HD95 mm": "95th percentile of the distances of both outlines pooled, where both are there",
    "Missed": "share of slices on which the structure was missed, or found where none was drawn",
    "Seeds": "standard deviation of the means of the trainings",
}
STRATA = {
    "cohort": "By data set",
    "vendor": "By vendor",
    "pathology": "By pathology",
    "level": "By slice level",
}


def write_utility(
    out: Path,
    protocol: Protocol,
    found: Mapping[str, Sequence[Result]],
    hashes: Mapping[str, str],
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """Write the report; returns its facts, lines for a terminal, and the names of its files."""
    sections = []
    main: Table | None = None
    for by, title in STRATA.items():
        rows = [
            _cells(model, one, results)
            for model, results in found.items()
            for one in results
            if one.stratum.by == by and one.score == "dice" and _wanted(by, one)
        ]
        if not rows:
            continue
        table = Table(COLUMNS if by == "cohort" else dict.fromkeys(COLUMNS, ""), rows)
        figures = {}
        if by in ("cohort", "pathology"):
            figures = {
                f"Dice gained or lost against real slices alone, {title.lower()}, mean and 95 % "
                "interval by patient": _plot(found, by)
            }
        sections.append(Section(title, tables=[table], figures=figures))
        main = main or table
    lead = describe(protocol)
    facts = {
        "protocol": asdict(protocol),
        "models": {
            model: {"sha256": hashes[model], "results": [one.as_dict() for one in results]}
            for model, results in found.items()
        },
    }
    files = write_document(out, "What a segmenter learns from it", lead, sections, facts)
    lines = [*(main.text() if main else []), lead, str(out / files["page"])]
    return facts, lines, files


def describe(protocol: Protocol) -> str:
    """The protocol in words."""
    return (
        f"The same small U-Net, {protocol.images:,} images seen in every training, "
        f"{protocol.seeds} seed{'s' * (protocol.seeds > 1)} each; real slices and masks of the "
        f"training patients of {', '.join(protocol.trained_on)}; tested on {protocol.split} "
        "patients. Structures that nobody drew are unknown and not counted."
    )


def _wanted(by: str, one: Result) -> bool:
    return by == "cohort" or one.stratum.structure == "mean"


def _cells(model: str, one: Result, results: Sequence[Result]) -> list[str]:
    wanted = (one.arm, one.stratum, "hd95")
    far = next((r for r in results if (r.arm, r.stratum, r.score) == wanted), None)
    gained = one.difference is not None
    return [
        model,
        one.arm,
        one.stratum.value,
        one.stratum.structure,
        str(one.patients),
        interval(one.mean, one.low, one.high),
        _signed(one) if gained else "–",
        number(one.p),
        "–" if far is None else interval(far.mean, far.low, far.high, 1),
        f"{one.missed:.1%}",
        number(one.seed_spread),
    ]


def _signed(one: Result) -> str:
    assert one.difference is not None
    text = f"{one.difference:+.3f}"
    if one.difference_low is None or one.difference_high is None:
        return text
    return f"{text} [{one.difference_low:+.3f}, {one.difference_high:+.3f}]"


def _plot(found: Mapping[str, Sequence[Result]], by: str) -> Figure:
    from matplotlib.figure import Figure

    rows = [
        (f"{one.stratum.value}: {model}, {one.arm} (n={one.patients})", one)
        for model, results in found.items()
        for one in results
        if one.stratum.by == by
        and one.score == "dice"
        and one.stratum.structure == "mean"
        and one.difference is not None
    ]
    rows.sort(key=lambda row: row[1].stratum.value)
    figure = Figure(figsize=(9, 1.0 + 0.28 * max(len(rows), 1)), layout="constrained")
    axes = figure.add_subplot()
    shades = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"]
    values = list(dict.fromkeys(row[1].stratum.value for row in rows))
    for k, (_, one) in enumerate(rows):
        colour = shades[values.index(one.stratum.value) % len(shades)]
        if one.difference_low is not None and one.difference_high is not None:
            axes.plot([one.difference_low, one.difference_high], [k, k], color=colour, lw=2)
        if one.difference is not None:
            axes.plot([one.difference], [k], "o", color=colour, ms=5)
    axes.axvline(0, color="0.6", lw=1)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("mean Dice, less that of real slices alone")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
