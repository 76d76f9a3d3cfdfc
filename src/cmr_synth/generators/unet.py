"""The U-Net of the families that take noise away, on pixels folded into channels or on latents."""

from __future__ import annotations

from typing import Any

from pydantic import Field, PositiveInt, model_validator

from cmr_synth.generators.vocabulary import Vocabulary


class UNetConfig(Vocabulary):
    """Grid, vocabulary and size of a U-Net.

    Parameters
    ----------
    channels : tuple of int
        Channels at 1, 1/2, ... of the U-Net's own resolution.
    attention : tuple of bool
        Whether a level has self-attention.
    layers : int
        Residual blocks a level.
    head_width, groups : int
        Channels of an attention head; groups of the normalisation.
    """

    channels: tuple[PositiveInt, ...] = (64, 96, 128)
    attention: tuple[bool, ...] = (False, False, True)
    layers: int = Field(1, gt=0)
    head_width: int = Field(16, gt=0)
    groups: int = Field(16, gt=0)

    @property
    def position(self) -> int:
        """Pixels of the grid to a side of a position that the U-Net sees."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _levels_fit(self) -> UNetConfig:
        levels = len(self.channels)
        if levels != len(self.attention) or not levels:
            raise ValueError(
                f"channels has {levels} levels and attention {len(self.attention)}; both need one "
                "entry a level"
            )
        if any(width % self.groups for width in self.channels):
            raise ValueError(f"channels {self.channels} do not divide by groups {self.groups}")
        attended = [c for c, a in zip(self.channels, self.attention, strict=True) if a]
        if self.head_width > min([*attended, self.channels[-1]]):
            raise ValueError(f"head_width {self.head_width} is more than the channels attended to")
        factor = self.position * 2 ** (levels - 1)
        if any(side % factor for side in self.shape):
            raise ValueError(f"shape {self.shape} does not divide by {factor}, for {levels} levels")
        return self


def make_unet(config: UNetConfig, *, inputs: int, outputs: int) -> Any:
    """A `UNet2DModel` of diffusers that takes a time, and conditions as a vector.

    Parameters
    ----------
    inputs, outputs : int
        Channels of a position. The vector has four times the first of the configuration's.
    """
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=config.shape[0] // config.position,
        in_channels=inputs,
        out_channels=outputs,
        block_out_channels=config.channels,
        layers_per_block=config.layers,
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in config.attention),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in config.attention[::-1]),
        resnet_time_scale_shift="scale_shift",
        class_embed_type="identity",
        attention_head_dim=config.head_width,
        norm_num_groups=config.groups,
    )
