"""The Frechet distance against the formula as other libraries compute it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from cmr_synth.evaluation.realism.frechet import frechet_distance


def by_square_root(a: np.ndarray, b: np.ndarray) -> float:
    """The formula of Heusel et al. 2017 with scipy's root of the product, in float64."""
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(cov_a @ cov_b)
    shift = a.mean(axis=0) - b.mean(axis=0)
    return float(shift @ shift + np.trace(cov_a + cov_b - 2 * root.real))


@pytest.mark.parametrize("d", [2, 16, 64])
def test_full_rank(d: int) -> None:
    rng = np.random.default_rng(d)
    mix = rng.standard_normal((d, d))
    a = rng.standard_normal((4 * d, d)) @ mix
    b = rng.standard_normal((5 * d, d)) + rng.standard_normal(d)
    # both are float64; what remains is the rounding of the Schur form inside sqrtm
    assert frechet_distance(a, b) == pytest.approx(by_square_root(a, b), rel=1e-6)


def test_a_singular_covariance_within_the_error_of_the_other() -> None:
    """With fewer rows than columns the root of the product loses half of its digits.

    An eigenvalue of 0 is computed as +-1e-16 times the largest; its root is 1e-8 of the largest
    root, with a sign that decides between real and imaginary. 40 of them leave about 1e-6.
    """
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((24, 64)), rng.standard_normal((24, 64)) + 0.5
    assert frechet_distance(a, b) == pytest.approx(by_square_root(a, b), rel=1e-4)
