"""Phenotypes as conditions of a network: on the scale of its training patients, each droppable.

Each number becomes sines and cosines of several wavelengths beside itself, as covariates do in Li
et al. ("Cardiac aging synthesis from cross-sectional data with conditional generative adversarial
networks"); that a number is there is one of the inputs, so that any of them may be left open (Ho
and Salimans 2022, arXiv:2207.12598).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

NAME = "measures"
"""What `Conditions` calls these layers."""

_WAVES = (0.25, 0.5, 1.0)  # half turns for each standard deviation
_FEATURES = 2 + 2 * len(_WAVES)
_FURTHEST = 4.0  # standard deviations, beyond which nothing more is made of a number


class Scaled(Protocol):
    """A number by its name, with mean and deviation over the training patients."""

    @property
    def name(self) -> str:
        """Its key in conditions."""
        ...

    @property
    def mean(self) -> float:
        """Of the training patients."""
        ...

    @property
    def sd(self) -> float:
        """Of the training patients, above 0."""
        ...


class Measures(nn.Module):
    """A vector from the phenotypes that are known of each image.

    The last layer starts at 0, so that a network to which it is added does what it did before.
    """

    def __init__(self, phenotypes: Sequence[Scaled], width: int):
        super().__init__()
        self.phenotypes: tuple[Scaled, ...] = tuple(phenotypes)
        self.first = nn.Linear(_FEATURES * len(self.phenotypes), width)
        self.last = nn.Linear(width, width)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, conditions: Sequence[Mapping[str, Any]]) -> Tensor:
        """(n, width) from mappings, whose "phenotypes" map names to numbers in their units."""
        rows = [self._features(one.get("phenotypes") or {}) for one in conditions]
        seen = torch.tensor(rows, dtype=torch.float32, device=self.first.weight.device)
        found: Tensor = self.last(functional.silu(self.first(seen)))
        return found

    def _features(self, known: Mapping[str, float]) -> list[float]:
        row: list[float] = []
        for one in self.phenotypes:
            if one.name not in known:
                row += [0.0] * _FEATURES
                continue
            x = float(np.clip((known[one.name] - one.mean) / one.sd, -_FURTHEST, _FURTHEST))
            angles = [np.pi * wave * x for wave in _WAVES]
            row += [1.0, x, *(f(a) for a in angles for f in (np.sin, np.cos))]
        return row


def with_new_measures(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network that read no phenotypes, for one that does.

    Parameters
    ----------
    state : mapping
        The weights that are there.
    own : mapping
        Those of the network that is to have them, as it was built.
    """
    new = {k: v for k, v in own.items() if f".{NAME}." in f".{k}" and k not in state}
    return {**state, **new}
