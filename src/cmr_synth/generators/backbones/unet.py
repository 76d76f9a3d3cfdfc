"""The U-Net, of diffusers."""

from __future__ import annotations

from typing import Any

from cmr_synth.generators.backbones.config import BackboneConfig


def make_unet(config: BackboneConfig, *, inputs: int, outputs: int) -> Any:
    """A `UNet2DModel` of diffusers that takes a time, and conditions as a vector.

    Parameters
    ----------
    config : BackboneConfig
    inputs, outputs : int
        Channels of a position.
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
