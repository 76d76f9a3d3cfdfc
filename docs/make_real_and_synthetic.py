"""Draw real test slices among synthetic ones of the same masks, shuffled, with the answers below.

    python docs/make_real_and_synthetic.py --slices prepared --out docs/img

Writes `real_and_synthetic_COHORT.png` for every cohort of the slice set. Look at one for a minute
before reading its last line: what gave the synthetic ones away? Real slices keep the licence of
their cohort; those of Sunnybrook are in the public domain, and theirs alone is kept with the
documents.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from cmr_synth.cohorts.registry import load_cohort
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.counterparts import counterparts
from cmr_synth.evaluation.sample import real_sample
from cmr_synth.generators import zoo
from cmr_synth.reports.sheet import SheetRow, contact_sheet

ROWS, COLUMNS = 3, 6


def main() -> None:
    """Write a sheet for every cohort with test patients."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--model", default="flow")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="of the choice and the order")
    options = parser.parse_args()
    slices, model = open_slice_set(options.slices), zoo.load(options.model)
    for cohort in dict.fromkeys(row.cohort for row in slices.rows):
        if not len(slices.where(split="test", cohorts=[cohort])):
            continue
        test = real_sample(slices, "test", [cohort])
        rng = np.random.default_rng(options.seed)
        half = ROWS * COLUMNS // 2
        own = test.take(np.array(test.one_a_patient(rng.permutation(len(test)).tolist(), half)))
        if len(own) < half:  # few patients: more slices of each
            own = test.take(rng.permutation(len(test))[:half])
        made = np.concatenate(
            list(
                counterparts(
                    model.generator, own, seed=options.seed, steps=model.card.default_steps
                )
            )
        )
        pictures = [*own.pixels, *made]
        order = rng.permutation(len(pictures))
        grid = order.reshape(-1, COLUMNS)
        answers = "; ".join(
            f"{chr(65 + i)}: " + " ".join("R" if k < len(own) else "S" for k in row)
            for i, row in enumerate(grid)
        )
        about = load_cohort(cohort)
        sheet = contact_sheet(
            [
                SheetRow(name=chr(65 + i), pictures=[pictures[k] for k in row])
                for i, row in enumerate(grid)
            ],
            columns=[str(k + 1) for k in range(COLUMNS)],
            title="Which are real?",
            subtitle=f"Test slices of {cohort} and synthetic ones of the same masks, shuffled. "
            f"Model {model.card.name} {model.card.sha256[:8]}.",
            footnote=f"R real, S synthetic. {answers}. Real slices: {about.licence}.",
        )
        options.out.mkdir(parents=True, exist_ok=True)
        sheet.save(options.out / f"real_and_synthetic_{cohort}.png", optimize=True)
        print(f"{cohort}: {len(own)} real slices of {len(np.unique(own.patients))} patients")


if __name__ == "__main__":
    main()
