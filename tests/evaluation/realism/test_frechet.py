"""The Frechet distance against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.evaluation.realism.frechet import frechet_distance


def normal(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def whitened(n: int, d: int, seed: int) -> np.ndarray:
    """Samples whose mean is exactly 0 and whose covariance is exactly the identity."""
    x = normal(n, d, seed)
    x -= x.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False))
    return x @ (vectors / np.sqrt(values)) @ vectors.T


def test_a_pure_mean_shift_is_its_squared_length() -> None:
    a = normal(200, 5, 0)
    shift = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    assert frechet_distance(a, a + shift) == pytest.approx(shift @ shift, rel=1e-9)


def test_a_pure_scaling_is_known_by_axis() -> None:
    """Commuting covariances: tr(C (s - 1)^2), so d for unit variance and a factor of 2."""
    a = whitened(300, 6, 1)
    assert frechet_distance(a, 2 * a) == pytest.approx(6.0, rel=1e-9)
    factors = np.array([1.0, 2.0, 3.0, 0.5, 0.0, 1.5])
    assert frechet_distance(a, a * factors) == pytest.approx(((factors - 1) ** 2).sum(), rel=1e-6)


def test_shifted_normal_samples_are_d_apart() -> None:
    """N(0, I) against N(1, I) is d; 4000 samples of 8 numbers leave an error of a few percent."""
    d = 8
    assert frechet_distance(normal(4000, d, 2), normal(4000, d, 3) + 1) == pytest.approx(
        d, rel=0.05
    )


def test_equal_sets_are_at_zero_in_any_order() -> None:
    a = normal(50, 7, 4)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a[::-1]) == pytest.approx(0, abs=1e-9)


def test_it_is_symmetric() -> None:
    a, b = normal(40, 6, 5), 1.5 * normal(60, 6, 6) + 0.3
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_it_is_the_same_after_a_rotation_and_a_shift_of_both() -> None:
    a, b = normal(40, 6, 7), normal(40, 6, 8) * np.arange(1, 7)
    turn, _ = np.linalg.qr(normal(6, 6, 9))
    assert frechet_distance(a @ turn + 5, b @ turn + 5) == pytest.approx(
        frechet_distance(a, b), rel=1e-9
    )


def test_more_damage_is_farther() -> None:
    a, noise = normal(300, 5, 10), normal(300, 5, 11)
    distances = [frechet_distance(a, a + level * noise) for level in (0, 0.5, 1, 2)]
    assert distances == sorted(distances)


@pytest.mark.parametrize(("n", "d"), [(2, 1), (2, 50), (10, 200)])
def test_singular_covariances_give_a_number(n: int, d: int) -> None:
    """Fewer rows than columns, and constant columns, where a matrix root may turn complex."""
    a, b = normal(n, d, 12), normal(n, d, 13)
    b[:, 0] = 1
    for first, second in ((a, b), (b, a), (a, a), (np.zeros_like(a), b)):
        found = frechet_distance(first, second)
        assert np.isfinite(found) and found >= 0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.zeros((5, 3)), np.zeros((5, 4))),
        (np.zeros((1, 3)), np.zeros((5, 3))),
        (np.zeros(5), np.zeros(5)),
    ],
    ids=["widths", "one row", "one axis"],
)
def test_sets_that_do_not_compare_are_refused(a: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two sets of"):
        frechet_distance(a, b)


def test_nan_is_refused() -> None:
    a = normal(5, 3, 14)
    b = a.copy()
    b[2, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        frechet_distance(a, b)
