"""Do the feature spaces of the Frechet distance see damage? Real against damaged real images.

    .venv/bin/python benchmarks/features.py [--slices prepared]

ACDC training patients stand against ACDC test patients, undamaged (the floor) and blurred, noisy,
dimmed, ghosted, striped or squeezed. A useful feature space moves well above a ratio of 1.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _slices import find_slices

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.realism.sensitivity import sensitivity
from cmr_synth.evaluation.realism.spaces import BUILT_IN, open_space
from cmr_synth.evaluation.sample import real_sample


def main() -> None:
    """Print the ratio to the floor for each kind of damage and each space."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path)
    parser.add_argument("--space", action="append", help="by default all that are bundled")
    options = parser.parse_args()
    folder = options.slices or find_slices()
    if folder is None:
        print("no patient data: set CMR_SYNTH_DATA to the folder that holds acdc/training.")
        return
    slices = open_slice_set(folder)
    held_out, other = (real_sample(slices, split, ["acdc"]) for split in ("test", "train"))
    for name in options.space or BUILT_IN:
        space = open_space(name)
        floor, ratios = sensitivity(space, held_out, other)
        print(f"{space.name} {space.hash[:12]}, {len(held_out)} slices a side, floor {floor:.4f}")
        for damage, ratio in ratios.items():
            print(f"  {damage}: ratio to the floor {ratio:.2f}")


if __name__ == "__main__":
    main()
