"""Distances of outlines against MedPy and DeepMind's surface-distance."""

from __future__ import annotations

import numpy as np
import pytest
from medpy.metric import binary
from surface_distance import compute_surface_dice_at_tolerance, compute_surface_distances

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.evaluation.adherence.surfaces import surface_distances

SPACING = (1.25, 1.5)


@pytest.fixture(params=[(LV, 0), (MYO, 1), (RV, 2)])
def pair(request) -> tuple[np.ndarray, np.ndarray]:
    label, seed = request.param
    return tuple(draw_slice(shape=(96, 96), seed=seed + k) == label for k in (0, 10))


def test_medpy_pools_both_directions_as_we_do(pair) -> None:
    ours = surface_distances(*pair, SPACING)
    assert ours.hd == pytest.approx(binary.hd(*pair, voxelspacing=SPACING))
    assert ours.hd95 == pytest.approx(binary.hd95(*pair, voxelspacing=SPACING))


def test_asd_is_the_mean_of_all_distances_as_medpys(pair) -> None:
    ours = surface_distances(*pair, SPACING)
    assert ours.asd == pytest.approx(binary.assd(*pair, voxelspacing=SPACING))


def test_surface_distance_is_near_although_it_measures_between_pixels(pair) -> None:
    # its outline runs between pixels and is weighted by length, so that it agrees within a pixel
    ours = surface_distances(*pair, SPACING, tolerance_mm=2.0)
    theirs = compute_surface_distances(*pair, SPACING)
    dice = compute_surface_dice_at_tolerance(theirs, 2.0)
    assert ours.surface_dice == pytest.approx(dice, abs=0.12)
