"""Adherence, realism and variety of a model on ACDC patients that it never saw.

    .venv/bin/python benchmarks/quality.py [--slices prepared] [--model flow] [--steps 2 4 8 16]

`--slices` is a folder made by `cmr-synth cohort prepare` with its default seed, whose test
patients no bundled model was trained with. Without it one is found, or made from the ACDC data
in the folder named by CMR_SYNTH_DATA; where there are none, one line says so and nothing is
measured. Prints one line for every number of steps, and with `--json FILE` writes all figures.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from _slices import find_slices

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.held_out import SEED, counterparts, measure
from cmr_synth.evaluation.realism.variety import pairwise_ms_ssim
from cmr_synth.files import write_file
from cmr_synth.generators.zoo import load
from cmr_synth.judges.segmenter import Segmenter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path)
    parser.add_argument("--model", default="flow")
    parser.add_argument("--steps", type=int, nargs="*")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--split", default="test", choices=("test", "validation"))
    options = parser.parse_args()

    folder = options.slices or find_slices()
    if folder is None:
        print(
            "no patient data, so quality is not measured; set CMR_SYNTH_DATA to the folder that "
            "holds acdc/training, or give --slices."
        )
        return
    slices = open_slice_set(folder)
    segmenter = Segmenter.load()
    model = load(options.model)
    index = slices.where(split=options.split, cohorts=["acdc"])
    patients = {slices.rows[i].patient for i in index}
    print(
        f"{options.model} {model.card.sha256[:12]}, segmenter {segmenter.hash[:12]}: "
        f"{len(index)} slices of {len(patients)} {options.split} patients"
    )
    report: dict = {"model": model.card.sha256, "segmenter": segmenter.hash, "steps": {}}
    for steps in options.steps or [model.card.default_steps]:
        found = measure(model.generator, slices, segmenter, split=options.split, steps=steps)
        report["steps"][steps] = asdict(found)
        if "shown" not in report:
            report["shown"] = True
            print(
                "real Dice "
                + ", ".join(
                    f"{k} {m:.3f} [{lo:.3f}, {hi:.3f}]"
                    for k, (m, lo, hi) in found.dice_real.items()
                )
            )
        print(
            f"{steps:3d} steps: Dice "
            + ", ".join(
                f"{k} {found.dice_synthetic[k][0]:.3f} (x{found.adherence[k]:.3f})"
                for k in found.adherence
            )
            + f"; Frechet {found.frechet:.2f}, floor {found.floor[0]:.2f} +- {found.floor[1]:.2f}, "
            f"ratio {found.ratio:.2f}",
            flush=True,
        )
    report["variety"] = variety(model.generator, slices, index)
    for line, value in report["variety"].items():
        print(f"MS-SSIM, {line}: {value:.3f}")
    if options.json:
        del report["shown"]
        with write_file(options.json) as path:
            path.write_text(json.dumps(report, indent=2) + "\n")


def variety(generator, slices, index) -> dict[str, float]:
    """Mean pairwise MS-SSIM of one mask's pictures, and of real patients at the same level."""
    rows = [slices.rows[i] for i in index]
    middle = [i for i, r in zip(index, rows, strict=True) if r.phase == "ED" and 0.35 < r.z < 0.65]
    one_each = list({slices.rows[i].patient: i for i in middle}.values())
    real, _ = slices.crop(np.array(one_each))
    seeds, vendors = [], []
    for chosen in one_each[::4]:
        repeated = np.full(8, chosen)
        many = np.concatenate(list(counterparts(generator, slices, repeated, seed=SEED)))
        seeds.append(pairwise_ms_ssim(many).mean())
        styles = [
            np.concatenate(
                list(counterparts(generator, slices, np.array([chosen]), seed=SEED, vendor=vendor))
            )[0]
            for vendor in generator.config.vendors
        ]
        vendors.append(pairwise_ms_ssim(np.stack(styles)).mean())
    return {
        "one mask, different seeds": float(np.mean(seeds)),
        "one mask and seed, different vendors": float(np.mean(vendors)),
        "different real patients, same level": float(pairwise_ms_ssim(real).mean()),
    }


if __name__ == "__main__":
    main()
