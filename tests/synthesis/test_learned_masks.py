"""The second stage of masks: screened, drawn again, counted, or left out."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.reference import function_of
from cmr_synth.anatomy.shapes import ShapeModel
from cmr_synth.anatomy.shapes.new_heart import HeartGrid, new_heart
from cmr_synth.anatomy.shapes.wishes import Wishes
from cmr_synth.errors import InputError
from cmr_synth.generators.mask_flow.masks import MaskFlow
from cmr_synth.generators.mask_flow.network import MaskFlowConfig, MaskFlowNetwork
from cmr_synth.synthesis.learned_masks import with_detail
from cmr_synth.synthesis.new_hearts import Order, counted, make_hearts

GRID = HeartGrid(spacing=(12.0, 3.0, 3.0))
CONFIG = MaskFlowConfig(
    shape=(64, 64),
    spacing_mm=3.0,
    channels=(8, 8),
    attention=(False, False),
    head_width=4,
    groups=4,
)


@pytest.fixture(scope="module")
def heart():
    return new_heart(ShapeModel.load(), Wishes(pathology="normal"), seed=1, grid=GRID)


class Painter:
    """Draws what it is guided by, with a pixel of RV more, and a stray piece at first."""

    config = CONFIG

    def __init__(self, faults):
        self.faults = faults
        self.calls = []

    def draw(self, conditions, *, seed, indices):
        self.calls.append((len(conditions), {c.phase for c in conditions}))
        masks = np.stack([c.mask for c in conditions])
        if len(self.calls) <= self.faults:
            masks[:, 2, 2] = 3
        return masks


def test_implausible_slices_are_drawn_again_and_counted(heart):
    painter = Painter(faults=1)
    done, detail = with_detail(heart, painter, seed=0)
    drawn = sum(int((stack > 0).any(axis=(1, 2)).sum()) for stack in (heart.ed, heart.es))
    assert detail.slices == drawn and detail.kept == 0
    assert detail.drawn_again == painter.calls[0][0]  # those of ED, once
    assert painter.calls[1] == (painter.calls[0][0], {"ED"})
    assert np.array_equal(done.ed, heart.ed)


def test_slices_that_stay_implausible_remain_as_outlines(heart):
    done, detail = with_detail(heart, Painter(faults=10**6), seed=0)
    assert detail.slices == 0 and detail.kept > 0
    assert np.array_equal(done.es, heart.es)
    assert done.measured == pytest.approx(function_of(heart.ed, heart.es, heart.spacing))


def test_another_grid_is_one_line(heart):
    other = SimpleNamespace(config=MaskFlowConfig())
    with pytest.raises(InputError, match="128 x 128 pixels of 1.5 mm; give --spacing 1.5x1.5x8"):
        with_detail(heart, other, seed=0)


def test_the_record_names_the_model_and_counts(tmp_path):
    torch.manual_seed(0)
    flow = MaskFlow(
        MaskFlowNetwork(CONFIG), hash="1" * 64
    )  # untrained: nothing that it draws will do
    grid = HeartGrid(spacing=(24.0, 3.0, 3.0))
    order = Order(n=1, phases=("ED",))
    made = make_hearts(
        ShapeModel.load(), Wishes(pathology="hcm"), order, grid, tmp_path, detail=flow
    )
    ((heart, one),) = list(made)
    record = json.loads((tmp_path / "heart0000_ED.json").read_text(encoding="utf-8"))
    assert record["detail"]["model_sha256"] == "1" * 64
    assert record["detail"]["kept"] > 0 and record["detail"]["slices"] == 0
    assert counted([one])["detail"]["kept"] == record["detail"]["kept"]
