"""The class score against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.evaluation.realism.class_score import Clusters, class_score


def test_clear_and_even_classes_score_their_number():
    assert class_score(np.eye(5)) == pytest.approx(5)
    assert class_score(np.repeat(np.eye(5), 7, axis=0)) == pytest.approx(5)


def test_one_class_or_no_clear_one_scores_one():
    assert class_score(np.tile([1.0, 0, 0], (9, 1))) == pytest.approx(1)
    assert class_score(np.full((9, 4), 0.25)) == pytest.approx(1)


def test_it_is_the_definition():
    shares = np.array([[0.7, 0.3], [0.2, 0.8]])
    mean = shares.mean(axis=0)
    wanted = np.exp(np.mean([(p * np.log(p / mean)).sum() for p in shares]))
    assert class_score(shares) == pytest.approx(wanted)


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        class_score(np.full((2, 2), 0.4))
    with pytest.raises(ValueError, match="probabilities are needed"):
        class_score(np.array([[1.5, -0.5]]))


def test_clusters_see_mode_collapse():
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 10, (10, 6))
    real = (centres[:, None] + rng.normal(size=(10, 20, 6))).reshape(-1, 6)
    clusters = Clusters(real)
    alike = class_score(clusters.shares(real[rng.permutation(len(real))]))
    collapsed = class_score(clusters.shares(np.tile(real[:1], (50, 1))))
    assert alike > 4 and collapsed == pytest.approx(1)
    np.testing.assert_allclose(clusters.shares(real).sum(axis=1), 1)
    fewer = Clusters(real, count=3)
    assert fewer.shares(real).shape == (200, 3)
    with pytest.raises(ValueError, match="too few for 10 clusters"):
        Clusters(real[:19])
