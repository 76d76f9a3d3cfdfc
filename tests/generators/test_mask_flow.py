"""The mask flow: distance maps that give their masks back, guides, and draws of one's own."""

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.mask_flow.masks import MaskFlow
from cmr_synth.generators.mask_flow.network import (
    MaskFlowConfig,
    MaskFlowNetwork,
    guide_of,
    labels_of,
    maps_of,
)

CONFIG = MaskFlowConfig(
    shape=(64, 64),
    spacing_mm=3.0,
    channels=(8, 8),
    attention=(False, False),
    head_width=4,
    groups=4,
)


@pytest.fixture(scope="module")
def masks():
    levels = (0.1, 0.5, 0.9)
    return np.stack([draw_slice(shape=(64, 64), spacing=(3, 3), level=z, seed=1) for z in levels])


@pytest.fixture(scope="module")
def flow():
    torch.manual_seed(0)
    return MaskFlow(MaskFlowNetwork(CONFIG), hash="0" * 64)


def test_maps_give_their_masks_back(masks):
    maps = maps_of(masks, CONFIG)
    assert np.abs(maps).max() <= 1
    assert np.array_equal(labels_of(maps), masks)


def test_any_map_gives_a_wall_around_the_cavity():
    maps = np.random.default_rng(0).normal(size=(1, 3, 64, 64))
    labels = labels_of(maps)
    assert ((labels == 1) <= (maps[:, 1] > 0)).all()


def test_a_guide_keeps_the_layout_alone(masks):
    guide = guide_of(torch.from_numpy(masks).long(), CONFIG)
    assert torch.allclose(guide.sum(dim=1), torch.ones(3, 64, 64), atol=1e-5)
    assert float(guide[0, 2].max()) < 0.95  # a wall is thinner than the blur
    open_mask = torch.full((1, 64, 64), UNLABELLED)
    assert not guide_of(open_mask, CONFIG).any()


def test_a_mask_does_not_depend_on_its_batch(flow, masks):
    conditions = [Condition(mask=mask, phase="ED", pathology="dcm", z=0.3) for mask in masks]
    together = flow.draw(conditions, seed=3, steps=2)
    alone = flow.draw(conditions[2:], seed=3, indices=[2], steps=2)
    by_one = flow.draw(conditions, seed=3, steps=2, batch=1)
    assert (together[2] != alone[0]).mean() < 1e-3  # float32 convolution order
    assert (together != by_one).mean() < 1e-3
    assert (flow.draw(conditions, seed=4, steps=2) != together).any()


def test_what_is_asked_for_counts(flow, masks):
    one = Condition(mask=masks[1], phase="ED", pathology="dcm", z=0.5)
    others = [Condition(mask=masks[0], phase="ED", pathology="dcm", z=0.5), Condition(phase="ES")]
    same, guide, nothing = flow.draw([one, *others], seed=0, indices=[0, 0, 0], steps=2)
    assert (same != guide).any() and (same != nothing).any()


def test_guides_of_another_grid_and_unknown_words_are_refused(flow):
    with pytest.raises(InputError, match=r"guide of \(8, 8\) pixels"):
        flow.draw([Condition(mask=np.zeros((8, 8), np.uint8))], seed=0)
    with pytest.raises(InputError, match="pathology 'flu'"):
        flow.draw([Condition(pathology="flu")], seed=0)
    with pytest.raises(InputError, match="steps: 0 given"):
        flow.draw([], seed=0, steps=0)
