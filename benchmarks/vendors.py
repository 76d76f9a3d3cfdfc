"""Models beside each other on a few patients of every vendor: detail, grey values, adherence.

    .venv/bin/python benchmarks/vendors.py flow runs/few-step --slices prepared --sheet sheet.png

For choosing between trainings on validation patients, of whom some cohorts have one: a figure
needs no least number of patients here, and none has an interval. Amplitude: synthetic over real in
in thirds of radial frequency. Grey: mean of LV and MYO, real / synthetic. Dice of the segmenter
on synthetic over that on real slices. Frechet: distance to the real slices in the space of the
bundled encoder. `cmr-synth evaluate fidelity` measures properly, on test
patients.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, STRUCTURES
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.adherence.dice import dice_by_patient
from cmr_synth.evaluation.counterparts import counterparts
from cmr_synth.evaluation.distributions import patient_means
from cmr_synth.evaluation.realism.frechet import frechet_distance
from cmr_synth.evaluation.realism.spaces import EncoderSpace
from cmr_synth.evaluation.realism.spectrum import THIRDS, log_power
from cmr_synth.evaluation.sample import Sample, real_sample
from cmr_synth.generators import zoo
from cmr_synth.judges.segmenter import Segmenter
from cmr_synth.reports.sheet import SheetRow, contact_sheet

SHOWN = 6  # slices of a cohort on the sheet


def main() -> None:
    """Print a table, a line for each cohort and model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--split", default="validation", choices=("train", "validation", "test"))
    parser.add_argument("--most", type=int, default=60, help="slices of a cohort")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    slices, segmenter = open_slice_set(options.slices), Segmenter.load()
    models = [(name, zoo.load(name)) for name in options.models]
    space = EncoderSpace()
    print(
        "| cohort | model | patients | slices | low | middle | fine | grey LV | grey MYO "
        "| Dice LV | MYO | RV | Frechet |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    rows: dict[str, list[NDArray]] = {}
    groups = []
    for cohort in dict.fromkeys(row.cohort for row in slices.rows):
        if not len(slices.where(split=options.split, cohorts=[cohort])):
            continue
        real = real_sample(slices, options.split, [cohort])
        order = np.random.default_rng(options.seed).permutation(len(real))[: options.most]
        real = real.take(np.sort(order))
        shown = np.random.default_rng(0).permutation(len(real))[:SHOWN]
        groups.append((cohort, len(shown)))
        rows.setdefault("real", []).extend(real.pixels[shown])
        of_real = dice(segmenter, real.pixels, real)
        for name, model in models:
            made = np.concatenate(
                list(
                    counterparts(
                        model.generator, real, seed=options.seed, steps=model.card.default_steps
                    )
                )
            )
            rows.setdefault(Path(name).name, []).extend(made[shown])
            far = frechet_distance(space.features(real), space.features(replace(real, pixels=made)))
            line(cohort, Path(name).name, real, made, of_real, dice(segmenter, made, real), far)
    if options.sheet:
        sheet = contact_sheet(
            [SheetRow(name=name, detail="", pictures=p) for name, p in rows.items()], groups=groups
        )
        sheet.save(options.sheet)


def dice(segmenter: Segmenter, pixels: NDArray[np.float32], real: Sample) -> dict[str, float]:
    """Mean over patients, of what was drawn by hand."""
    found = dice_by_patient(segmenter.segment(pixels), real.labels, real.patients)
    return {name: float(np.nanmean(v)) for name, v in found.items() if np.isfinite(v).any()}


def line(
    cohort: str,
    name: str,
    real: Sample,
    made: NDArray[np.float32],
    of_real: dict[str, float],
    of_made: dict[str, float],
    far: float,
) -> None:
    """One row of the table."""
    amplitudes = []
    for rings in THIRDS.values():
        logs = [
            patient_means(log_power(p)[:, rings].mean(axis=1) / 2, real.patients).mean()
            for p in (made, real.pixels)
        ]
        amplitudes.append(f"{np.exp(logs[0] - logs[1]):.2f}")
    greys = []
    for label in (LV, MYO):
        here = real.labels == label
        greys.append(
            f"{real.pixels[here].mean():.2f} / {made[here].mean():.2f}" if here.any() else "-"
        )
    ratios = [f"{of_made[s] / of_real[s]:.3f}" if of_real.get(s) else "-" for s in STRUCTURES]
    cells = [cohort, name, len(np.unique(real.patients)), len(real), *amplitudes, *greys, *ratios]
    cells.append(f"{far:.1f}")
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
