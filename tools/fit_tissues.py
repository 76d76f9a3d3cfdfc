"""Cluster what lies around the heart, for `CENTRES` of `cmr_synth.anatomy.surroundings`.

    .venv/bin/python tools/fit_tissues.py --slices prepared

Grey level and distance of pixels of the training patients, as many of every slice, by k-means.
Prints the centres, darkest first, and the share of pixels of each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.cluster.vq import kmeans2

from cmr_synth.anatomy.labels import BACKGROUND
from cmr_synth.anatomy.surroundings import MM_PER_GREY, TISSUES, grey_and_distance
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.sample import real_sample

PER_SLICE = 200
STARTS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--of", type=int, default=400, help="slices, drawn at random")
    options = parser.parse_args()

    real = real_sample(open_slice_set(options.slices), "train")
    draw = np.random.default_rng(0)
    seen = []
    for i in draw.choice(len(real), min(options.of, len(real)), replace=False):
        values = grey_and_distance(real.pixels[i], real.labels[i], real.spacing)
        around = values[real.labels[i] == BACKGROUND]
        seen.append(around[draw.choice(len(around), PER_SLICE)])
    points = np.concatenate(seen) / [1.0, MM_PER_GREY]
    runs = [kmeans2(points, len(TISSUES), seed=start, minit="++") for start in range(STARTS)]
    centres, of = min(runs, key=lambda run: ((points - run[0][run[1]]) ** 2).sum())
    for k in np.argsort(centres[:, 0]):
        grey, distance = centres[k] * [1.0, MM_PER_GREY]
        print(f"grey {grey:.2f}, {distance:.0f} mm from the heart: {np.mean(of == k):.0%}")


if __name__ == "__main__":
    main()
