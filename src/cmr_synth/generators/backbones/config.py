"""Grid, vocabulary, kind and size of the network that takes noise away."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from cmr_synth.generators.vocabulary import Vocabulary


class BackboneConfig(Vocabulary):
    """Grid, vocabulary, kind and size.

    Parameters
    ----------
    backbone : "unet", "dit" or "uvit"
        A U-Net; a diffusion transformer (Peebles and Xie 2023, arXiv:2212.09748), whose blocks are
        scaled and shifted by time and conditions; a U-ViT (Bao et al. 2023, arXiv:2209.12152),
        which takes these as tokens and has long skips.
    channels : tuple of int
        Of a U-Net at 1, 1/2, ... of its own resolution.
    attention : tuple of bool
        Whether a level of a U-Net has self-attention.
    layers : int
        Residual blocks a level of a U-Net.
    head_width, groups : int
        Channels of an attention head; groups of a U-Net's normalisation.
    width, depth : int
        Channels of a token, and blocks, of a transformer.
    token : int
        Positions to a side of a token of a transformer.
    """

    backbone: Literal["unet", "dit", "uvit"] = "unet"
    channels: tuple[PositiveInt, ...] = (64, 96, 128)
    attention: tuple[bool, ...] = (False, False, True)
    layers: int = Field(1, gt=0)
    head_width: int = Field(16, gt=0)
    groups: int = Field(16, gt=0)
    width: int = Field(256, gt=0)
    depth: int = Field(9, gt=0)
    token: int = Field(2, gt=0)

    @property
    def position(self) -> int:
        """Pixels of the grid to a side of a position that the network sees."""
        raise NotImplementedError

    @property
    def vector(self) -> int:
        """Length of the vector of conditions."""
        return 4 * self.channels[0] if self.backbone == "unet" else self.width

    @model_validator(mode="after")
    def _size_fits(self) -> BackboneConfig:
        if self.backbone == "unet":
            self._levels_fit()
        else:
            self._tokens_fit()
        return self

    def _levels_fit(self) -> None:
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

    def _tokens_fit(self) -> None:
        if self.width % self.head_width or self.width % 4:
            raise ValueError(
                f"width {self.width} does not divide by head_width {self.head_width} and by 4"
            )
        factor = self.position * self.token
        if any(side % factor for side in self.shape):
            raise ValueError(f"shape {self.shape} does not divide by tokens of {factor} pixels")
        if self.backbone == "uvit" and self.depth % 2 == 0:
            raise ValueError(f"depth {self.depth}: a U-ViT has an odd number of blocks")
