"""Is a heart as bright on one scanner as on another, and does the segmenter find it there?

    .venv/bin/python benchmarks/brightness.py acdc=ACDC/training chla=CHLA sunnybrook=Sunnybrook

Each way of normalising is tried on patients that are not held out for testing: of ACDC on the
validation patients, of the other cohorts, which the segmenter has never seen, on training patients
too. For each, the mean grey value of LV and MYO over patients (with its spread), the share of
pixels above 0.98, and the segmenter's Dice. "found": the window around the heart comes from the
segmenter's own first answer on percentiles, as where nobody drew a mask.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cmr_synth.anatomy.labels import LV, MYO, STRUCTURES, is_heart
from cmr_synth.cohorts.prepare import prepare
from cmr_synth.cohorts.preparing import Preparing
from cmr_synth.cohorts.registry import parse_sources
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.adherence.patients import patient_scores
from cmr_synth.evaluation.sample import Sample, joined, real_sample
from cmr_synth.imaging.normalise import AROUND_HEART, around_heart, heart_window
from cmr_synth.judges.segmenter import Segmenter

NORMALISATIONS = ("percentile", "percentile-2-98", AROUND_HEART)
TRAINED_ON = "acdc"


def main() -> None:
    """Print a table of every cohort under every normalisation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", metavar="NAME=PATH")
    options = parser.parse_args()
    segmenter = Segmenter.load()
    print("| cohort | normalisation | patients | LV | MYO | above 0.98 | Dice LV | MYO | RV |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, root in parse_sources(options.sources):
        for normalisation in NORMALISATIONS:
            sample = chosen(name, root, normalisation)
            line(name, normalisation, sample, segmenter)
            if normalisation == "percentile":
                found = _found(sample, segmenter.segment(sample.pixels))
                again = Sample(sample.name, found, sample.labels, sample.rows, sample.spacing)
        line(name, f"{AROUND_HEART}, found", again, segmenter)


def chosen(name: str, root: Path, normalisation: str) -> Sample:
    """Slices of one cohort as they were drawn, none of test patients."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "slices"
        for _ in prepare([(name, root)], out, choices=Preparing(normalisation=normalisation)):
            pass
        slices = open_slice_set(out)
        splits = ["validation"] if name == TRAINED_ON else ["validation", "train"]
        return joined([real_sample(slices, split) for split in splits], name=name)


def line(name: str, normalisation: str, sample: Sample, segmenter: Segmenter) -> None:
    """Print one line of the table."""
    grey = []
    for structure in (LV, MYO):
        means = [
            float(np.mean(sample.pixels[own][sample.labels[own] == structure]))
            for own in _patients(sample)
            if (sample.labels[own] == structure).any()
        ]
        grey.append(f"{np.mean(means):.2f} (sd {np.std(means):.2f})" if means else "-")
    scores = patient_scores(segmenter.segment(sample.pixels), sample)
    dice = []
    for structure in STRUCTURES:
        own = [s.dice for s in scores if s.structure == structure and s.level == "all"]
        dice.append(f"{np.mean(own):.3f}" if own else "-")
    bright = float((sample.pixels > 0.98).mean())
    patients = len(np.unique(sample.patients))
    cells = [name, normalisation, str(patients), *grey, f"{bright:.3f}", *dice]
    print("| " + " | ".join(cells) + " |", flush=True)


def _patients(sample: Sample) -> Iterator[np.ndarray]:
    for patient in np.unique(sample.patients):
        yield np.flatnonzero(sample.patients == patient)


def _found(sample: Sample, first: np.ndarray) -> np.ndarray:
    """Stacks normalised by percentiles, once more by the window around the heart that was found."""
    stacks = np.array([f"{row.cohort} {row.patient} {row.phase}" for row in sample.rows])
    pixels = np.empty_like(sample.pixels)
    for stack in np.unique(stacks):
        own = stacks == stack
        window = heart_window(is_heart(first[own]), (sample.spacing, sample.spacing))
        pixels[own] = around_heart(sample.pixels[own], window)
    return pixels


if __name__ == "__main__":
    main()
