"""Seconds and memory for one 128 x 128 slice, beside two published configurations in one run.

    .venv/bin/python benchmarks/speed.py [--repeats 15]

The other two have random weights: speed does not depend on them. Their networks:
- segmentation-guided diffusion (Konz et al. 2024, arXiv:2402.05210): diffusers' UNet2DModel,
  128, 128, 256, 256, 512, 512 channels, 5 input channels, DDIM with 50 steps;
- MOTFM (Yazdani et al. 2025, arXiv:2503.00266): MONAI's DiffusionModelUNet and ControlNet,
  32, 64, 128, 224, 256 channels, Euler with 10 steps.
One network evaluation of each is timed and multiplied by its number of evaluations; solvers add
next to nothing. All in float32 on the same threads; evaluations of the three alternate.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import psutil
import torch

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.zoo import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--model", default="flow")
    options = parser.parse_args()
    torch.manual_seed(0)

    model = load(options.model)
    steps = model.card.default_steps or 1
    condition = Condition(
        mask=draw_slice(level="mid", phase="ED", anatomy="normal"), vendor="siemens", phase="ED"
    )

    def slice_of_ours() -> None:
        for _ in model.generator.sample([condition], seed=0):
            pass

    seconds(slice_of_ours)
    alone = [seconds(slice_of_ours) for _ in range(options.repeats)]
    resident = psutil.Process().memory_info().rss / 2**30

    guided, motfm = segmentation_guided(), motfm_network()
    for warm in (slice_of_ours, guided, motfm):
        seconds(warm)
    times: dict[str, list[float]] = {"ours": [], "guided": [], "motfm": []}
    for _ in range(max(3, options.repeats // 3)):
        times["ours"].append(seconds(slice_of_ours))
        times["guided"].append(50 * seconds(guided))
        times["motfm"].append(10 * seconds(motfm))

    print(
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{torch.backends.cpu.get_cpu_capability()}"
    )
    print(
        f"{options.model}, {steps} steps, alone: median {statistics.median(alone):.3f} s a slice "
        f"({min(alone):.3f} to {max(alone):.3f}, n={len(alone)}); resident {resident:.2f} GiB"
    )
    ours = statistics.median(times["ours"])
    for name, title in (("motfm", "MOTFM, Euler 10"), ("guided", "seg.-guided diffusion, DDIM 50")):
        ratios = sorted(b / a for a, b in zip(times["ours"], times[name], strict=True))
        print(
            f"{title}: {statistics.median(times[name]):.2f} s a slice, "
            f"{statistics.median(ratios):.0f}x ours ({ratios[0]:.0f} to {ratios[-1]:.0f}, "
            f"n={len(ratios)}; ours {ours:.3f} s)"
        )


def seconds(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def segmentation_guided() -> Callable[[], object]:
    from diffusers import UNet2DModel

    down = ["DownBlock2D"] * 4 + ["AttnDownBlock2D", "DownBlock2D"]
    up = ["UpBlock2D", "AttnUpBlock2D"] + ["UpBlock2D"] * 4
    network = UNet2DModel(
        sample_size=128,
        in_channels=5,
        out_channels=1,
        layers_per_block=2,
        block_out_channels=(128, 128, 256, 256, 512, 512),
        down_block_types=tuple(down),
        up_block_types=tuple(up),
    ).eval()
    picture = torch.randn(1, 5, 128, 128)

    @torch.no_grad()
    def evaluate() -> None:
        network(picture, 500)

    return evaluate


def motfm_network() -> Callable[[], object]:
    from monai.networks.nets import ControlNet, DiffusionModelUNet

    channels = (32, 64, 128, 224, 256)
    shared = {
        "spatial_dims": 2,
        "in_channels": 1,
        "num_res_blocks": (2,) * 5,
        "channels": channels,
        "attention_levels": (False, False, True, True, True),
        "norm_num_groups": 32,
        "resblock_updown": True,
        "num_head_channels": channels,
    }
    network = DiffusionModelUNet(out_channels=1, **shared).eval()
    control = ControlNet(
        conditioning_embedding_in_channels=1, conditioning_embedding_num_channels=(16,), **shared
    ).eval()
    picture, mask, step = (
        torch.randn(1, 1, 128, 128),
        torch.ones(1, 1, 128, 128),
        torch.tensor([500]),
    )

    @torch.no_grad()
    def evaluate() -> None:
        down, middle = control(x=picture, timesteps=step, controlnet_cond=mask)
        network(
            x=picture,
            timesteps=step,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        )

    return evaluate


if __name__ == "__main__":
    main()
