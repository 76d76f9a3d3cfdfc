"""Training images per second at 128 x 128, beside diffusers' UNet2DModel of as many parameters.

    .venv/bin/python benchmarks/training_throughput.py [--repeats 5] [--batch 4]

Ours is the network of the recipe `flow`, which folds 4 x 4 pixels into channels. The other two
see every pixel as it is, with the mask stacked as in segmentation-guided diffusion; their widths
are searched so that the parameters agree within 3 %:
- same depth: the levels, layers and attention of ours;
- usual depth: five levels of two layers, with attention at 16 x 16.
A step is losses, gradients, clipping, AdamW and the moving average, as in the training loop; the
batch is there already. Same optimizer, batch, precision and threads; steps of the three
alternate in one run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from diffusers import UNet2DModel
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.training.average import Average, ramped
from cmr_synth.training.batches import Batch
from cmr_synth.training.families.flow import FlowTask
from cmr_synth.training.recipe import load_recipe

BAR = 1.5
TOLERANCE = 0.03  # of the number of parameters
SIDE = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=4)
    options = parser.parse_args()
    torch.manual_seed(0)

    task = FlowTask(load_recipe("flow"))
    wanted = parameters(task.network)
    steps = {"ours": our_step(task, options.batch)}
    counts = {"ours": wanted}
    for name, build in (("same depth", same_depth(task)), ("usual depth", usual_depth)):
        network, counts[name] = of_size(build, wanted)
        steps[name] = their_step(network, options.batch)

    times: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(options.repeats + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if repeat:  # the first warms up
                times[name].append(time.perf_counter() - start)

    print(
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{torch.backends.cpu.get_cpu_capability()}, batch {options.batch}, "
        f"n={options.repeats} steps each, alternating"
    )
    for name, seconds in times.items():
        ratios = sorted(b / a for a, b in zip(times["ours"], seconds, strict=True))
        line = (
            f"{name}: {counts[name] / 1e6:.2f} M parameters, "
            f"{options.batch / statistics.median(seconds):.2f} images/s"
        )
        if name != "ours":
            median = statistics.median(ratios)
            line += (
                f"; ours is {median:.1f}x as fast ({ratios[0]:.1f} to {ratios[-1]:.1f}), "
                f"bar {BAR}x {'met' if median >= BAR else 'MISSED'}"
            )
        print(line)


def our_step(task: FlowTask, size: int) -> Callable[[], None]:
    labels = torch.from_numpy(np.stack([draw_slice(seed=k) for k in range(size)])).long()

    def losses() -> Tensor:
        batch = Batch(
            images=torch.rand(size, 1, SIDE, SIDE, generator=torch.manual_seed(0)),
            labels=labels,
            covered=torch.ones(size, 1, SIDE, SIDE),
            conditions=tuple({"vendor": "ge", "phase": "ED", "z": 0.5} for _ in range(size)),
            draws=tuple(np.random.default_rng(k) for k in range(size)),
        )
        ((_, per_image),) = task.losses(batch)
        return per_image

    return stepping(task.network, losses)


def their_step(network: nn.Module, size: int) -> Callable[[], None]:
    noisy, noise = torch.randn(size, 5, SIDE, SIDE), torch.randn(size, 1, SIDE, SIDE)
    when = torch.arange(size) * 100

    def losses() -> Tensor:
        stacked = noisy.contiguous(memory_format=torch.channels_last)
        return functional.mse_loss(network(stacked, when).sample, noise, reduction="none").mean(
            dim=(1, 2, 3)
        )

    return stepping(network, losses)


def stepping(network: nn.Module, losses: Callable[[], Tensor]) -> Callable[[], None]:
    """A step as the training loop takes it."""
    recipe = load_recipe("flow")
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=recipe.learning_rate,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
    )
    average = Average({"network": network}, ramped(recipe.ema))

    def step() -> None:
        per_image = losses()
        optimizer.zero_grad(set_to_none=True)
        per_image.mean().backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_norm)
        optimizer.step()
        average.update("network", 1000)

    return step


def same_depth(task: FlowTask) -> Callable[[int], nn.Module]:
    ours = task.network.unet.config

    def build(width: int) -> nn.Module:
        first = ours.block_out_channels[0]
        return UNet2DModel(
            sample_size=SIDE,
            in_channels=5,
            out_channels=1,
            block_out_channels=[8 * round(width * c / first / 8) for c in ours.block_out_channels],
            layers_per_block=ours.layers_per_block,
            down_block_types=ours.down_block_types,
            up_block_types=ours.up_block_types,
            resnet_time_scale_shift=ours.resnet_time_scale_shift,
            attention_head_dim=8,
            norm_num_groups=8,
        )

    return build


def usual_depth(width: int) -> nn.Module:
    return UNet2DModel(
        sample_size=SIDE,
        in_channels=5,
        out_channels=1,
        block_out_channels=(width, width, 2 * width, 2 * width, 4 * width),
        layers_per_block=2,
        down_block_types=("DownBlock2D",) * 3 + ("AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D") + ("UpBlock2D",) * 3,
        norm_num_groups=4,
    )


def of_size(build: Callable[[int], nn.Module], wanted: int) -> tuple[nn.Module, int]:
    """The network whose parameters are nearest to a number, and how many they are."""

    def count(width: int) -> int:
        with torch.device("meta"):
            return parameters(build(width))

    width = min(range(16, 129, 4), key=lambda w: abs(count(w) - wanted))
    if abs(count(width) / wanted - 1) > TOLERANCE:
        raise SystemExit(f"no width gives {wanted} parameters within {TOLERANCE:.0%}")
    return build(width), count(width)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


if __name__ == "__main__":
    main()
