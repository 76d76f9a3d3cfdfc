"""What only a CUDA GPU does: recordings of the U-Net, and whole trainings there."""

import pytest
import torch

from cmr_synth.generators.flow.network import FlowConfig, FlowNetwork
from cmr_synth.training.graphs import record
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


def batch(n):
    given = torch.Generator().manual_seed(n)
    noisy = torch.randn(n, 1, 32, 32, generator=given).cuda()
    time = torch.rand(n, generator=given).cuda()
    mask = torch.zeros(n, 4, 32, 32).cuda()
    return noisy, time, mask, [{"vendor": "ge", "z": 0.5}] * n


def test_a_recording_computes_what_the_network_does():
    torch.manual_seed(0)
    network = FlowNetwork(FlowConfig(**MODEL)).cuda().train()
    given = batch(6)
    plain = network(*given)
    plain.square().mean().backward()
    wanted = {k: v.grad.clone() for k, v in network.named_parameters() if v.grad is not None}
    with torch.no_grad():
        fewer = network(*batch(3))
    network.zero_grad(set_to_none=True)

    record(network, 6, precision="no")
    for _ in range(2):  # the second finds the memory as the first has left it
        network.zero_grad(set_to_none=True)
        made = network(*given)
        torch.testing.assert_close(made, plain, atol=2e-3, rtol=2e-3)
        made.square().mean().backward()
        for name, weight in network.named_parameters():
            if name in wanted:
                torch.testing.assert_close(weight.grad, wanted[name], atol=1e-3, rtol=5e-2)
    with torch.no_grad():
        torch.testing.assert_close(network(*batch(3)), fewer, atol=2e-3, rtol=2e-3)
        # weights are read where they lie
        for weight in network.parameters():
            weight.mul_(0.5)
        halved = network(*batch(3))
    assert not torch.allclose(halved, fewer, atol=1e-2)


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
