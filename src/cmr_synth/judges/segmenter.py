"""The trained segmenter: finds the heart in a picture and completes partly labelled ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.judges.segmenter_network import CLASSES, SegmenterConfig, SegmenterNetwork
from cmr_synth.networks.weights import load_weights, set_state

BUNDLED = Path(__file__).resolve().parent.parent / "weights" / "segmenter"


class Segmenter:
    """A trained segmentation network with its identity.

    Parameters
    ----------
    network : SegmenterNetwork
        With trained weights.
    hash : str
        SHA-256 of the weights, printed beside every number it produces.
    """

    def __init__(self, network: SegmenterNetwork, *, hash: str, device: str = "cpu"):
        self.network = network.eval().to(device)
        self.hash = hash
        self.device = torch.device(device)

    @classmethod
    def load(cls, folder: Path | None = None, *, device: str = "cpu") -> Segmenter:
        """Read a model folder; without one, the bundled segmenter.

        Raises
        ------
        InputError
            If a file is missing or damaged.
        """
        folder = Path(folder) if folder is not None else BUNDLED
        try:
            about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            config = SegmenterConfig(**about["config"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{folder}: no readable segmenter ({reason}); it needs config.json and "
                "weights.safetensors."
            ) from error
        network = SegmenterNetwork(config)
        set_state(network, load_weights(folder / "weights.safetensors"))
        return cls(network, hash=sha256(folder / "weights.safetensors"), device=device)

    @torch.no_grad()
    def shares(self, images: NDArray[np.floating], *, batch: int = 16) -> NDArray[np.float32]:
        """Probability of each class.

        Parameters
        ----------
        images : (n, y, x) array in [0, 1]
            At 1.5 mm in canonical orientation; sides divisible by 32.

        Returns
        -------
        (n, 4, y, x) float32 array
            Background, LV, MYO, RV.
        """
        found = [np.zeros((0, CLASSES, *images.shape[1:]), np.float32)]
        for first in range(0, len(images), batch):
            block = torch.from_numpy(np.ascontiguousarray(images[first : first + batch]))
            scores = self.network(block.float()[:, None].to(self.device))
            found.append(scores.float().softmax(dim=1).cpu().numpy())
        return np.concatenate(found)

    def segment(self, images: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Most likely label of every pixel, (n, y, x)."""
        return self.shares(images).argmax(axis=1).astype(np.uint8)

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
        found = []
        for first in range(0, len(images), batch):
            block = torch.from_numpy(np.ascontiguousarray(images[first : first + batch]))
            block = block.float()[:, None].to(self.device)
            found.append(self.network.features(block).cpu().numpy())
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
