"""Measure what the bundled segmenter reaches on real slices, by level; ships percentiles only.

.venv/bin/python tools/measure_real_reach.py --slices prepared-raw

The slice set is one of `cohort prepare --no-complete`: what a segmenter completed is no truth to
hold it to. Test patients stay out, as do those that the segmenter was trained on, and cohorts in
which not every structure is drawn: there a segmenter finds what nobody drew.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.files import write_file
from cmr_synth.imaging.positions import LEVELS, level_of
from cmr_synth.judges.reach import ALL, FILE, slice_dice
from cmr_synth.judges.segmenter import Segmenter

SHARE = 5.0  # percent of real slices below the bound


def main() -> None:
    """Write `data/real_reach.json` of the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path, required=True)
    slices = open_slice_set(parser.parse_args().slices)
    segmenter = Segmenter.load()
    chosen = slices.where(split="validation", cohorts=["acdc"])
    scores: dict[str, dict[str, list[float]]] = {
        level: {name: [] for name in STRUCTURES} for level in (ALL, *LEVELS)
    }
    for i in chosen:
        pixels, labels = slices.crop(np.array([i]))
        found = segmenter.segment(pixels)[0]
        level = level_of(slices.rows[i].z)
        for name, dice in slice_dice(found, labels[0]).items():
            scores[ALL][name].append(dice)
            scores[level][name].append(dice)
    patients = {(slices.rows[i].cohort, slices.rows[i].patient) for i in chosen}
    facts = {
        "bounds": {
            level: {name: round(float(np.percentile(v, SHARE)), 3) for name, v in by_name.items()}
            for level, by_name in scores.items()
        },
        "segmenter_sha256": segmenter.hash,
        "patients": len(patients),
        "slices": len(chosen),
    }
    with write_file(FILE) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(facts, indent=2))
    print({level: {n: len(v) for n, v in by.items()} for level, by in scores.items()})


if __name__ == "__main__":
    main()
