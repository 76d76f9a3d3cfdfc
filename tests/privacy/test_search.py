"""Exact search by patient against the plain computation."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.privacy.search import closest_by_patient, nearest_and_ratio


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    rows = rng.normal(size=shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("block", [1, 3, 7, 1000])
def test_blocks_change_nothing(block):
    rng = np.random.default_rng(0)
    bank, queries = unit(rng, 40, 8), unit(rng, 5, 8)
    starts = np.array([0, 1, 9, 10, 33])
    ends = [*starts[1:], 40]
    found = closest_by_patient(queries, bank, starts, block=block)
    apart = np.linalg.norm(queries[:, None] - bank[None], axis=2)
    plain = np.stack([apart[:, a:b].min(axis=1) for a, b in zip(starts, ends, strict=True)], axis=1)
    assert np.allclose(found, plain, atol=1e-3)


def test_duplicated_slices_change_nothing():
    rng = np.random.default_rng(1)
    bank, queries = unit(rng, 6, 8), unit(rng, 4, 8)
    once = closest_by_patient(queries, bank, np.array([0, 3]))
    twice = closest_by_patient(queries, np.repeat(bank, 5, axis=0), np.array([0, 15]))
    assert np.allclose(once, twice, atol=1e-6)


def test_the_ratio_is_to_the_next_other_patient():
    who, distance, ratio = nearest_and_ratio(np.array([[0.4, 0.1, 0.2], [0.0, 0.0, 1.0]]))
    assert who.tolist() == [1, 0]
    assert distance == pytest.approx([0.1, 0.0])
    assert ratio == pytest.approx([0.5, 1.0])


def test_starts_beyond_the_bank_are_refused():
    with pytest.raises(ValueError, match="starts of patients"):
        closest_by_patient(np.ones((1, 2)), np.ones((3, 2)), np.array([0, 3]))
