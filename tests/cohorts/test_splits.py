"""Splits: every patient once, shares as asked, pathologies balanced, the seed decides."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmr_synth.cohorts.splits import SPLITS, split_patients
from cmr_synth.errors import InputError

patients = st.integers(1, 80).flatmap(
    lambda n: st.lists(st.sampled_from(["dcm", "hcm", "normal", None]), min_size=n, max_size=n).map(
        lambda groups: {f"p{i:03d}": group for i, group in enumerate(groups)}
    )
)


@settings(max_examples=50, deadline=None)
@given(pathology_of=patients, seed=st.integers(0, 5))
def test_every_patient_has_one_split(pathology_of, seed):
    split = split_patients(pathology_of, seed=seed)
    assert split.keys() == pathology_of.keys()
    assert set(split.values()) <= set(SPLITS)
    assert "train" in split.values()


@settings(max_examples=50, deadline=None)
@given(pathology_of=patients, test=st.floats(0, 0.3), validation=st.floats(0, 0.3))
def test_shares_are_rounded_to_whole_patients(pathology_of, test, validation):
    counts = Counter(split_patients(pathology_of, test=test, validation=validation).values())
    n = len(pathology_of)
    left = n
    for name, share in (("test", test), ("validation", validation)):
        at_least = 1 if share > 0 and n >= 3 else 0
        assert counts[name] == min(max(round(share * n), at_least), left - 1)
        left -= counts[name]


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize(("test", "validation"), [(0.9, 0.05), (0.05, 0.9), (0.49, 0.49)])
def test_somebody_is_left_to_train_with(n, test, validation):
    split = split_patients(dict.fromkeys("abcde"[:n]), test=test, validation=validation)
    assert len(split) == n and "train" in split.values()


@settings(max_examples=50, deadline=None)
@given(pathology_of=patients, seed=st.integers(0, 5))
def test_every_pathology_has_its_share_of_the_test_patients(pathology_of, seed):
    split = split_patients(pathology_of, seed=seed)
    tested = [p for p in split if split[p] == "test"]
    for group, size in Counter(pathology_of.values()).items():
        fair = size * len(tested) / len(pathology_of)
        assert abs(sum(pathology_of[p] == group for p in tested) - fair) <= 1


@settings(max_examples=20, deadline=None)
@given(pathology_of=patients, seed=st.integers(0, 5))
def test_the_order_of_reading_does_not_matter(pathology_of, seed):
    backwards = dict(reversed(pathology_of.items()))
    assert split_patients(pathology_of, seed=seed) == split_patients(backwards, seed=seed)


def test_the_seed_decides():
    pathology_of = dict.fromkeys((f"p{i}" for i in range(40)), "normal")
    assert split_patients(pathology_of, seed=0) == split_patients(pathology_of, seed=0)
    assert split_patients(pathology_of, seed=0) != split_patients(pathology_of, seed=1)


def test_a_share_of_nothing_takes_nobody():
    pathology_of = dict.fromkeys("abcdef")
    assert set(split_patients(pathology_of, test=0, validation=0).values()) == {"train"}


@pytest.mark.parametrize(
    ("test", "validation"), [(-0.1, 0.1), (0.1, -0.1), (0.6, 0.4), (float("nan"), 0.1)]
)
def test_shares_must_leave_some_for_training(test, validation):
    with pytest.raises(InputError, match="must leave some for training"):
        split_patients({"a": None}, test=test, validation=validation)


settled_sides = st.dictionaries(
    st.integers(0, 79).map("p{:03d}".format), st.sampled_from(SPLITS), max_size=20
)


@settings(max_examples=50, deadline=None)
@given(pathology_of=patients, settled=settled_sides, seed=st.integers(0, 5))
def test_who_is_settled_keeps_the_side(pathology_of, settled, seed):
    split = split_patients(pathology_of, seed=seed, settled=settled)
    assert split.keys() == pathology_of.keys()
    assert all(split[p] == side for p, side in settled.items() if p in split)


@settings(max_examples=50, deadline=None)
@given(pathology_of=patients, settled=settled_sides)
def test_who_is_settled_counts_towards_the_shares(pathology_of, settled):
    split = split_patients(pathology_of, settled=settled)
    there = Counter(side for p, side in settled.items() if p in pathology_of)
    counts, n = Counter(split.values()), len(pathology_of)
    for name, share in (("test", 0.2), ("validation", 0.05)):
        wanted = max(round(share * n), 1 if n >= 3 else 0)
        assert counts[name] <= max(wanted, there[name])
        if counts["train"] > 1:  # as long as anybody was left to be taken
            assert counts[name] >= wanted


def test_nobody_new_is_tested_where_enough_are_settled():
    pathology_of = dict.fromkeys(f"p{i}" for i in range(10))
    settled = {"p3": "test", "p7": "test", "p1": "validation"}
    split = split_patients(pathology_of, settled=settled)
    assert {p: side for p, side in split.items() if side != "train"} == settled


@settings(max_examples=50, deadline=None)
@given(pathology_of=patients, seed=st.integers(0, 5), share=st.floats(0.1, 0.5))
def test_a_person_examined_twice_is_on_one_side(pathology_of, seed, share):
    again = {"p001": "p000", "p002": "p000", "p004": "p003", "p006": "nobody", "p007": "nobody"}
    split = split_patients(pathology_of, seed=seed, test=share, same_person=again)
    assert split.keys() == pathology_of.keys()
    for numbers in (("p000", "p001", "p002"), ("p003", "p004"), ("p006", "p007")):
        assert len({split[number] for number in numbers if number in split}) <= 1


def test_the_other_number_follows_the_one_that_is_settled():
    pathology_of = dict.fromkeys("abcdefgh")
    for settled in ({"a": "test"}, {"b": "test"}):
        split = split_patients(pathology_of, settled=settled, same_person={"b": "a"})
        assert split["a"] == split["b"] == "test"


def test_one_person_settled_on_two_sides_is_one_line():
    with pytest.raises(InputError, match="a, b: one person, settled on test and train"):
        split_patients(
            dict.fromkeys("abc"), settled={"a": "train", "b": "test"}, same_person={"b": "a"}
        )
