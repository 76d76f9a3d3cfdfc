"""What is coarse comes from the picture, what is fine from the model."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from cmr_synth.generators.interface import Condition
from cmr_synth.generators.layout import Layout

SHAPE = (48, 64)
DRAWS = np.random.default_rng(3)


def smooth(sigma):
    field = gaussian_filter(DRAWS.standard_normal(SHAPE), sigma)
    return ((field - field.min()) / np.ptp(field)).astype(np.float32)


def kept(layout, estimate, pixels):
    conditions = [Condition(layout=layout, layout_pixels=pixels), Condition()]
    both = torch.from_numpy(np.stack([estimate, estimate]))[:, None]
    made = Layout(conditions, SHAPE, torch.device("cpu"))(both)
    assert torch.equal(made[1], both[1])  # none was asked for
    return made[0, 0].numpy()


def test_shapes_are_the_picture_s_and_grain_is_the_model_s():
    layout, grain = smooth(6), 0.2 * DRAWS.standard_normal(SHAPE).astype(np.float32)
    estimate = 2 * smooth(6) - 1 + grain
    made = kept(layout, estimate, pixels=2)
    coarse = [gaussian_filter(x, 3)[4:-4, 4:-4].ravel() for x in (made, 2 * layout - 1, estimate)]
    assert np.corrcoef(coarse[0], coarse[1])[0, 1] > 0.95
    assert np.corrcoef(coarse[0], coarse[2])[0, 1] < 0.8
    fine = [(x - gaussian_filter(x, 1)).ravel() for x in (made, estimate)]
    assert np.corrcoef(fine[0], fine[1])[0, 1] > 0.9


def test_grey_levels_are_the_model_s():
    """A dark picture does not make a bright model dark."""
    layout = 0.2 * smooth(5)
    estimate = smooth(5) * 1.6 - 0.8
    made = kept(layout, estimate, pixels=1)
    assert (
        np.abs(np.quantile(made, [0.1, 0.5, 0.9]) - np.quantile(estimate, [0.1, 0.5, 0.9])).max()
        < 0.15
    )


def test_nothing_wraps_around_the_edges():
    layout = np.zeros(SHAPE, np.float32)
    layout[:, :8] = 1
    made = kept(
        layout, np.linspace(-1, 1, SHAPE[1], dtype=np.float32) * np.ones(SHAPE, np.float32), 3
    )
    assert made[:, :4].mean() > made[:, -8:].mean() + 0.3
