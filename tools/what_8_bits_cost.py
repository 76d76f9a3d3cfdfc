"""What storing weights in 8 bits per channel changes, beside half precision.

    .venv/bin/python tools/what_8_bits_cost.py runs/ddpm runs/cvae --slices prepared

For every run: the same pictures of the validation patients with `weights.safetensors` and with
`weights-fp16.safetensors`; how far pixels are apart, and Frechet distance and adherence of both.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.held_out import SEED, counterparts, quality, real_slices
from cmr_synth.generators.registry import load_family
from cmr_synth.judges.segmenter import Segmenter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--slices", type=Path, required=True)
    options = parser.parse_args()

    slices = open_slice_set(options.slices)
    segmenter = Segmenter.load()
    index = slices.where(split="validation", cohorts=["acdc"])
    real, train = (real_slices(slices, split, ["acdc"]) for split in ("validation", "train"))
    for run in options.runs:
        family = json.loads((run / "config.json").read_text(encoding="utf-8"))["family"]
        made = {}
        with tempfile.TemporaryDirectory() as temporary:
            for name in ("weights-fp16.safetensors", "weights.safetensors"):
                shutil.copy(run / "config.json", temporary)
                shutil.copy(run / name, Path(temporary) / "weights.safetensors")
                generator = load_family(family).load(Path(temporary))
                pictures = counterparts(generator, slices, index, seed=SEED)
                made[name] = np.concatenate(list(pictures))
        half, eight = (quality(made[name], real, train, segmenter) for name in made)
        apart = np.abs(np.subtract(*made.values())).mean()
        adherence = max(abs(eight.adherence[k] - half.adherence[k]) for k in half.adherence)
        print(
            f"{run.name}: {len(index)} slices, pixels {apart:.4f} apart, Frechet distance "
            f"{half.frechet:.3f} in 16 and {eight.frechet:.3f} in 8 bits "
            f"({eight.frechet / half.frechet - 1:+.1%}), adherence at most {adherence:.4f} apart",
            flush=True,
        )


if __name__ == "__main__":
    main()
