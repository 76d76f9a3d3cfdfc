"""What a family gives to the training loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_synth.training.batches import Batch


class Task(Protocol):
    """Networks and their losses, made from a recipe.

    Attributes
    ----------
    networks : dict
        What is trained; the names stand in logs and checkpoints.
    rates : dict
        Factor on the recipe's learning rate, by network.
    words : mapping
        The conditions that the networks know, such as {"vendor": ("siemens", "ge")}; empty if
        they take none.
    contrast : str or tuple of str, optional
        Of the slices that it learns from, keys of `cmr_synth.cohorts.examination.CONTRASTS`; a
        task that does not say learns from cine.
    phenotypes : tuple of str, optional
        Those of each patient that its batches tell, of `cmr_synth.anatomy.phenotypes.PHENOTYPES`.
    covariates : tuple of str, optional
        Those of each person that its batches tell, of `cmr_synth.cohorts.covariates.COVARIATES`;
        who lacks one is left out.
    tissues : tuple of str, optional
        Structures of the heart around which its batches tell tissues.
    private_network : str, optional
        The one of several networks that learns from patients, of a training with privacy; the
        others learn by `afterwards(draws, device=...)`, which yields as `losses` and sees none.
    batches : callable, optional
        Makes the `Batches` of a slice set, of a task that learns from more than slices.
    remarks : callable, optional
        Lines on what a slice set has that is not learned from.
    finished : callable, optional
        Gives configuration and weights of the model; of a task of which averages are kept.
    begin : callable, optional
        Called with the `Batches` before the first step, of a resumed training too: for what a
        network has to know of all patients.
    """

    networks: dict[str, nn.Module]
    rates: dict[str, float]
    words: Mapping[str, Sequence[str]]

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield, in order, the name of a network to update and its loss for every image.

        The loop steps that network before it asks for the next loss.
        """
        ...

    def unaccounted(self) -> str:
        """What an account of differential privacy would not cover; empty if it covers all.

        A clause for the message that refuses such a training.
        """
        ...

    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """A picture of what the networks make of a batch, (rows, columns) in [0, 1]."""
        ...

    def save(self, folder: Path, *, images_seen: int, minutes: float) -> None:
        """Write the finished model, with the averaged weights already in `networks`."""
        ...
