"""The utility experiment: what a segmenter learns from synthetic slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from cmr_synth.reports.content import Content, Plot, Section, Table
from cmr_synth.reports.numbers import NONE, interval, number, share
from cmr_synth.reports.plots import SHADES, Span, intervals

if TYPE_CHECKING:
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


def utility_content(
    protocol: Protocol, found: Mapping[str, Sequence[Result]], hashes: Mapping[str, str]
) -> Content:
    """Dice of every training on every group of patients, and what it gained or lost."""
    sections = []
    brief: list[str | Table] = []
    for by, title in STRATA.items():
        rows = [
            _cells(model, one, results)
            for model, results in found.items()
            for one in results
            if one.stratum.by == by and one.score == "dice" and _wanted(by, one)
        ]
        if not rows:
            continue
        table = Table(COLUMNS if by == "cohort" else list(COLUMNS), rows)
        plots = [_gains(found, by, title.lower())] if by in ("cohort", "pathology") else []
        sections.append(Section(title=title, tables=[table], plots=plots))
        brief = brief or [table]
    lead = describe(protocol)
    return Content(
        title="What a segmenter learns from it",
        lead=lead,
        sections=sections,
        brief=[*brief, lead],
        data={
            "protocol": asdict(protocol),
            "models": {
                model: {"sha256": hashes[model], "results": [one.as_dict() for one in results]}
                for model, results in found.items()
            },
        },
    )


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
    return [
        model,
        one.arm,
        one.stratum.value,
        one.stratum.structure,
        str(one.patients),
        interval(one.mean, one.low, one.high),
        interval(one.difference, one.difference_low, one.difference_high, sign=True),
        number(one.p),
        NONE if far is None else interval(far.mean, far.low, far.high, 1),
        share(one.missed, 1),
        number(one.seed_spread),
    ]


def _gains(found: Mapping[str, Sequence[Result]], by: str, title: str) -> Plot:
    rows = [
        (one.stratum.value, f"{model}, {one.arm} (n={one.patients})", one)
        for model, results in found.items()
        for one in results
        if one.stratum.by == by and one.score == "dice" and one.stratum.structure == "mean"
    ]
    rows.sort(key=lambda row: row[0])
    values = list(dict.fromkeys(value for value, _, one in rows if one.difference is not None))
    spans = [
        Span(
            name=f"{value}: {words}",
            value=one.difference,
            low=one.difference_low,
            high=one.difference_high,
            colour=SHADES[values.index(value) % len(SHADES)],
        )
        for value, words, one in rows
        if one.difference is not None
    ]
    return intervals(
        spans,
        says=f"Dice gained or lost against real slices alone, {title}, mean and 95 % interval by "
        "patient",
        label="mean Dice, less that of real slices alone",
        centre=0,
    )
