"""Transformers learn in the place of the U-Net."""

from __future__ import annotations

import pytest
import torch

from cmr_synth.training.batches import Batches
from cmr_synth.training.recipe import Augmentation
from cmr_synth.training.registry import make_task

SIZE = {"width": 32, "depth": 3, "head_width": 8, "token": 4, "vendors": ["siemens", "philips"]}


@pytest.mark.parametrize("family", ["flow", "diffusion"])
@pytest.mark.parametrize("kind", ["dit", "uvit"])
def test_a_few_steps_bring_the_loss_down(family, kind, make_recipe, slices):
    task = make_task(make_recipe(family=family, model={"backbone": kind, **SIZE}))
    batch = Batches(slices, augmentation=Augmentation(), seed=0).batch(0, 8)
    (network,) = [n for n in task.__dict__.values() if isinstance(n, torch.nn.Module)][:1]
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    seen = []
    for step in range(40):
        torch.manual_seed(step % 4)  # the same few draws of time and noise, again and again
        loss = sum(one.mean() for _, one in task.losses(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    assert sum(seen[-4:]) < 0.7 * sum(seen[:4])
