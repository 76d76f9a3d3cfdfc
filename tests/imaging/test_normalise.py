"""What a grey value of 0 and of 1 mean, for every normalisation there is."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.imaging.normalise import (
    AROUND_HEART,
    NORMALISATIONS,
    SHOULDER,
    around_heart,
    heart_window,
    in_unit_range,
    minmax,
    n4,
    normalised,
    percentile,
    zscore,
)


@pytest.fixture
def image(heart):
    """Blood bright, muscle dark, noise, in scanner units."""
    heart = heart[::2, ::2]
    noise = np.random.default_rng(0).normal(0, 15, (2, *heart.shape))
    return (np.array([80, 600, 250, 550])[heart] + noise).astype(np.float32)


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_contract(name, image):
    before = image.copy()
    out = NORMALISATIONS[name](image)
    np.testing.assert_array_equal(image, before)
    assert out.shape == image.shape and out.dtype == np.float32 and np.isfinite(out).all()
    if name != "zscore":
        assert out.min() >= 0 and out.max() <= 1 and out.max() > 0.9
    np.testing.assert_allclose(NORMALISATIONS[name](3 * image), out, atol=0.02)  # any unit


@pytest.mark.parametrize("name", NORMALISATIONS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_any_type_of_pixel(name, dtype, image):
    whole = np.clip(image / 4, 0, 255).round()
    np.testing.assert_allclose(
        NORMALISATIONS[name](whole.astype(dtype)), NORMALISATIONS[name](whole), atol=1e-5
    )


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_a_constant_image_is_zero(name):
    np.testing.assert_array_equal(NORMALISATIONS[name](np.full((1, 16, 16), 7.0)), 0)


@pytest.mark.parametrize("name", NORMALISATIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_refused(name, bad, image):
    image[0, 0, :3] = bad
    with pytest.raises(InputError, match="3 NaN or infinite values"):
        NORMALISATIONS[name](image)


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_no_voxels_are_refused(name):
    with pytest.raises(InputError, match="no voxels"):
        NORMALISATIONS[name](np.zeros((0, 16, 16)))


def test_percentile_clips_what_lies_beyond():
    ramp = np.arange(1001, dtype=np.float32).reshape(1, 1, -1)
    out = percentile(ramp)  # 10 .. 995
    assert np.count_nonzero(out == 0) == 11 and np.count_nonzero(out == 1) == 6
    assert out[0, 0, 502] == pytest.approx((502 - 10) / 985)
    wide = percentile(ramp, low=0, high=100)
    np.testing.assert_allclose(wide, ramp / 1000, atol=1e-6)
    np.testing.assert_array_equal(wide, minmax(ramp))
    assert not np.array_equal(NORMALISATIONS["percentile-2-98"](ramp), out)


@pytest.mark.parametrize("name", ["percentile", "percentile-2-98", "minmax"])
def test_rounding_never_leads_out_of_the_unit_interval(name):
    rng = np.random.default_rng(0)
    for scale in (1, 255, 4095):
        for _ in range(40):
            out = NORMALISATIONS[name](rng.random((1, 16, 16)) * scale - scale / 7)
            assert out.min() >= 0 and out.max() <= 1


@pytest.mark.parametrize("limits", [(50, 50), (99, 1), (-1, 99), (1, 101)])
def test_impossible_percentiles(limits):
    with pytest.raises(ValueError, match="0 <= low < high <= 100"):
        percentile(np.ones((1, 4, 4)), low=limits[0], high=limits[1])


def test_one_hot_pixel_spoils_minmax_but_not_percentile(image):
    spoiled = image.copy()
    spoiled[0, 0, 0] = 1e6
    np.testing.assert_allclose(percentile(spoiled)[1], percentile(image)[1], atol=0.01)
    assert minmax(spoiled).mean() < 0.01 < minmax(image).mean()


def test_the_volume_is_one_unit(image):
    """Slices keep their brightness relative to each other."""
    image[1] *= 0.5
    out = percentile(image)
    assert out[1].max() < 0.6 * out[0].max()


def test_zscore_of_the_foreground(image):
    foreground = image > image.mean()
    out = zscore(image)
    assert out[foreground].mean() == pytest.approx(0, abs=1e-4)
    assert out[foreground].std() == pytest.approx(1, abs=1e-4)


def test_n4_evens_out_a_coil_that_is_near_one_side():
    """The same tissue on both sides of a body in air, 1.5 times as bright on the left before."""
    y, x = np.indices((96, 96))
    body = ((y - 48) / 38) ** 2 + ((x - 48) / 44) ** 2 < 1
    tissue = np.where(body, np.where((y + x) // 12 % 2, 200.0, 300.0), 10.0)
    noise = np.random.default_rng(0).normal(0, 5, tissue.shape)
    image = (tissue * np.exp(np.linspace(0.35, -0.35, 96)) + noise)[None]

    def ratio(picture):
        return picture[0, body & (x < 30)].mean() / picture[0, body & (x > 66)].mean()

    assert ratio(percentile(image)) > 1.4
    assert ratio(n4(image)) == pytest.approx(1, abs=0.05)


WHERE = (slice(24, 40), slice(20, 44))


@pytest.fixture
def window():
    mask = np.zeros((64, 64), bool)
    mask[WHERE] = True
    return mask


def test_the_window_is_the_heart_and_a_margin_in_mm():
    heart = np.zeros((3, 40, 60), bool)
    heart[0, 20, 30] = heart[2, 22, 35] = True  # a slice each: one window for all
    window = heart_window(heart, (2.0, 5.0), margin_mm=10.0)
    rows, columns = np.nonzero(window.any(axis=1))[0], np.nonzero(window.any(axis=0))[0]
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (15, 27, 28, 37)
    assert window.sum() == len(rows) * len(columns)


def test_the_window_ends_with_the_picture():
    heart = np.zeros((1, 20, 20), bool)
    heart[0, 0, 19] = True
    window = heart_window(heart, (1.0, 1.0), margin_mm=3.0)
    assert window.shape == (20, 20) and window[:4, 16:].all() and window.sum() == 16


def test_no_heart_has_no_window():
    assert not heart_window(np.zeros((2, 8, 8), bool), (1.0, 1.0)).any()


def test_hearts_of_two_scanners_are_equally_bright(image, window):
    """One has fat eight times as bright beside its coil, and another unit."""
    other = image.copy()
    other[:, :, :6] = 5000
    other *= 0.3
    heart = (slice(None), *WHERE)
    near, far = around_heart(image, window)[heart], around_heart(other, window)[heart]
    np.testing.assert_allclose(near, far, atol=0.01)
    assert percentile(other)[heart].mean() < 0.5 * percentile(image)[heart].mean()
    assert np.percentile(near, 95) == pytest.approx(SHOULDER, abs=0.01)


def test_the_shoulder_can_be_undone(window):
    """Straight up to the heart's brightest blood, exponential above, smooth where they meet."""
    ramp = np.linspace(0, 3000, 64 * 64, dtype=np.float32).reshape(1, 64, 64)
    out = around_heart(ramp, window).astype(np.float64)
    bottom, top = np.percentile(ramp, 1), np.percentile(ramp[0, window], 95)
    rest = 1 - SHOULDER
    above = SHOULDER - rest * np.log1p(-(out - SHOULDER) / rest, where=out > SHOULDER, out=0 * out)
    back = bottom + (top - bottom) / SHOULDER * np.where(out > SHOULDER, above, out)
    seen = ramp >= bottom
    np.testing.assert_allclose(back[seen], ramp[seen], atol=1.0)
    assert (np.diff(out.ravel()[seen.ravel()]) > 0).all() and out.max() < 1
    steps = np.diff(out.ravel())
    bend = np.searchsorted(out.ravel(), SHOULDER)
    assert steps[bend + 1] == pytest.approx(steps[bend - 2], rel=0.02)


def test_without_a_window_the_volume_decides(image):
    none = np.zeros(image.shape[1:], bool)
    np.testing.assert_array_equal(
        around_heart(image, none), around_heart(image, np.ones_like(none))
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_around_heart_refuses_what_is_no_number(bad, image, window):
    image[0, 0, :3] = bad
    with pytest.raises(InputError, match="3 NaN or infinite values"):
        around_heart(image, window)
    with pytest.raises(InputError, match="no voxels"):
        around_heart(np.zeros((0, 64, 64)), window)


def test_a_dark_heart_is_no_division_by_zero(window):
    pixels = np.full((1, 64, 64), 900.0)
    pixels[0, window] = 7.0
    np.testing.assert_array_equal(around_heart(pixels, window), 0)
    np.testing.assert_array_equal(around_heart(np.full((1, 64, 64), 7.0), window), 0)


@pytest.mark.parametrize("name", [*NORMALISATIONS, AROUND_HEART])
def test_names_lead_to_the_unit_range(name, image, heart):
    out = in_unit_range(image, name, heart[::2, ::2] > 0, (3.0, 3.0))
    assert out.min() >= 0 and out.max() <= 1 and out.max() > 0.6
    plain = normalised(image, name, heart[::2, ::2] > 0, (3.0, 3.0))
    if name == "zscore":
        inside = np.abs(plain) < 4
        np.testing.assert_allclose(out[inside], (plain[inside] + 4) / 8, atol=1e-6)
    else:
        np.testing.assert_array_equal(out, plain)


def test_late_enhancement_has_its_nulled_wall_black_whatever_the_border_is() -> None:
    """Phase-sensitive pictures are stored with an offset, on a border of 0 without picture."""
    rng = np.random.default_rng(0)
    picture = rng.normal(150, 2, (2, 60, 60))  # lung and air: no signal, mid grey
    picture[:, 20:40, 20:40] = rng.normal(130, 2, (2, 20, 20))  # nulled wall
    picture[:, 26:34, 26:34] = rng.normal(220, 2, (2, 8, 8))  # blood
    picture[:, :8] = 0
    heart = np.zeros(picture.shape, bool)
    heart[:, 20:40, 20:40] = True
    out = in_unit_range(picture, "around-heart", heart, (1.5, 1.5), black="window")
    of_volume = in_unit_range(picture, "around-heart", heart, (1.5, 1.5))
    assert out[:, 21:25, 21:25].mean() < 0.1 < 0.4 < of_volume[:, 21:25, 21:25].mean()
    assert 0.7 < out[:, 28:32, 28:32].mean() < 0.8
    plain = np.full((1, 9, 9), 7.0)
    assert not in_unit_range(plain, "around-heart", plain > 0, (1.5, 1.5), black="window").any()
