"""Transformers that take noise away: DiT and U-ViT, of diffusers' blocks.

Both cut the positions into square tokens with fixed sine and cosine places. They differ in how time
and conditions come in and in what joins the blocks; see `BackboneConfig`. The scales and shifts of
all blocks of the DiT come from one layer, with a table for each block on top (Chen et al. 2023,
PixArt-alpha, arXiv:2310.00426), a third of the weights less than with a layer for each.
"""

from __future__ import annotations

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.embeddings import TimestepEmbedding, Timesteps, get_2d_sincos_pos_embed
from diffusers.models.unets.unet_2d import UNet2DOutput
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.backbones.config import BackboneConfig

_FREQUENCIES = 128  # of the time
_SIX = 6  # shift, scale and gate of attention and of the layers behind it


class Transformer(nn.Module):
    """A DiT or a U-ViT on (n, channels, rows, columns) positions.

    Parameters
    ----------
    config : BackboneConfig
    inputs, outputs : int
        Channels of a position.
    """

    def __init__(self, config: BackboneConfig, *, inputs: int, outputs: int):
        super().__init__()
        width, self.token = config.width, config.token
        self.long_skips = config.backbone == "uvit"
        self.time_proj = Timesteps(_FREQUENCIES, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(_FREQUENCIES, width)
        self.tokens_in = nn.Linear(inputs * self.token**2, width)
        self.blocks = nn.ModuleList([_block(config) for _ in range(config.depth)])
        half = config.depth // 2
        self.skips = nn.ModuleList(
            [nn.Linear(2 * width, width) for _ in range(half if self.long_skips else 0)]
        )
        self.modulation = nn.Linear(width, _SIX * width) if not self.long_skips else None
        self.last = nn.Linear(width, 2 * width) if not self.long_skips else None
        self.norm_out = nn.LayerNorm(width, elementwise_affine=self.long_skips, eps=1e-6)
        self.tokens_out = nn.Linear(width, outputs * self.token**2)
        # Cut at the edges of tokens otherwise (Bao et al., section 3.1).
        self.smooth = nn.Conv2d(outputs, outputs, 3, padding=1) if self.long_skips else None
        side = config.position * self.token
        rows, columns = (length // side for length in config.shape)
        places = get_2d_sincos_pos_embed(width, (rows, columns), output_type="pt")
        self._places = places.float()[None]  # a formula, and no weights
        self._start()

    def _start(self) -> None:
        """Blocks begin as the identity and the output as 0 (adaLN-Zero; Peebles and Xie)."""
        nn.init.zeros_(self.tokens_out.weight)
        nn.init.zeros_(self.tokens_out.bias)
        if self.modulation is None or self.last is None:
            for skip in self.skips:  # of the two that it joins, the nearer
                nn.init.zeros_(skip.bias)  # type: ignore[arg-type]
                skip.weight.data = torch.eye(*skip.weight.shape)  # type: ignore[misc]
            assert self.smooth is not None
            nn.init.dirac_(self.smooth.weight)
            nn.init.zeros_(self.smooth.bias)  # type: ignore[arg-type]
            return
        for layer in (self.modulation, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for block in self.blocks:
            nn.init.zeros_(block.scale_shift_table)  # type: ignore[arg-type]

    def forward(self, sample: Tensor, timestep: Tensor, class_labels: Tensor) -> UNet2DOutput:
        """Return the estimate.

        Parameters
        ----------
        sample : (n, inputs, rows, columns) tensor
        timestep : (n,) tensor
            In [0, 1000).
        class_labels : (n, width) tensor
            The conditions.
        """
        time = self.time_embedding(self.time_proj(timestep).to(sample.dtype))
        x = functional.pixel_unshuffle(sample, self.token)
        rows, columns = x.shape[-2:]
        x = self.tokens_in(x.flatten(2).transpose(1, 2)) + self._places.to(sample)
        x = (
            self._joined(x, time, class_labels)
            if self.long_skips
            else self._scaled(x, time + class_labels)
        )
        x = self.tokens_out(x).transpose(1, 2).unflatten(2, (rows, columns))
        x = functional.pixel_shuffle(x, self.token)
        return UNet2DOutput(sample=x if self.smooth is None else self.smooth(x))

    def _scaled(self, x: Tensor, vector: Tensor) -> Tensor:
        """The way of the DiT."""
        assert self.modulation is not None and self.last is not None
        vector = functional.silu(vector)
        scales = self.modulation(vector)
        for block in self.blocks:
            x = block(x, timestep=scales)
        shift, scale = self.last(vector)[:, None].chunk(2, dim=-1)
        modulated: Tensor = self.norm_out(x) * (1 + scale) + shift
        return modulated

    def _joined(self, x: Tensor, time: Tensor, conditions: Tensor) -> Tensor:
        """The way of the U-ViT: what a block of the first half gave goes to its mirror image."""
        x = torch.cat([time[:, None], conditions[:, None], x], dim=1)
        half = len(self.skips)
        kept: list[Tensor] = []
        for k, block in enumerate(self.blocks):
            if k > half:
                x = self.skips[k - half - 1](torch.cat([x, kept.pop()], dim=-1))
            x = block(x)
            if k < half:
                kept.append(x)
        normed: Tensor = self.norm_out(x[:, 2:])
        return normed


def _block(config: BackboneConfig) -> nn.Module:
    long_skips = config.backbone == "uvit"
    return BasicTransformerBlock(
        config.width,
        config.width // config.head_width,
        config.head_width,
        activation_fn="gelu-approximate" if not long_skips else "gelu",
        attention_bias=True,
        norm_type="layer_norm" if long_skips else "ada_norm_single",
        norm_elementwise_affine=long_skips,
        norm_eps=1e-6,
    )
