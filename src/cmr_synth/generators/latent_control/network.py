"""A mask for a latent model that was trained without: a frozen U-Net, and a copy that steers it.

ControlNet (Zhang et al. 2023, arXiv:2302.05543): a trainable copy of the U-Net's way down sees the
mask too, and what it finds is added, through convolutions that start at zero, to what the frozen
way down hands to the frozen way up. Before training the model is therefore the unconditional one,
exactly. The `ControlNetModel` of diffusers copies a `UNet2DConditionModel` only, so that its
wiring is repeated here for the `UNet2DModel` of the family "latent".
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.conditioning import Conditions
from cmr_synth.generators.latent.autoencoder import DOWN
from cmr_synth.generators.latent.network import LatentConfig, LatentModel, LatentNetwork


class ControlledNetwork(LatentNetwork):
    """The network of a latent model, which sees no mask and no words, and its control."""

    def __init__(self, config: LatentConfig):
        super().__init__(config)
        self.control = Control(self.unet, config)

    def forward(
        self, noisy: Tensor, time: Tensor, mask: Tensor, conditions: Sequence[dict[str, Any]]
    ) -> Tensor:
        """Estimate the clean latents; parameters as for `LatentNetwork`."""
        scaled = noisy * self._scale(time)
        steps = 1000 * time if self.config.objective == "flow" else time.float()
        folded = functional.pixel_unshuffle(mask, DOWN)
        free = _stacked(scaled, torch.zeros_like(folded))
        # the frozen network was told of nothing else when it was trained
        plain = [{"augmented": c.get("augmented")} for c in conditions]
        # nothing before the control's first addition depends on what is trained
        with torch.no_grad():
            embedded = _embedded(self.unet, steps, self.conditions(plain))
            skips = _way_down(self.unet, free, embedded)
        added = self.control(_stacked(scaled, folded), steps, conditions)
        steered = [skip + more for skip, more in zip(skips, added, strict=True)]
        return _way_up(self.unet, steered, embedded).float()


class Control(nn.Module):
    """The trainable copy of a U-Net's way down, and the convolutions that start at zero.

    Parameters
    ----------
    unet : UNet2DModel
        Whose way down is copied; it is not changed.
    config : LatentConfig
        Of the network that `unet` belongs to.
    """

    def __init__(self, unet: Any, config: LatentConfig):
        super().__init__()
        self.latent = config.autoencoder.latent
        self.time_proj = unet.time_proj  # a formula, no weights
        self.class_embedding = nn.Identity()
        self.time_embedding = copy.deepcopy(unet.time_embedding)
        self.conditions = Conditions(config, 4 * config.channels[0])
        self.conv_in = copy.deepcopy(unet.conv_in)
        self.down_blocks = copy.deepcopy(unet.down_blocks)
        self.mid_block = copy.deepcopy(unet.mid_block)
        self.additions = nn.ModuleList(nn.Conv2d(width, width, 1) for width in _widths(unet))
        self._start()

    def forward(
        self, stacked: Tensor, steps: Tensor, conditions: Sequence[dict[str, Any]]
    ) -> list[Tensor]:
        """What is added to each of the maps that the way up gets, that of the middle last.

        Parameters
        ----------
        stacked : (n, latent + 64, y / 4, x / 4) tensor
            Noisy latents and the folded mask.
        steps : (n,) tensor
            Times, as the frozen U-Net gets them.
        conditions : n mappings
        """
        found = _way_down(self, stacked, _embedded(self, steps, self.conditions(conditions)))
        return [add(x) for add, x in zip(self.additions, found, strict=True)]

    @torch.no_grad()
    def start_from(self, unet: Any) -> None:
        """Copy the weights of a U-Net's way down, and let mask and additions start at zero."""
        for name in ("time_embedding", "conv_in", "down_blocks", "mid_block"):
            getattr(self, name).load_state_dict(getattr(unet, name).state_dict())
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        # the same as a convolution of the mask alone that starts at zero and is added
        self.conv_in.weight[:, self.latent :] = 0
        for parameter in self.additions.parameters():
            nn.init.zeros_(parameter)


class ControlledModel(LatentModel):
    """Frozen network, its control, and the autoencoder, saved and loaded together."""

    def __init__(self, config: LatentConfig):
        super().__init__(config)
        self.network: ControlledNetwork = ControlledNetwork(config)

    def freeze(self) -> None:
        """Let the control alone be trained."""
        self.requires_grad_(False)
        self.network.control.requires_grad_(True)


def _stacked(latents: Tensor, folded: Tensor) -> Tensor:
    return torch.cat([latents, folded], dim=1).contiguous(memory_format=torch.channels_last)


def _embedded(part: Any, steps: Tensor, words: Tensor) -> Tensor:
    """Time and conditions as the blocks of a U-Net take them, (n, width)."""
    time = part.time_proj(steps).to(words.dtype)
    embedded: Tensor = part.time_embedding(time) + part.class_embedding(words)
    return embedded


def _way_down(part: Any, x: Tensor, embedded: Tensor) -> list[Tensor]:
    """Every map that the way up gets, that of the middle last."""
    x = part.conv_in(x)
    maps = [x]
    for block in part.down_blocks:
        x, more = block(hidden_states=x, temb=embedded)
        maps += more
    return [*maps, part.mid_block(x, embedded)]


def _way_up(unet: Any, maps: Sequence[Tensor], embedded: Tensor) -> Tensor:
    *skips, x = maps
    for block in unet.up_blocks:
        taken = len(block.resnets)
        x = block(x, tuple(skips[-taken:]), embedded)
        del skips[-taken:]
    out: Tensor = unet.conv_out(unet.conv_act(unet.conv_norm_out(x)))
    return out


def _widths(unet: Any) -> list[int]:
    """Channels of the maps that `_way_down` returns."""
    widths: list[int] = [unet.conv_in.out_channels]
    for block in unet.down_blocks:
        widths += [resnet.out_channels for resnet in block.resnets]
        if block.downsamplers is not None:
            widths.append(widths[-1])
    return [*widths, unet.mid_block.resnets[-1].out_channels]
