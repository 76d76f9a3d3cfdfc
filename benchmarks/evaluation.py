"""What the distribution metrics cost: 1,000 slices against 1,000, on the bundled encoder.

    .venv/bin/python benchmarks/evaluation.py [--repeats 3]

Seconds and the peak memory of the process, for all metrics with floors and intervals of 100
patients. The pictures are smooth noise: what they show changes nothing about the cost.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.evaluation.realism.fidelity import fidelity
from cmr_synth.evaluation.realism.spaces import open_space
from cmr_synth.evaluation.sample import Sample

SLICES, EACH = 1000, 10


def main() -> None:
    """Print seconds with their range, and the peak memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    held_out, synthetic, other = (_sample(name, k) for k, name in enumerate("hso"))
    seconds = []
    for _ in range(repeats):
        since = time.perf_counter()
        found = fidelity(synthetic, held_out, other, open_space("encoder"))
        seconds.append(time.perf_counter() - since)
        assert "frechet" in found.estimates
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"{SLICES} x {SLICES} slices, all distribution metrics, {torch.get_num_threads()} threads: "
        f"{statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f}, "
        f"n = {repeats}), peak {peak:.2f} GiB"
    )


def _sample(name: str, seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    pixels = gaussian_filter(rng.random((SLICES, 128, 128), dtype=np.float32), (0, 2, 2))
    rows = tuple(
        SliceRow(
            cohort="noise",
            patient=f"{name}{k // EACH}",
            split="test",
            vendor="",
            phase="",
            pathology="",
            slice=k % EACH,
            z=(k % EACH) / EACH,
            completed=False,
        )
        for k in range(SLICES)
    )
    return Sample(name, pixels, np.ones(pixels.shape, np.uint8), rows, 1.5)


if __name__ == "__main__":
    main()
