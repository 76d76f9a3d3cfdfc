"""Whole trainings on a CUDA GPU, with batches made ahead by other processes."""

import pytest
import torch

from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.registry import make_task

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

MODEL = {
    "shape": [32, 32],
    "channels": [16, 32],
    "attention": [False, True],
    "groups": 8,
    "head_width": 8,
    "vendors": ["siemens", "philips", "ge"],
}


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_flow_is_trained_there(slices, tmp_path, weight):
    loss = {"adversarial": {"weight": weight, "detail": 1.0, "spectrum": 0.5, "channels": 8}}
    recipe = Recipe(
        name="few",
        family="flow",
        images=480,
        batch_size=8,
        warmup_images=16,
        precision="fp32",
        model=MODEL | {"shape": list(slices.shape)},
        loss=loss,
    )
    steps = list(train(make_task(recipe), recipe, slices, tmp_path))
    assert steps[-1].losses["flow"] < steps[0].losses["flow"]
    assert (tmp_path / "weights.safetensors").is_file()
