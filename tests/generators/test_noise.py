"""Noise of neighbouring slices and frames: alike as asked, normal each, and reproducible."""

import numpy as np
import pytest

from cmr_synth.generators.noise import Coherence, Mixed, noise_for, numbers_of

SHAPE = (64, 64)
KNOTS = Coherence(knot_mm=20.0, frame_share=0.25)


def noise(**place: float) -> np.ndarray:
    place = {"mm": 0.0, **place}
    return noise_for(3, KNOTS.index(int(place.pop("variant", 0)), **place), SHAPE)  # type: ignore


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize("mm", [0.0, 3.0, 10.0, 19.9, 20.0, 47.0])
def test_every_slice_alone_is_standard_normal(mm: float) -> None:
    drawn = noise(mm=mm, frame=2)
    assert abs(drawn.mean()) < 0.06 and abs(drawn.std() - 1) < 0.05


def test_neighbours_are_alike_and_slices_apart_are_not() -> None:
    # between two knots half way: cos(pi / 4), times what the frames do not have of their own
    base = noise(mm=0.0)
    assert correlation(base, noise(mm=10.0)) == pytest.approx(np.cos(np.pi / 4), abs=0.06)
    assert correlation(base, noise(mm=5.0)) > correlation(base, noise(mm=15.0)) + 0.2
    assert abs(correlation(base, noise(mm=45.0))) < 0.06


def test_frames_share_what_they_shall() -> None:
    assert correlation(noise(frame=0), noise(frame=5)) == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize("other", [{"variant": 1}, {"attempt": 1}, {"mm": 60.0}])
def test_variants_and_attempts_have_nothing_in_common(other: dict) -> None:
    assert abs(correlation(noise(), noise(**other))) < 0.06


def test_the_same_place_has_the_same_noise_whatever_else_is_made() -> None:
    np.testing.assert_array_equal(noise(mm=12.5, frame=1), noise(mm=12.5, frame=1))
    assert noise_for(1, 4, SHAPE).shape == SHAPE  # plain numbers go on as they were
    np.testing.assert_array_equal(
        noise_for(1, 4, SHAPE),
        np.random.default_rng([1, 4]).standard_normal(SHAPE, dtype=np.float32),
    )


def test_a_family_that_cannot_mix_takes_the_nearest_knot() -> None:
    assert numbers_of(7) == (7,)
    assert numbers_of(Mixed((((0, 1), 0.2), ((0, 2), 0.98)))) == (0, 2)
    near, nearer = KNOTS.index(0, mm=3.0), KNOTS.index(0, mm=17.0)
    assert numbers_of(near) != numbers_of(nearer)
