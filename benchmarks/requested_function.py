"""Does a heart get the function that is asked for? On drawn hearts and on patients' masks.

    .venv/bin/python benchmarks/requested_function.py
    .venv/bin/python benchmarks/requested_function.py --masks ACDC/training

EF from 10 to 75 %: of every heart at ED a mask at ES is made; error in points. Then EDV, ESV, mass,
wall thickness and RV volumes, each by itself and all at once, at shares of what the heart has;
error in % of what was asked. Refused: a constraint binds, and the line says which.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cmr_synth.anatomy.dials import Heart
from cmr_synth.anatomy.requested import Function, reach
from cmr_synth.anatomy.template import SIZES, draw_stack
from cmr_synth.errors import InputError

SPACING = (8.0, 1.5, 1.5)
FRACTIONS = (0.10, 0.25, 0.40, 0.50, 0.60, 0.70, 0.75)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masks", type=Path, help="folder of ACDC; drawn hearts if not given")
    parser.add_argument("--hearts", type=int, default=9)
    options = parser.parse_args()
    found = drawn(options.hearts) if options.masks is None else acdc(options.masks, options.hearts)
    hearts = list(found)
    begin = time.perf_counter()
    print(f"{len(hearts)} hearts\n\n| EF asked % | n | error, median points | worst |")
    print("| --- | --- | --- | --- |")
    every = []
    for ef in FRACTIONS:
        errors = []
        for heart in hearts:
            measured = reach(heart, Function(ef=ef)).measured["ef"]
            errors.append(100 * abs(measured - ef))
        every += errors
        middle = statistics.median(errors)
        print(f"| {100 * ef:g} | {len(errors)} | {middle:.2f} | {max(errors):.2f} |")
    print(f"| all | {len(every)} | {statistics.median(every):.2f} | {max(every):.2f} |\n")
    print("| asked | n | error, median % | worst % | refused |")
    print("| --- | --- | --- | --- | --- |")
    own = [reach(heart, Function(ef=0.5)).measured for heart in hearts]
    for title, shares in {
        "LV EDV": {"edv_ml": 1.3},
        "LV ESV": {"esv_ml": 0.8},
        "LV mass": {"mass_g": 1.4},
        "wall thickness": {"wall_mm": 1.3},
        "RV EDV": {"rv_edv_ml": 1.3},
        "RV ESV": {"rv_esv_ml": 0.8},
        "all at once": {"edv_ml": 1.2, "esv_ml": 1.1, "mass_g": 1.2, "rv_edv_ml": 0.9},
    }.items():
        errors, refused = [], 0
        for heart, has in zip(hearts, own, strict=True):
            try:
                made = reach(heart, Function(**{n: s * has[n] for n, s in shares.items()}))
                errors.append(100 * max(abs(e) for e in made.errors.values()))
            except InputError as error:
                refused += 1
                print(f"  {error}")
        median = statistics.median(errors) if errors else float("nan")
        worst = max(errors, default=float("nan"))
        print(f"| {title} | {len(errors)} | {median:.2f} | {worst:.2f} | {refused} |")
    print(f"\n{time.perf_counter() - begin:.0f} s")


def drawn(count: int) -> Iterator[Heart]:
    """Hearts drawn in code, of every anatomy."""
    for number in range(count):
        anatomy = list(SIZES)[number % len(SIZES)]
        labels = draw_stack(seed=number, anatomy=anatomy, shape=(144, 144))
        yield Heart(labels, SPACING, name=f"{anatomy} {number}")


def acdc(folder: Path, count: int) -> Iterator[Heart]:
    """ED masks of patients spread over the folder."""
    from cmr_synth.imaging.masks import read_mask

    found = sorted(p for p in folder.glob("patient*") if p.is_dir())
    for patient in found[:: max(1, len(found) // count)][:count]:
        scan = read_mask(sorted(patient.glob("*_gt.nii.gz"))[0], convention="acdc").scan
        labels = np.pad(scan.array.astype(np.uint8), ((0, 0), (24, 24), (24, 24)))
        yield Heart(labels, scan.spacing, name=patient.name)


if __name__ == "__main__":
    main()
