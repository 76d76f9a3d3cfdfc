"""Radiomics against the digital phantom of the Image Biomarker Standardisation Initiative."""

import numpy as np
import pytest

from cmr_synth.evaluation.realism.radiomics import (
    FEATURES,
    cooccurrence,
    first_order,
    grey_levels,
    histogram,
    radiomics,
    runs,
    shape,
)

# IBSI reference manual, arXiv:1612.07003, chapter 5; 0 is outside of the region
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ]
)


def by_slice(measure):
    """2D, averaged: over directions, then over slices."""
    found = [measure(slice_2d, slice_2d > 0) for slice_2d in PHANTOM]
    return {name: np.mean([one[name] for one in found]) for name in found[0]}


def agrees(found, expected):
    """To the three digits of the manual."""
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=5e-3, abs=5e-4), name


def test_first_order_is_that_of_the_phantom():
    found = first_order(PHANTOM[PHANTOM > 0])
    agrees(
        found,
        {
            "mean": 2.15,
            "variance": 3.05,
            "skewness": 1.08,
            "kurtosis": -0.355,
            "median": 1,
            "minimum": 1,
            "percentile_10": 1,
            "percentile_90": 4,
            "maximum": 6,
            "interquartile_range": 3,
            "range": 5,
            "mean_absolute_deviation": 1.55,
            "robust_mean_absolute_deviation": 1.11,
            "root_mean_square": 2.77,
        },
    )


def test_histogram_is_that_of_the_phantom():
    agrees(histogram(PHANTOM[PHANTOM > 0]), {"entropy": 1.27, "uniformity": 0.512})


def test_cooccurrence_is_that_of_the_phantom():
    agrees(
        by_slice(cooccurrence),
        {
            "joint_maximum": 0.519,
            "joint_average": 2.14,
            "joint_variance": 2.69,
            "joint_entropy": 2.05,
            "difference_average": 1.42,
            "difference_variance": 2.9,
            "difference_entropy": 1.4,
            "angular_second_moment": 0.368,
            "contrast": 5.28,
            "inverse_difference": 0.678,
            "inverse_difference_moment": 0.619,
            "correlation": -0.0121,
        },
    )


def test_runs_are_those_of_the_phantom():
    agrees(
        by_slice(runs),
        {
            "short_run_emphasis": 0.641,
            "long_run_emphasis": 3.78,
            "low_grey_level_run_emphasis": 0.604,
            "high_grey_level_run_emphasis": 9.82,
            "grey_level_non_uniformity_normalised": 0.46,
            "run_length_non_uniformity_normalised": 0.492,
            "run_percentage": 0.627,
        },
    )


def test_shape_of_a_disc():
    y, x = np.mgrid[:101, :101] - 50.0
    found = shape(np.hypot(y, x) <= 30, spacing=0.5)
    assert found["area"] == pytest.approx(np.pi * 15**2, rel=0.01)
    assert found["perimeter"] == pytest.approx(2 * np.pi * 15, rel=0.03)
    assert found["major_axis"] == pytest.approx(30, rel=0.02)
    assert found["elongation"] == pytest.approx(1, abs=0.01)
    assert found["circularity"] == pytest.approx(1, abs=0.06)


def test_constant_and_small_regions_have_numbers_or_none_but_never_fail():
    region = np.zeros((20, 20), dtype=bool)
    region[5:15, 5:15] = True
    constant = radiomics(np.full((20, 20), 0.5), region, 1.5)
    assert set(constant) == set(FEATURES)
    assert np.isfinite(list(constant.values())).all()
    region[:] = False
    region[3, 3] = True
    assert np.isnan(list(radiomics(np.full((20, 20), 0.5), region, 1.5).values())).all()


def test_levels_cover_the_range():
    assert grey_levels(np.array([0.0, 0.5, 1.0])).tolist() == [1, 17, 32]


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="one slice"):
        radiomics(np.zeros((4, 4)), np.zeros((4, 5), dtype=bool), 1.5)
