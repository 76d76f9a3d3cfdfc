"""Does the feature space of the Frechet distance see damage? Real against damaged real images.

    .venv/bin/python benchmarks/features.py [--slices prepared]

Two disjoint groups of real ACDC training patients give the floor; the second group is then
blurred, made noisy or dimmed. A useful feature space moves well above a ratio of 1.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from _slices import find_slices
from scipy.ndimage import gaussian_filter

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.frechet import frechet_distance
from cmr_synth.evaluation.held_out import real_slices
from cmr_synth.segmenter.model import Segmenter


def main() -> None:
    """Print the ratio to the floor for each kind of damage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path)
    folder = parser.parse_args().slices or find_slices()
    if folder is None:
        print("no patient data: set CMR_SYNTH_DATA to the folder that holds acdc/training.")
        return
    real = real_slices(open_slice_set(folder), "train", ["acdc"])
    rng = np.random.default_rng(0)
    patients = rng.permutation(np.unique(real.patients))
    half = len(patients) // 2
    first, second = (
        real.pixels[np.isin(real.patients, group)] for group in (patients[:half], patients[half:])
    )
    count = min(len(first), len(second), 391)
    first, second = first[:count], second[:count]
    segmenter = Segmenter.load()
    reference = segmenter.features(first)
    floor = frechet_distance(reference, segmenter.features(second))
    print(f"segmenter {segmenter.hash[:12]}, {count} slices a side, floor {floor:.4f}")
    noise = 0.05 * rng.standard_normal(second.shape)
    damaged = {
        "blur, sigma 0.6 px": np.stack([gaussian_filter(x, 0.6) for x in second]),
        "blur, sigma 1 px": np.stack([gaussian_filter(x, 1.0) for x in second]),
        "noise, sd 0.05": np.clip(second + noise, 0, 1),
        "dimmed to 0.7": 0.7 * second,
    }
    for name, pixels in damaged.items():
        distance = frechet_distance(reference, segmenter.features(pixels.astype(np.float32)))
        print(f"{name}: ratio to the floor {distance / floor:.2f}")


if __name__ == "__main__":
    main()
