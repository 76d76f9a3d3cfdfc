"""Fewer training patients of a slice set: what is kept, what is set aside, what stays held out."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.cohorts.fewer import SET_ASIDE, fewer_patients
from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.errors import InputError

DISEASES = ("dcm", "hcm", "normal")


@pytest.fixture
def slices():
    rows = [
        SliceRow(
            cohort=cohort,
            patient=f"p{patient:02}",
            split="train" if patient < 12 else "test",
            vendor="siemens",
            phase="ED",
            pathology=DISEASES[0] if patient < 8 else DISEASES[patient % 3],
            slice=k,
            z=k / 2,
            completed=False,
        )
        for cohort in ("one", "other")
        for patient in range(15)
        for k in range(3)
    ]
    blank = np.zeros((len(rows), 8, 8), np.uint8)
    return SliceSet(blank, blank, blank, tuple(rows), {"spacing_mm": 1.5})


def patients_of(slices, split="train"):
    return {(slices.rows[i].cohort, slices.rows[i].patient) for i in slices.where(split=split)}


def test_whole_patients_are_kept_and_held_out_ones_stay(slices):
    few = fewer_patients(slices, 5, cohorts=["one"])
    kept = patients_of(few)
    assert len(kept) == 5 and {cohort for cohort, _ in kept} == {"one"}
    assert len(few.where(split="train")) == 15
    assert patients_of(few, "test") == patients_of(slices, "test")
    assert patients_of(few, SET_ASIDE) == patients_of(slices) - kept
    assert len(few) == len(slices) and few.images is slices.images


def test_fewer_are_among_more_and_of_every_disease(slices):
    kept = {n: patients_of(fewer_patients(slices, n, cohorts=["one"])) for n in (3, 6, 12)}
    assert kept[3] < kept[6] < kept[12]
    few = fewer_patients(slices, 3, cohorts=["one"])
    assert {few.rows[i].pathology for i in few.where(split="train")} == set(DISEASES)
    other = patients_of(fewer_patients(slices, 6, cohorts=["one"], seed=1))
    assert other != kept[6]


@pytest.mark.parametrize("count", [0, 13])
def test_more_than_there_are_and_none_are_refused(slices, count):
    with pytest.raises(InputError, match=f"{count} training patients: the slice set has 12 of one"):
        fewer_patients(slices, count, cohorts=["one"])
