"""Measure what `find-heart` reaches with the bundled segmenter on unseen patients, by vendor.

.venv/bin/python tools/measure_segmenter.py acdc=DATA/acdc/training chla=DATA/chla_chd \
    sunnybrook=DATA/sunnybrook_full

Of the cohorts that the segmenter's card names as its training, the test patients are taken; of
others, all patients. The whole stack is given to `find_heart`, which looks for the heart itself;
where it finds none, Dice is 0. Slices count on which something was drawn by hand; what the cohort
leaves unlabelled (the wall of CHLA, the RV of Sunnybrook) is left out.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.cohorts.examination import CINE, Examination
from cmr_synth.cohorts.reading import read_cohort
from cmr_synth.cohorts.registry import load_cohort, parse_sources
from cmr_synth.cohorts.splits import split_patients
from cmr_synth.errors import InputError
from cmr_synth.evaluation.adherence.dice import dice_by_patient
from cmr_synth.evaluation.resampling import mean_interval
from cmr_synth.files import write_file
from cmr_synth.generators.zoo import card_of
from cmr_synth.imaging.scan import Scan
from cmr_synth.judges.find_heart import Found, find_heart
from cmr_synth.judges.known_dice import FILE
from cmr_synth.judges.segmenter import BUNDLED, Segmenter


def main() -> None:
    """Write `data/segmenter_dice.json` of the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", metavar="NAME=PATH")
    segmenter = Segmenter.load()
    trained_on = {cohort.name for cohort in card_of(BUNDLED).training.cohorts}
    vendors: dict[str, dict[str, object]] = {}
    for name, root in parse_sources(parser.parse_args().sources):
        exams = [e for e in read_cohort(name, root, []) if e.contrast == CINE and e.vendor]
        if name in trained_on:
            cohort = load_cohort(name)
            sides = split_patients(
                {e.patient: e.pathology for e in exams},
                settled=cohort.settled,
                same_person=cohort.same_person,
            )
            exams = [e for e in exams if sides[e.patient] == "test"]
        for vendor in sorted({str(e.vendor) for e in exams}):
            ours = [e for e in exams if e.vendor == vendor]
            vendors[vendor] = {"cohort": name} | measured(ours, segmenter)
            print(vendor, json.dumps(vendors[vendor]), file=sys.stderr)
    facts = {"vendors": vendors, "segmenter_sha256": segmenter.hash}
    with write_file(FILE) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def measured(exams: list[Examination], segmenter: Segmenter) -> dict[str, object]:
    """Dice by structure with its interval over patients."""
    scores: dict[str, list[float]] = {}
    slices = 0
    for patient in sorted({e.patient for e in exams}):
        found, truth = [], []
        for exam in (e for e in exams if e.patient == patient):
            found.append(found_in(exam, segmenter)[exam.labelled].ravel())
            truth.append(exam.labels[exam.labelled].ravel())
            slices += int(exam.labelled.sum())
        pooled = dice_by_patient(
            np.concatenate(found)[None, None], np.concatenate(truth)[None, None], np.zeros(1)
        )
        for structure, label in STRUCTURES.items():
            if any((some == label).any() for some in truth):  # else nobody drew it
                scores.setdefault(structure, []).append(float(pooled[structure][0]))
    dice = {}
    for structure, values in scores.items():
        low, high = mean_interval(np.array(values))
        dice[structure] = [round(float(x), 3) for x in (np.mean(values), low, high)]
    return {"patients": len({e.patient for e in exams}), "slices": slices, "dice": dice}


def found_in(exam: Examination, segmenter: Segmenter) -> np.ndarray:
    """Labels found in the stack, (z, y, x)."""
    z, y, x = exam.spacing
    scan = Scan(
        array=exam.image,
        spacing=exam.spacing,
        affine=np.diag([-x, -y, z, 1.0]),  # as the cohort hands stacks over: radiological display
        name=exam.patient,
    )
    try:
        return np.asarray(
            next(s.mask.array for s in find_heart(scan, segmenter) if isinstance(s, Found))
        )
    except InputError as error:
        print(error, file=sys.stderr)
        return np.zeros(exam.labels.shape, np.uint8)


if __name__ == "__main__":
    main()
