"""Does a segmenter find more in scans that were adapted to the vendor that it was trained on?

    .venv/bin/python benchmarks/adapted.py flow --slices prepared --cohort chla --to siemens

Dice on held-out slices of a cohort as they are, with their grey levels and grain matched to a slice
of that vendor, and drawn anew in its style with their layout kept (`cmr-synth adapt`), without any
mask. Mean over patients. `--segmenter` names a segmenter's folder, trained on one vendor; the
bundled one knows all.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.adherence.dice import dice_by_patient
from cmr_synth.evaluation.counterparts import condition_of, made_for
from cmr_synth.evaluation.sample import Sample, real_sample
from cmr_synth.generators import zoo
from cmr_synth.generators.look import match_grain, match_tones
from cmr_synth.judges.segmenter import Segmenter


def main() -> None:
    """Print a table, a line for each way of adapting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--cohort", required=True)
    parser.add_argument("--to", required=True, help="vendor")
    parser.add_argument("--keep", type=float, nargs="+", default=[1.5, 3.0, 6.0], help="mm")
    parser.add_argument("--segmenter", type=Path)
    parser.add_argument("--split", default="validation", choices=("validation", "test"))
    parser.add_argument("--most", type=int, default=60, help="slices")
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    slices, model = open_slice_set(options.slices), zoo.load(options.model)
    segmenter = Segmenter.load(options.segmenter) if options.segmenter else Segmenter.load()
    real = real_sample(slices, options.split, [options.cohort])
    draws = np.random.default_rng(options.seed)
    real = real.take(np.sort(draws.permutation(len(real))[: options.most]))
    cohorts = sorted({row.cohort for row in slices.rows if row.vendor == options.to})
    if not cohorts:
        parser.error(f"--to {options.to}: the slice set has no training slices of that vendor")
    others = real_sample(slices, "train", cohorts).pixels
    looks = others[draws.integers(len(others), size=len(real))]
    print(f"{len(real)} slices of {len(np.unique(real.patients))} patients")
    print("| slices | Dice LV | MYO | RV |\n| --- | --- | --- | --- |")
    line("as they are", real.pixels, real, segmenter)
    line("grey levels and grain matched", matched(real.pixels, looks), real, segmenter)
    for mm in options.keep:
        made = adapted(model, real, options.to, mm / slices.spacing, options.seed)
        line(f"drawn anew, {mm:g} mm kept", made, real, segmenter)


def adapted(
    model: zoo.Model, real: Sample, vendor: str, pixels: float, seed: int
) -> NDArray[np.float32]:
    """Slices in a vendor's style, their layout kept and no mask given."""
    asked = [
        replace(
            condition_of(model.generator, labels, row, vendor=vendor, cohort=None),
            mask=None,
            layout=picture,
            layout_pixels=pixels,
        )
        for labels, row, picture in zip(real.labels, real.rows, real.pixels, strict=True)
    ]
    steps = model.card.default_steps
    return np.concatenate(list(made_for(model.generator, asked, seed=seed, steps=steps)))


def matched(pictures: NDArray[np.float32], looks: NDArray) -> NDArray[np.float32]:
    """Slices with the grey levels and grain of others."""
    own, goal = (
        torch.from_numpy(np.asarray(x, np.float32))[:, None] * 2 - 1 for x in (pictures, looks)
    )
    moved = match_grain(match_tones(own, goal), goal)[:, 0]
    return ((moved + 1) / 2).clamp(0, 1).numpy()


def line(what: str, pixels: NDArray[np.float32], real: Sample, segmenter: Segmenter) -> None:
    """One row of the table."""
    found = dice_by_patient(segmenter.segment(pixels), real.labels, real.patients)
    cells = [
        f"{np.nanmean(found[s]):.3f}" if np.isfinite(found[s]).any() else "-" for s in STRUCTURES
    ]
    print(f"| {what} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
