"""The trained segmenter: finds the heart in a picture and completes partly labelled ones.

Its network is MONAI's DynUNet on a picture folded 2 x 2 into channels. One of late enhancement
tells infarct and no-reflow from the wall that they are part of.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.anatomy.labels import (
    BACKGROUND,
    LV,
    MYO,
    RV,
    SCAR,
    STRUCTURES,
    UNLABELLED,
    Structure,
)
from cmr_synth.cohorts.examination import CINE, LGE, known_contrast
from cmr_synth.judges.judge import Judge, bundled

BUNDLED = bundled("segmenter")
OF_CONTRAST = {CINE: BUNDLED, LGE: bundled("segmenter-lge")}
"""The bundled segmenter of a contrast; of others there is none."""
FOLD = 2


class SegmenterConfig(BaseModel):
    """Size of the network.

    Parameters
    ----------
    filters : tuple of int
        Channels at 1/2, 1/4, ... of the resolution.
    structures : tuple of str
        What it tells apart besides the background.
    contrast : str
        Of the pictures that it reads, a key of `cmr_synth.cohorts.examination.CONTRASTS`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    filters: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (32, 64, 128, 192, 192), min_length=3, max_length=6
    )
    structures: tuple[Structure, ...] = ("LV", "MYO", "RV")
    contrast: str = CINE

    @field_validator("structures")
    @classmethod
    def _each_once(cls, structures: tuple[str, ...]) -> tuple[str, ...]:
        if not structures or len(set(structures)) < len(structures):
            raise ValueError("name the structures that are told apart, each once")
        if set(structures) & set(SCAR) and "MYO" not in structures:
            raise ValueError("scar is part of the wall; name MYO too")
        return structures

    _known = field_validator("contrast")(known_contrast)

    @property
    def labels(self) -> tuple[int, ...]:
        """Engine label of each class."""
        numbers = {**STRUCTURES, **SCAR}
        return BACKGROUND, *(numbers[name] for name in self.structures)


class SegmenterNetwork(nn.Module):
    """Short-axis picture to class scores.

    Folding each 2 x 2 block of pixels into channels keeps every pixel and moves the costly
    full-resolution convolutions to a quarter of the positions; the scores are unfolded again.
    """

    def __init__(self, config: SegmenterConfig | None = None):
        super().__init__()
        from monai.networks.nets import DynUNet

        self.config = config or SegmenterConfig()
        levels = len(self.config.filters)
        self.unet = DynUNet(
            spatial_dims=2,
            in_channels=FOLD**2,
            out_channels=len(self.config.labels) * FOLD**2,
            kernel_size=[3] * levels,
            strides=[1] + [2] * (levels - 1),
            upsample_kernel_size=[2] * (levels - 1),
            filters=list(self.config.filters),
            norm_name=("INSTANCE", {"affine": True}),
            res_block=False,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Scores (n, classes, y, x) of pictures (n, 1, y, x) with values in [0, 1]."""
        folded = functional.pixel_unshuffle(2 * images - 1, FOLD)
        folded = folded.contiguous(memory_format=torch.channels_last)
        return functional.pixel_shuffle(self.unet(folded), FOLD)

    def features(self, images: Tensor) -> Tensor:
        """Mean and standard deviation over space of the maps at 1/4 of the resolution.

        The feature space of the Frechet distance, (n, 2 filters[1]): learned from real images
        only, by a task that no generator is trained with. The maps are taken before instance
        normalisation, which removes just these two moments: deeper features averaged over
        space are blind to blur, noise and contrast (benchmarks/features.py).
        """
        kept: list[Tensor] = []
        layer = self.unet.downsamples[0].conv1
        hook = layer.register_forward_hook(lambda _m, _i, out: kept.append(out.float()))
        try:
            self.forward(images)
        finally:
            hook.remove()
        return torch.cat([kept[0].mean(dim=(2, 3)), kept[0].std(dim=(2, 3))], dim=1)


class Segmenter(Judge[SegmenterNetwork]):
    """A trained segmentation network with its identity."""

    title = "segmenter"
    folder = BUNDLED
    config_kind = SegmenterConfig
    network_kind = SegmenterNetwork

    @torch.no_grad()
    def shares(self, images: NDArray[np.floating], *, batch: int = 16) -> NDArray[np.float32]:
        """Probability of each class.

        Parameters
        ----------
        images : (n, y, x) array in [0, 1]
            At 1.5 mm in canonical orientation; sides divisible by 32.

        Returns
        -------
        (n, classes, y, x) float32 array
            Background, and the structures in the order of the configuration: LV, MYO, RV.
        """
        classes = len(self.network.config.labels)
        found = [np.zeros((0, classes, *images.shape[1:]), np.float32)]
        for block in self.blocks(images, batch):
            found.append(self.network(block).float().softmax(dim=1).cpu().numpy())
        return np.concatenate(found)

    def segment(self, images: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Most likely engine label of every pixel, (n, y, x)."""
        labels = np.array(self.network.config.labels, np.uint8)
        found: NDArray[np.uint8] = labels[self.shares(images).argmax(axis=1)]
        return found

    def complete(
        self,
        images: NDArray[np.float32],
        labels: NDArray[np.uint8],
        may_hide: NDArray[np.bool_],
    ) -> NDArray[np.uint8]:
        """Fill unlabelled pixels (255) with the likeliest label that they may hide.

        Given labels are kept as they are.

        Parameters
        ----------
        images : (z, y, x) float32 array in [0, 1]
        labels : (z, y, x) uint8 array
        may_hide : (z, 4) bool array
            Structures that unlabelled pixels of a slice may belong to; background always.

        Returns
        -------
        (z, y, x) uint8 array without 255
        """
        allowed = may_hide.copy()
        allowed[:, 0] = True
        shares = np.where(allowed[:, :, None, None], self.shares(images), -1.0)
        found = np.where(labels == UNLABELLED, shares.argmax(axis=1), labels).astype(np.uint8)
        return (
            np.stack([_without_strays(f, g) for f, g in zip(found, labels, strict=True)])
            if len(found)
            else found
        )

    @torch.no_grad()
    def features(self, images: NDArray[np.floating], *, batch: int = 16) -> NDArray[np.float64]:
        """Features for Frechet distances, (n, d); see `SegmenterNetwork.features`."""
        found = [self.network.features(block).cpu().numpy() for block in self.blocks(images, batch)]
        return np.concatenate(found).astype(np.float64)


def _without_strays(found: NDArray[np.uint8], given: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Drop completed pixels that do not belong to the heart of this slice.

    Of each structure the connected parts that hold a given pixel are kept; where none was
    given, the largest part is. Myocardium must touch the left-ventricular cavity.
    """
    from scipy import ndimage

    kept = found.copy()
    around_lv = ndimage.binary_dilation(found == LV, iterations=2)
    for structure in (LV, MYO, RV):
        parts, count = ndimage.label(found == structure)
        if count == 0:
            continue
        sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
        anchor = (given == structure) | (around_lv if structure == MYO else False)
        anchored = np.unique(parts[anchor & (parts > 0)])
        keep = anchored if anchored.size else np.array([1 + int(sizes.argmax())])
        stray = (parts > 0) & ~np.isin(parts, keep) & (given == UNLABELLED)
        kept[stray] = 0
    return kept
