"""Adherence and anatomy of samples with known errors."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from cmr_synth.anatomy.labels import INFARCT, LV, MYO, NO_REFLOW, RV, UNLABELLED
from cmr_synth.evaluation.adherence.anatomy import VOLUMES, anatomy, volumes_of
from cmr_synth.evaluation.adherence.strata import structure_adherence

from ..conftest import drawn_sample


@pytest.fixture(scope="module")
def sample():
    return drawn_sample(6, 6)


def test_perfect_pictures_are_as_good_as_reality(sample):
    found = structure_adherence(sample, sample.labels, sample, sample.labels, segmenter="0" * 64)
    for one in found.overall().values():
        assert one.scores["dice"].ratio == 1 and one.scores["hd95"].synthetic == 0
        assert one.missed == one.real_missed == 0 and one.patients == 6
    assert {s.value for s in found.strata if s.by == "level"} == {"basal", "mid", "apical"}
    assert {s.value for s in found.strata if s.by == "vendor"} == {"siemens", "ge"}
    assert json.dumps(found.as_dict())


def test_a_missed_structure_counts_as_missed_and_never_drops_out(sample):
    found = np.where(sample.labels == RV, 0, sample.labels).astype(np.uint8)
    scores = structure_adherence(sample, found, sample, sample.labels, segmenter="")
    rv = scores.overall()["RV"]
    assert rv.scores["dice"].synthetic == 0 and rv.scores["surface_dice"].synthetic == 0
    assert rv.missed == (sample.labels == RV).any(axis=(1, 2)).sum() and rv.real_missed == 0
    assert np.isnan(rv.scores["hd95"].synthetic)
    assert scores.overall()["LV"].scores["dice"].ratio == 1


def test_scar_is_scored_where_the_wall_was_drawn(sample):
    labels = sample.labels.copy()
    wall = labels == MYO
    scar = wall & (np.arange(128)[:, None] < 64)
    core = scar & (np.arange(128)[None] < 64)
    labels[scar], labels[core] = INFARCT, NO_REFLOW
    labels[labels == RV] = 0
    labels[labels == 0] = UNLABELLED  # as where nobody drew an RV
    healthy = sample.patients == sample.patients[0]
    labels[healthy] = np.where(wall[healthy], MYO, labels[healthy])
    lge = replace(sample, labels=labels)
    structures = ("LV", "MYO", "infarct", "no-reflow")
    blind = np.where(np.isin(labels, (INFARCT, NO_REFLOW)), MYO, labels).astype(np.uint8)
    same, missed = (
        structure_adherence(lge, found, lge, labels, segmenter="", structures=structures).overall()
        for found in (labels, blind)
    )
    assert set(same) == set(structures)
    assert all(one.scores["dice"].synthetic == 1 for one in same.values())
    # who has no scar has no Dice of it; the wall is whole whether it is scarred or not
    assert same["infarct"].patients == 5 and same["MYO"].patients == 6
    assert missed["MYO"].scores["dice"].synthetic == 1
    assert missed["infarct"].scores["dice"].synthetic == 0
    # the infarct is counted with the no-reflow in it
    swapped = np.where(labels == NO_REFLOW, INFARCT, labels).astype(np.uint8)
    found = structure_adherence(lge, swapped, lge, labels, segmenter="", structures=structures)
    assert found.overall()["infarct"].scores["dice"].synthetic == 1
    assert found.overall()["no-reflow"].scores["dice"].synthetic == 0
    # scar that is made up in somebody healthy counts against it
    made_up = np.where(labels == MYO, INFARCT, labels).astype(np.uint8)
    found = structure_adherence(lge, made_up, lge, labels, segmenter="", structures=structures)
    assert found.overall()["infarct"].patients == 6


def test_a_shift_has_its_distance_in_mm(sample):
    found = ndimage.shift(sample.labels, (0, 2, 0), order=0)
    lv = structure_adherence(sample, found, sample, sample.labels, segmenter="").overall()["LV"]
    assert lv.scores["hd"].synthetic == pytest.approx(3.0, abs=0.3)  # 2 pixels of 1.5 mm
    assert 0 < lv.scores["asd"].synthetic < 3
    assert lv.scores["hd95_directed"].synthetic >= lv.scores["hd95"].synthetic
    assert lv.scores["dice"].ratio_low <= lv.scores["dice"].ratio <= lv.scores["dice"].ratio_high


def test_anatomy_of_equal_populations_has_no_effect_and_of_smaller_hearts_has_one(sample):
    same = anatomy(sample, sample.labels, sample, sample.labels)
    assert same and all(one.difference.effect == 0 for one in same)
    core = ndimage.binary_erosion(sample.labels == LV, np.ones((1, 3, 3)), iterations=2)
    smaller = np.where((sample.labels == LV) & ~core, 0, sample.labels).astype(np.uint8)
    by_name = {one.name: one for one in anatomy(sample, smaller, sample, sample.labels)}
    assert by_name["lv_area"].difference.effect < -0.5
    assert by_name["rv_area"].difference.effect == 0


def test_volumes_need_both_phases_and_the_distance_between_slices(sample):
    unknown = volumes_of(sample, sample.labels)
    assert all(np.isnan(v) for one in unknown.values() for v in one.values())
    rows = tuple(replace(row, between_mm=10.0) for row in sample.rows)
    known = volumes_of(replace(sample, rows=rows), sample.labels)
    for patient, figures in known.items():
        own = sample.patients == patient
        ed = own & np.array([row.phase == "ED" for row in rows])
        millilitres = (sample.labels[ed] == LV).sum() * 1.5**2 * 10 / 1000
        assert figures["lv_edv"] == pytest.approx(millilitres)
        edv, esv = figures["lv_edv"], figures["lv_esv"]
        assert figures["lv_ef"] == pytest.approx(100 * (edv - esv) / edv)
        assert set(figures) == set(VOLUMES)
