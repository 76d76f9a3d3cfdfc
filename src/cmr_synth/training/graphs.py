"""A U-Net's kernels launched at once on a GPU: CUDA graphs.

A small network has hundreds of kernels of microseconds each, and a processor that launches them one
by one keeps the GPU waiting. Recorded once, for one size of batch, all of them are one launch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from cmr_synth.generators.backbones.config import BackboneConfig


def unets_of(network: nn.Module) -> Iterator[tuple[Any, BackboneConfig]]:
    """U-Nets of a network that takes noise away, with its configuration."""
    config, unet = getattr(network, "config", None), getattr(network, "unet", None)
    if isinstance(config, BackboneConfig) and config.backbone == "unet" and unet is not None:
        yield unet, config


def record(network: nn.Module, size: int, *, precision: str) -> None:
    """Record what the U-Nets of a network do with `size` images, if they are on a CUDA GPU.

    From then on a batch of that size goes through the recording, in a training with its gradients;
    without gradients smaller ones do too. Weights are read where they lie, so that they may change
    in place and not be replaced.

    Parameters
    ----------
    network : nn.Module
        In training mode, on its device.
    size : int
    precision : str
        "bf16" or "no".
    """
    for unet, config in unets_of(network):
        weight = next(unet.parameters())
        if weight.device.type != "cuda":
            continue
        rows, columns = (side // config.position for side in config.shape)
        maps = torch.randn(size, unet.conv_in.in_channels, rows, columns, device=weight.device)
        maps = maps.contiguous(memory_format=torch.channels_last)
        time = torch.full((size,), 500.0, device=weight.device)
        vector = torch.randn(size, config.vector, device=weight.device)
        # without its cache: casts of the weights are part of what is recorded
        with torch.autocast("cuda", torch.bfloat16, precision == "bf16", cache_enabled=False):
            unet.forward = Recorded(unet, maps, time, vector)


class Recorded:
    """A U-Net's forward by its recordings, where they fit, and as ever where they do not."""

    def __init__(self, unet: Any, maps: Tensor, time: Tensor, vector: Tensor):
        self._plain, self._size, self._shape = unet.forward, len(maps), maps.shape[1:]
        self._unet = unet
        self._learning = torch.cuda.make_graphed_callables(
            _Plain(unet, self._plain),
            (maps.clone(), time.clone(), vector.clone().requires_grad_()),
        )
        self._given = (maps, time, vector)
        self._making, self._made = _recorded(self._plain, self._given)

    def __call__(self, sample: Tensor, timestep: Tensor, class_labels: Tensor) -> Any:
        """As `UNet2DModel.forward`."""
        from diffusers.models.unets.unet_2d import UNet2DOutput

        n, fits = len(sample), sample.shape[1:] == self._shape
        if not fits or sample.requires_grad or not sample.is_cuda:
            return self._plain(sample, timestep, class_labels=class_labels)
        if torch.is_grad_enabled():
            if n != self._size or not self._unet.training:
                return self._plain(sample, timestep, class_labels=class_labels)
            return UNet2DOutput(sample=self._learning(sample, timestep, class_labels))
        if n > self._size:
            return self._plain(sample, timestep, class_labels=class_labels)
        for own, given in zip(self._given, (sample, timestep, class_labels), strict=True):
            own[:n].copy_(given)
        self._making.replay()
        return UNet2DOutput(sample=self._made[:n].clone())


class _Plain(nn.Module):
    """The U-Net as a function of tensors alone."""

    def __init__(self, unet: nn.Module, plain: Any):
        super().__init__()
        self.unet, self._plain = unet, plain

    def forward(self, maps: Tensor, time: Tensor, vector: Tensor) -> Tensor:
        made: Tensor = self._plain(maps, time, class_labels=vector).sample
        return made


@torch.no_grad()
def _recorded(plain: Any, given: tuple[Tensor, ...]) -> tuple[Any, Tensor]:
    """A recording without gradients, and where it leaves its result."""
    maps, time, vector = given
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):  # libraries choose and set up in the first calls
            plain(maps, time, class_labels=vector)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        made = plain(maps, time, class_labels=vector).sample
    return graph, made
