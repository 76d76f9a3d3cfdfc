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
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _slices import find_slices

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.candidates import Candidate, counterparts_by
from cmr_synth.evaluation.counterparts import counterparts
from cmr_synth.evaluation.protocol import Protocol
from cmr_synth.evaluation.realism.spaces import open_space
from cmr_synth.evaluation.realism.variety import pairwise_ms_ssim
from cmr_synth.evaluation.sample import Sample
from cmr_synth.evaluation.setting import SEED, Setting
from cmr_synth.files import write_file
from cmr_synth.generators.zoo import load


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
    setting = Setting(slices=open_slice_set(folder), split=options.split, cohorts=["acdc"])
    space = open_space("encoder")
    protocol = Protocol(setting=setting, spaces=[space], without=["two_sample_auc"])
    model = load(options.model)
    real = setting.held_out
    print(
        f"{options.model} {model.card.sha256[:12]}, {space.name} {space.hash[:12]}, segmenter "
        f"{protocol.segmenter.hash[:12]}: {len(real)} slices of {len(np.unique(real.patients))} "
        f"{options.split} patients"
    )
    beside = _last(protocol.adherence([Candidate("real", None, real, paired=True)])).adherence
    print(
        "real Dice "
        + ", ".join(
            f"{k} {one.scores['dice'].synthetic:.3f} [{one.scores['dice'].low:.3f}, "
            f"{one.scores['dice'].high:.3f}]"
            for k, one in beside.overall().items()
        )
    )
    report: dict = {"model": model.card.sha256, "real": beside.as_dict(), "steps": {}}
    for steps in options.steps or [model.card.default_steps]:
        asked = replace(setting, steps=steps)
        one = _last(counterparts_by(options.model, model, None, asked))
        near, seen = _last(protocol.fidelity([one])), _last(protocol.adherence([one]))
        report["steps"][steps] = near.as_dict() | seen.as_dict()
        found = near.spaces[0].estimates
        kernel, distance = found["kernel"], found.get("frechet")
        print(
            f"{steps or 0:3d} steps: Dice "
            + ", ".join(
                f"{k} {s.scores['dice'].synthetic:.3f} (x{s.scores['dice'].ratio:.3f})"
                for k, s in seen.adherence.overall().items()
            )
            + (
                f"; kernel distance {kernel.value:.3f}, floor {kernel.floor:.3f}"
                if distance is None
                else f"; Frechet {distance.value:.2f}, floor {distance.floor:.2f} "
                f"[{distance.floor_low:.2f}, {distance.floor_high:.2f}], ratio "
                f"{found['frechet_ratio'].value:.2f}"
            ),
            flush=True,
        )
    report["variety"] = variety(model.generator, real)
    for line, value in report["variety"].items():
        print(f"MS-SSIM, {line}: {value:.3f}")
    if options.json:
        with write_file(options.json) as path:
            path.write_text(json.dumps(report, indent=2) + "\n")


def variety(generator: Any, real: Sample) -> dict[str, float]:
    """Mean pairwise MS-SSIM of one mask's pictures, and of real patients at the same level."""
    middle = [i for i, r in enumerate(real.rows) if r.phase == "ED" and 0.35 < r.z < 0.65]
    one_each = list({real.patients[i]: i for i in middle}.values())
    others = real.pixels[one_each]
    seeds, vendors = [], []
    for chosen in one_each[::4]:
        many = np.concatenate(list(counterparts(generator, real, [chosen] * 8, seed=SEED)))
        seeds.append(pairwise_ms_ssim(many).mean())
        styles = [
            np.concatenate(list(counterparts(generator, real, [chosen], seed=SEED, vendor=vendor)))
            for vendor in generator.config.vendors
        ]
        vendors.append(pairwise_ms_ssim(np.concatenate(styles)).mean())
    return {
        "one mask, different seeds": float(np.mean(seeds)),
        "one mask and seed, different vendors": float(np.mean(vendors)),
        "different real patients, same level": float(pairwise_ms_ssim(others).mean()),
    }


def _last(events: Iterable[Any]) -> Any:
    *_, found = events
    return found


if __name__ == "__main__":
    main()
