"""The utility experiment: what a segmenter learns from synthetic slices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cmr_synth.reports.content import Content, Plot, Section, Table
from cmr_synth.reports.numbers import NONE, interval, number, share
from cmr_synth.reports.plots import SHADES, Span, intervals

if TYPE_CHECKING:
    from cmr_synth.evaluation.utility.results import Compared, Findings, Result, Runs
    from cmr_synth.evaluation.utility.runs import Run
    from cmr_synth.evaluation.utility.study import Protocol

COLUMNS = {
    "Model": "",
    "Trained on": "real: the training patients' slices; other vendors: as many real slices of the "
    "other cohorts on top; synthetic: one slice for each mask, in the style of its own scanner; k "
    "x synthetic beside real ones: in the styles of other vendors; new hearts: synthetic slices of "
    "sampled and dialled masks, as many as of training masks and in their styles; styled: with "
    "strong random changes of how all slices look",
    "Tested on": "patients that neither the segmenter nor the generator has seen",
    "Structure": "mean: over those drawn in the cohort",
    "Patients": "",
    "Dice": "mean over patients, each over the seeds, with the 95 % interval over both",
    "Less real": "paired by patient and seed: what was gained (+) or lost (-) against real slices "
    "alone, with the 95 % interval over patients and seeds",
    "p": "Wilcoxon's signed-rank test by patient; none below six patients",
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
    protocol: Protocol, studies: Mapping[str, Findings], hashes: Mapping[str, str]
) -> Content:
    """Dice of every training on every group of patients, and what it gained or lost.

    Parameters
    ----------
    protocol : Protocol
    studies : mapping
        Of each model.
    hashes : mapping
        Of each model's weights.
    """
    found = {model: study.against_real.results for model, study in studies.items()}
    runs = {model: study.runs for model, study in studies.items()}
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
    sections += [*_against_rivals(studies), _lengths(runs)]
    lead = describe(protocol)
    left_out = _left_out(study.against_real for study in studies.values())
    return Content(
        title="What a segmenter learns from it",
        lead=lead,
        remarks=left_out,
        sections=sections,
        brief=[*brief, lead, *left_out],
        data={
            "protocol": asdict(protocol),
            "left_out": left_out,
            "models": {
                model: {
                    "sha256": hashes[model],
                    "results": [one.as_dict() for one in results],
                    "runs": [_facts(run) for own in runs[model].values() for run in own],
                }
                for model, results in found.items()
            },
        },
    )


def describe(protocol: Protocol) -> str:
    """The protocol in words."""
    return (
        f"The same small U-Net, {protocol.images:,} real slices seen in every training that has "
        "some and what is added on top of them, in every batch as many; as many synthetic ones "
        f"where there are no real ones. {protocol.seeds} seed{'s' * (protocol.seeds > 1)} each; "
        "real slices and masks of the training patients of "
        f"{', '.join(protocol.trained_on)}; tested once, at the end, on {protocol.split} patients. "
        "Structures that nobody drew are unknown and not counted."
    )


def _left_out(compared: Iterable[Compared]) -> list[str]:
    lines = dict.fromkeys(line for one in compared for line in one.left_out)
    return [f"Nothing is said of {line}." for line in lines]


def _facts(run: Run) -> dict[str, Any]:
    late = run.late_gain
    return {
        "arm": run.arm,
        "seed": run.seed,
        "images": run.images,
        "real": run.real,
        "validation": [list(point) for point in run.curve],
        "late_gain": None if math.isnan(late) else late,
    }


def _against_rivals(studies: Mapping[str, Findings]) -> list[Section]:
    """Mixtures against what is to be had without a generator, new hearts against training masks."""
    rows = [
        [
            model,
            one.arm,
            rival,
            one.stratum.value,
            str(one.patients),
            interval(one.difference, one.difference_low, one.difference_high, sign=True),
            number(one.p),
        ]
        for model, study in studies.items()
        for rival, compared in study.against_rivals.items()
        for one in compared.results
        if (one.stratum.by, one.stratum.structure, one.score) == ("cohort", "mean", "dice")
        and one.difference is not None
    ]
    if not rows:
        return []
    columns = {
        "Model": "",
        "Trained on": "",
        "Against": "what is to be had without a generator, or with the training patients' masks",
        "Tested on": "",
        "Patients": "",
        "Difference": "of mean Dice, paired by patient and seed, with the 95 % interval over both",
        "p": "Wilcoxon's signed-rank test by patient; none below six patients",
    }
    return [Section(title="Against what costs less", tables=[Table(columns, rows)])]


def _lengths(runs: Mapping[str, Runs]) -> Section:
    """What every arm has seen, and whether more would have helped."""
    from cmr_synth.evaluation.utility.runs import ENOUGH, GAIN

    rows, short = [], []
    for model, own in runs.items():
        for arm, some in own.items():
            gain = sum(run.late_gain for run in some) / len(some)
            rows.append(
                [
                    model,
                    arm,
                    str(len(some)),
                    f"{some[0].images:,}",
                    f"{some[0].real:,}",
                    number(sum(run.at(ENOUGH) for run in some) / len(some)),
                    number(sum(run.at(1) for run in some) / len(some)),
                    NONE if math.isnan(gain) else f"{gain:+.4f}",
                ]
            )
            if not gain <= GAIN:
                short.append(f"{arm} ({model})")
    remarks = [
        f"{', '.join(short)}: gained more than {GAIN} of validation Dice after {ENOUGH:.0%} of the "
        "training, or there were no validation patients to tell by; a longer one (`--images`) may "
        "change its figures."
    ] * bool(short)
    columns = {
        "Model": "",
        "Trained on": "",
        "Trainings": "",
        "Images": "seen in each training",
        "Real": "of them real slices of the cohorts trained on",
        f"At {ENOUGH:.0%}": "mean Dice of the validation patients of the cohorts trained on, over "
        "the seeds",
        "At the end": "",
        "Gained": "between the two",
    }
    return Section(
        title="Whether the trainings were long enough",
        tables=[Table(columns, rows)],
        remarks=remarks,
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
        says=f"Dice gained or lost against real slices alone, {title}, mean and 95 % interval over "
        "patients and seeds",
        label="mean Dice, less that of real slices alone",
        centre=0,
    )
