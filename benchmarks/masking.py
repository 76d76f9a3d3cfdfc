"""From reconstruction to generation: a model of masked tokens by the share that is hidden from it.

.venv/bin/python benchmarks/masking.py runs/maskgit --slices prepared
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.masking import by_share
from cmr_synth.evaluation.sample import real_sample
from cmr_synth.generators import zoo


def main() -> None:
    """Print a table by share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="of the family maskgit")
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    model = zoo.load(options.model)
    real = real_sample(open_slice_set(options.slices), options.split)
    *_, found = by_share(model.generator, real)
    print(f"{len(real)} {options.split} slices of {len(set(real.persons))} people\n")
    print("| hidden | PSNR dB | SSIM | Frechet distance |")
    print("| --- | --- | --- | --- |")
    for one in found:
        means = (f"{m.mean:.3g} [{m.low:.3g}, {m.high:.3g}]" for m in (one.psnr_db, one.ssim))
        print(f"| {one.share:.0%} | {' | '.join(means)} | {one.frechet:.3g} |")


if __name__ == "__main__":
    main()
