"""Figures of tissues: known pictures give known numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.evaluation.realism.tissue import (
    FIGURES,
    noise_of,
    real_range,
    tissue_figures,
    tissue_sample,
    within_ranges,
)

from ..conftest import drawn_sample

SHADES = np.array([0.2, 0.8, 0.3, 0.7])


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return draw_slice()


def test_plain_tissues_have_their_shades(labels):
    found = tissue_figures(SHADES[labels], labels, 1.5)
    assert set(found) == set(FIGURES)
    assert (found["lv_mean"], found["myo_mean"], found["rv_mean"]) == pytest.approx((0.8, 0.3, 0.7))
    assert found["contrast"] == pytest.approx(0.5 / 1.1)
    assert found["noise"] == 0 and np.isnan(found["snr"]) and np.isnan(found["cnr"])


@pytest.mark.parametrize("sd", [0.01, 0.05])
def test_noise_is_found_in_spite_of_edges(labels, sd):
    noisy = SHADES[labels] + np.random.default_rng(0).normal(0, sd, labels.shape)
    found = tissue_figures(noisy, labels, 1.5)
    assert found["noise"] == pytest.approx(sd, rel=0.1)
    assert found["snr"] == pytest.approx(0.8 / sd, rel=0.1)
    assert found["cnr"] == pytest.approx(0.5 / sd, rel=0.1)


def test_noise_scales_with_the_picture():
    picture = np.random.default_rng(1).normal(size=(64, 64))
    assert noise_of(3 * picture) == pytest.approx(3 * noise_of(picture))


def test_blur_makes_edges_softer_whatever_the_contrast(labels):
    sharp = SHADES[labels]
    edges = [
        tissue_figures(ndimage.gaussian_filter(p, sd), labels, 1.5)["edge"]
        for p in (sharp, 0.5 * sharp)
        for sd in (0.5, 1.0, 2.0)
    ]
    assert edges[0] > 1.2 * edges[1] > 1.2 * edges[2]
    assert edges[:3] == pytest.approx(edges[3:], rel=1e-6)


def test_edges_are_measured_in_mm(labels):
    picture = ndimage.gaussian_filter(SHADES[labels], 1.0)
    fine, coarse = (tissue_figures(picture, labels, mm)["edge"] for mm in (1.0, 2.0))
    assert fine == pytest.approx(2 * coarse)


def test_what_is_not_there_is_nan(labels):
    without = np.where(labels == RV, 0, labels)
    found = tissue_figures(SHADES[labels], without, 1.5)
    assert np.isnan(found["rv_mean"]) and found["lv_mean"] == pytest.approx(0.8)
    blank = tissue_figures(SHADES[labels], np.zeros_like(labels), 1.5)
    assert np.isnan([blank[k] for k in ("lv_mean", "myo_mean", "contrast", "edge")]).all()


def test_a_thin_wall_has_figures_too():
    labels = np.zeros((64, 64), np.uint8)
    yy, xx = np.mgrid[:64, :64]
    away = np.hypot(yy - 32, xx - 32)
    labels[away < 12] = LV
    labels[(away >= 12) & (away < 13.2)] = MYO
    assert tissue_figures(SHADES[labels], labels, 1.5)["myo_mean"] == pytest.approx(0.3)


def test_patients_weigh_the_same_in_a_range():
    values = np.concatenate([np.full(90, 0.0), np.full(30, 1.0)])
    patients = np.array(["a"] * 90 + ["b"] * 30)
    found = real_range(values, patients)
    assert found is not None and (found.slices, found.patients) == (120, 2)
    assert 0.0 < found.median < 1.0 and found.low == 0 and found.high == 1


def test_a_range_is_that_of_percentiles():
    values = np.random.default_rng(2).normal(size=4000)
    found = real_range(np.append(values, np.nan), np.arange(4001))
    assert found is not None
    assert (found.low, found.high) == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=0.02)
    assert found.holds(0.0) and not found.holds(3.0)


def test_few_slices_have_no_range(labels):
    assert real_range(np.arange(19), np.arange(19)) is None
    figures = tissue_figures(SHADES[labels], labels, 1.5)
    wide = real_range(np.linspace(0, 1, 50), np.arange(50))
    verdict = within_ranges(figures, {"lv_mean": wide, "noise": None})
    assert verdict["lv_mean"] is True and verdict["noise"] is None and verdict["snr"] is None


@pytest.mark.parametrize(
    ("pixels", "message"),
    [(np.zeros((3, 4)), "must be one slice"), (np.full((128, 128), np.nan), "NaN or infinite")],
)
def test_what_is_no_slice_is_refused(labels, pixels, message):
    with pytest.raises(ValueError, match=message):
        tissue_figures(pixels, labels, 1.5)


def brighter(sample, vendor: str, step: float):
    """The same sample with one vendor's slices brighter."""
    pixels = sample.pixels + step * (sample.vendors == vendor)[:, None, None]
    return replace(sample, pixels=np.clip(pixels, 0, 1).astype(np.float32))


def test_ranges_are_those_of_the_vendor():
    """One vendor's slices are brighter: they are usual for it, and would be for no other."""
    held_out, other = (
        brighter(drawn_sample(n, 6, prefix=prefix, seed=seed), "ge", 0.3)
        for n, prefix, seed in ((12, "h", 0), (8, "o", 50))
    )
    found = tissue_sample(held_out, held_out, other)
    myocardium = {one.vendor: one for one in found.figures if one.figure == "myo_mean"}
    assert set(myocardium) == {"siemens", "ge"}
    low, high = myocardium["siemens"].range, myocardium["ge"].range
    assert low.high < high.low and (low.patients, high.patients) == (4, 4)
    assert myocardium["ge"].inside == myocardium["ge"].real_inside > 0.5
    # synthetic slices of one vendor in the shades of the other lie outside, though within all
    swapped = brighter(drawn_sample(12, 6, prefix="h", seed=0), "siemens", 0.3)
    found = tissue_sample(swapped, held_out, other)
    assert [one.inside for one in found.figures if one.figure == "myo_mean"] == [0, 0]
