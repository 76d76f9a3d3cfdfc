"""Models beside each other on a few patients of every vendor: detail, grey values, adherence.

    .venv/bin/python benchmarks/vendors.py flow runs/few-step --slices prepared --sheet sheet.png

For choosing between trainings on validation patients, of whom some cohorts have one: a figure
needs no least number of patients here, and none has an interval. Amplitude: synthetic over real in
thirds of radial frequency. Grey: mean of LV and MYO, real / synthetic. Dice of the segmenter on
synthetic over that on real slices. Frechet: distance to the real slices in the space of the bundled
encoder. Around: share of pixels around the heart that show the tissue of the real slice. A model
that takes a map of those is measured with the maps of the real slices, too.
`cmr-synth evaluate fidelity` measures properly, on test patients.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, STRUCTURES
from cmr_synth.anatomy.surroundings import OPEN, tissues_around
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.adherence.dice import dice_by_patient
from cmr_synth.evaluation.counterparts import conditions_for, made_for
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
    models = [(Path(name).name, zoo.load(name)) for name in options.models]
    ways = [(name, model, False) for name, model in models]
    ways += [
        (f"{name}, own tissues", model, True)
        for name, model in models
        if model.card.conditions.tissues
    ]
    space = EncoderSpace()
    print(
        "| cohort | model | patients | slices | low | middle | fine | grey LV | grey MYO "
        "| Dice LV | MYO | RV | Frechet | around |"
    )
    print(f"|{' --- |' * 14}")
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
        for name, model, with_maps in ways:
            asked = conditions_for(model.generator, real)
            known = model.generator.config.structures
            maps = tissue_maps(real.pixels, real, known)
            if with_maps:
                asked = [replace(c, tissues=one) for c, one in zip(asked, maps, strict=True)]
            steps = model.card.default_steps
            made = np.concatenate(
                list(made_for(model.generator, asked, seed=options.seed, steps=steps))
            )
            rows.setdefault(name, []).extend(made[shown])
            far = frechet_distance(space.features(real), space.features(replace(real, pixels=made)))
            same = tissue_maps(made, real, known) == maps
            told = same[maps != OPEN]  # nothing where all but the heart was left open
            around = f"{told.mean():.2f}" if told.size else "-"
            of_made = dice(segmenter, made, real)
            line(cohort, name, real, made, of_real, of_made, (f"{far:.1f}", around))
    if options.sheet:
        sheet = contact_sheet(
            [SheetRow(name=name, detail="", pictures=p) for name, p in rows.items()], groups=groups
        )
        sheet.save(options.sheet)


def tissue_maps(
    pixels: NDArray[np.float32], real: Sample, structures: tuple[str, ...]
) -> NDArray[np.uint8]:
    """What pictures show around the hearts of real slices, (n, y, x)."""
    maps = [
        tissues_around(one, labels, spacing=real.spacing, structures=structures)
        for one, labels in zip(pixels, real.labels, strict=True)
    ]
    return np.stack(maps)


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
    others: tuple[str, ...],
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
    print(f"| {' | '.join(map(str, (*cells, *others)))} |", flush=True)


if __name__ == "__main__":
    main()
