"""Contrast x pathology: what judges say of a model that knows both, and of one that ignores one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.combination_judges import NO_HEART, ShapeJudge, middle_slices
from cmr_synth.evaluation.combinations import combinations_asked
from cmr_synth.generators.combinations import combinations_of
from cmr_synth.generators.interface import Images
from cmr_synth.generators.vocabulary import Vocabulary
from cmr_synth.reports.combinations import combinations_content

GREYS = {  # of background, LV, MYO and RV; no two alike, so that the segmenter below can tell them
    "cine": np.array([0.2, 0.9, 0.3, 0.8]),
    "lge": np.array([0.4, 0.6, 0.05, 0.5]),
}
ANATOMY = {"normal": "normal", "dcm": "dilated"}
CONTRASTS = {"cine": ("LV", "MYO", "RV"), "lge": ("LV", "MYO", "RV")}


class Segmenter:
    """Knows the grey levels of both contrasts."""

    hash = "0" * 64

    def segment(self, pictures):
        """The label of the nearest grey."""
        levels = np.concatenate(list(GREYS.values()))
        nearest = np.abs(pictures[..., None] - levels).argmin(axis=-1)
        return (nearest % 4).astype(np.uint8)


class Painter:
    """Paints masks, or hearts that the pathology tells of, in the greys of the contrast."""

    takes = frozenset({"mask", "vendor", "pathology", "contrast", "z"})
    shape = (128, 128)
    config = Vocabulary(contrasts=CONTRASTS, pathologies=("normal", "dcm"))

    def __init__(self, always: str | None = None):
        self.always = always

    def sample(self, conditions, *, seed, indices, steps=None):
        """One picture a condition."""
        made = []
        for condition, index in zip(conditions, indices, strict=True):
            labels = condition.mask
            if labels is None:
                labels = draw_slice(anatomy=ANATOMY[condition.pathology], seed=seed + index)
            made.append(painted(labels, self.always or condition.contrast, index))
        yield Images(np.stack(made))


def painted(labels, contrast, seed):
    grain = np.random.default_rng(seed).normal(0, 0.004, labels.shape)
    return (GREYS[contrast][labels] + grain).clip(0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def slices():
    """Normal hearts in both contrasts, dilated ones in cine alone; two slices each."""
    images, labels, rows = [], [], []
    for person in range(24):
        contrast = "lge" if person % 3 == 0 else "cine"
        pathology = "dcm" if person % 3 == 1 else "normal"
        for k in range(2):
            drawn = draw_slice(shape=(160, 160), anatomy=ANATOMY[pathology], seed=10 * person + k)
            labels.append(drawn)
            images.append(np.rint(255 * painted(drawn, contrast, person)).astype(np.uint8))
            rows.append(
                SliceRow(
                    cohort="drawn",
                    patient=f"p{person}",
                    split="test" if person >= 15 else "train",
                    vendor="siemens",
                    phase="" if contrast == "lge" else "ED",
                    pathology=pathology,
                    slice=k,
                    z=0.4 + 0.1 * k,
                    completed=False,
                    contrast=contrast,
                )  # fmt: skip
            )
    labels = np.stack(labels)
    about = {"spacing_mm": 1.5}
    return SliceSet(np.stack(images), labels, np.ones_like(labels), tuple(rows), about)


@pytest.fixture(scope="module")
def card(slices):
    """The part of a card that is read."""
    rows = [row for row in slices.rows if row.split == "train"]
    return SimpleNamespace(
        name="painter",
        conditions=SimpleNamespace(
            contrast="cine", contrasts=("cine", "lge"), pathologies=("normal", "dcm"), vendors=()
        ),
        training=SimpleNamespace(combinations=combinations_of(rows)),
    )


def answers(generator, card, slices, **more):
    *_, found = combinations_asked(
        generator, card, slices, pictures=6, segmenter=Segmenter(), **more
    )
    return found


@pytest.fixture(scope="module")
def told(card, slices):
    return answers(Painter(), card, slices)


def test_what_training_had_is_counted_and_what_it_had_not_is_said(told, card):
    seen = {(one.contrast, one.pathology): one.seen for one in told.on_masks}
    assert seen == {
        ("cine", "normal"): 5, ("cine", "dcm"): 5, ("lge", "normal"): 5, ("lge", "dcm"): 0
    }  # fmt: skip
    content = combinations_content(
        {"painter": (card, told)}, split="test", seed=0, segmenter=Segmenter.hash
    )
    assert content.data["never_seen_in_training"] == ["lge x dcm"]
    assert any("lge x dcm: never seen in training" in line for line in content.remarks)
    for table in content.tables[1:3]:
        (row,) = (row for row in table.rows if row[:2] == ["lge", "dcm"])
        assert "never seen in training" in row


def test_a_model_that_knows_both_is_told_by_every_judge(told):
    for one in (*told.on_masks, *told.from_words, *told.real):
        assert one.told_contrast[0] == 1 and one.told_pathology[0] >= 0.8
    for one in (*told.on_masks, *told.real):
        assert one.patients == 3 * (1 + (one.pathology == "normal" and one in told.on_masks))
        assert one.dice[0] > 0.95
    assert all(np.isnan(one.dice[0]) and not one.patients for one in told.from_words)


def test_a_model_that_ignores_the_contrast_is_found_out(card, slices):
    found = answers(Painter(always="cine"), card, slices, asked=[("lge", "dcm"), ("cine", "dcm")])
    for lge, cine in (found.on_masks, found.from_words):
        assert lge.told_contrast[0] == 0 and cine.told_contrast[0] == 1
        assert lge.told_pathology[0] >= 0.8


def test_what_the_model_does_not_know_is_refused(card, slices):
    with pytest.raises(InputError, match="contrast 't2'.*knows cine, lge"):
        answers(Painter(), card, slices, asked=[("t2", "dcm")])
    with pytest.raises(InputError, match="pathology 'hcm'.*knows normal, dcm"):
        answers(Painter(), card, slices, asked=[("lge", "hcm")])
    one = Painter()
    one.config = Vocabulary()
    with pytest.raises(InputError, match="makes cine alone.*latent-contrasts"):
        answers(one, card, slices)
    of_cine = SliceSet(
        slices.images, slices.labels, slices.covered,
        tuple(SliceRow(**{**vars(row), "contrast": "cine"}) for row in slices.rows), slices.about,
    )  # fmt: skip
    with pytest.raises(InputError, match="0 training patients of the contrast 'lge'"):
        answers(Painter(), card, of_cine)


def test_a_slice_without_wall_or_cavity_has_no_pathology(slices):
    judge = ShapeJudge(slices, ("cine", "lge"))
    heart = draw_slice()
    without = [np.where(heart == gone, 0, heart) for gone in (LV, MYO)]
    found = judge.pathology_of(np.stack([*without, np.where(heart == RV, 0, heart)]))
    assert list(found[:2]) == [NO_HEART] * 2 and found[2] in ("normal", "dcm")


def test_hearts_are_compared_near_the_middle_and_in_diastole(slices):
    rows = list(slices.rows)
    rows[0] = SliceRow(**{**vars(rows[0]), "phase": "ES"})
    rows[1] = SliceRow(**{**vars(rows[1]), "z": 0.95})
    changed = SliceSet(slices.images, slices.labels, slices.covered, tuple(rows), slices.about)
    index = middle_slices(changed, "train", ("cine", "lge"))
    assert set(index) == set(range(2, 30))
    assert len(middle_slices(changed, "train", ("lge",), per_person=1)) == 4
