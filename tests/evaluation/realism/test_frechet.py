"""The Frechet distance against closed forms, and its floor on patients."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.evaluation.realism.frechet import frechet_distance, frechet_interval, real_floor


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


def patients_of(count: int, slices: int) -> np.ndarray:
    return np.repeat([f"p{k:02d}" for k in range(count)], slices)


def test_the_floor_of_one_population_is_low_and_of_another_is_not() -> None:
    train, test = normal(600, 4, 15), normal(150, 4, 16)
    patients = patients_of(60, 10)
    same = real_floor(train, patients, test, draws=10)
    other = real_floor(train + 1, patients, test, draws=10)
    assert same.shape == (10,)
    assert 0 < same.mean() < 0.3  # about d (d + 1) / 4 (1/n + 1/m), here 0.07
    assert other.min() > 3  # a shift of 1 along 4 axes is 4


def test_the_floor_is_the_same_for_the_same_seed() -> None:
    train, test, patients = normal(100, 3, 17), normal(30, 3, 18), patients_of(20, 5)
    first = real_floor(train, patients, test, draws=4, seed=1)
    assert np.array_equal(first, real_floor(train, patients, test, draws=4, seed=1))
    assert not np.array_equal(first, real_floor(train, patients, test, draws=4, seed=2))


def test_the_order_of_patients_in_the_set_changes_nothing() -> None:
    """Patients in another order, the slices of each in theirs: every draw is the same."""
    train, test, patients = normal(100, 3, 19), normal(30, 3, 20), patients_of(20, 5)
    shuffled = np.random.default_rng(21).permutation(20)
    rows = np.concatenate([np.arange(5) + 5 * k for k in shuffled])
    assert real_floor(train[rows], patients[rows], test, draws=5) == pytest.approx(
        real_floor(train, patients, test, draws=5), rel=1e-9
    )


def test_other_names_of_patients_move_the_floor_no_more_than_another_seed() -> None:
    train, test, patients = normal(400, 3, 22), normal(100, 3, 23), patients_of(80, 5)
    renamed = np.random.default_rng(24).permutation(80).repeat(5).astype(str)
    before = real_floor(train, patients, test, draws=40)
    after = real_floor(train, renamed, test, draws=40)
    spread = np.hypot(before.std(), after.std()) / np.sqrt(40)
    assert abs(before.mean() - after.mean()) < 4 * spread


def test_the_floor_draws_whole_patients() -> None:
    """Three patients of four slices, a test set of eight: two patients at a time, never a mix."""
    centres = np.array([0.0, 100.0, 10_000.0]).repeat(4)[:, None]
    train = centres + normal(12, 1, 25)
    patients = patients_of(3, 4)
    test = normal(8, 1, 26)
    pairs = {
        round(frechet_distance(train[np.isin(patients, pair)], test), 6)
        for pair in (("p00", "p01"), ("p00", "p02"), ("p01", "p02"))
    }
    found = {round(float(v), 6) for v in real_floor(train, patients, test, draws=30)}
    assert found == pairs


def test_a_floor_without_enough_slices_is_refused() -> None:
    with pytest.raises(ValueError, match="10 training slices cannot match 20"):
        real_floor(normal(10, 3, 0), patients_of(2, 5), normal(20, 3, 1))


def clusters(patients: int, each: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Rows of a patient are nearly the same."""
    rng = np.random.default_rng(seed)
    own = rng.normal(shift, 1, (patients, 3)).repeat(each, axis=0)
    return own + rng.normal(0, 0.01, own.shape)


def test_the_interval_is_that_of_patients() -> None:
    a, b, patients = clusters(16, 10, 0), clusters(16, 10, 1, 0.5), patients_of(16, 10)
    by_patient = frechet_interval(a, b, patients, np.char.add("b", patients))
    each = np.arange(160).astype(str)
    by_slice = frechet_interval(a, b, each, np.char.add("b", each))
    assert np.ptp(by_patient) > 2 * np.ptp(by_slice)


def test_patients_of_one_name_are_drawn_together() -> None:
    """Counterparts that are moved by the same step: whoever is drawn, the distance is the step."""
    a, patients = clusters(16, 10, 2), patients_of(16, 10)
    together = frechet_interval(a, a + 1, patients, patients)
    assert together == pytest.approx((3, 3), abs=1e-6)
    apart = frechet_interval(a, a + 1, patients, np.char.add("b", patients))
    assert np.ptp(apart) > 0.5


def test_the_interval_is_moved_by_what_resampling_adds() -> None:
    """Two sets of one population: unmoved, nearly all draws would lie above the distance found."""
    for seed in range(5):
        a, b = clusters(20, 4, 10 + seed), clusters(20, 4, 40 + seed)
        patients = patients_of(20, 4)
        low, high = frechet_interval(a, b, patients, np.char.add("b", patients))
        value = frechet_distance(a, b)
        assert low < value < high
        assert value - low < 1.5 * (high - value) and high - value < 4 * (value - low)


def test_one_patient_has_no_interval() -> None:
    a = clusters(2, 10, 3)
    one = np.full(20, "p")
    assert np.isnan(frechet_interval(a, a + 1, one, patients_of(2, 10))).all()
