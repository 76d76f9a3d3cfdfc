"""Can a picture tell a person's covariate, and do changed pictures tell the one asked for.

.venv/bin/python benchmarks/covariates.py [runs/bmi] --slices prepared --split validation
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.covariates import covariate_told
from cmr_synth.generators.covariate_gan.changer import CovariateChanger


def main() -> None:
    """Print a row for each covariate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", help="of the family covariate-gan")
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--covariate", nargs="+", default=["bmi"], help="without a model")
    options = parser.parse_args()
    changer = CovariateChanger.load(options.model) if options.model else None
    names = [one.name for one in changer.config.covariates] if changer else options.covariate
    slices = open_slice_set(options.slices)
    print("| covariate | trained on | asked | error | of the mean | rank | of the change, told |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        one = covariate_told(slices, name, split=options.split, changer=changer)
        cells = [one.error, one.error_of_mean, one.rank, *([one.changed] if one.changed else [])]
        words = " | ".join(f"{value:.2f} [{low:.2f}, {high:.2f}]" for value, low, high in cells)
        print(f"| {name} | {one.trained_on} | {one.patients} | {words}{'' if changer else ' | '} |")


if __name__ == "__main__":
    main()
