"""Conditions as tensors, for the networks of the built-in families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.anatomy.labels import BACKGROUND, RV, SCAR, UNLABELLED, scar_as_myocardium
from cmr_synth.anatomy.surroundings import OPEN, TISSUES
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.measures import Measures
from cmr_synth.generators.phenotypes import Phenotype
from cmr_synth.generators.vocabulary import WORDS, Vocabulary

CLASSES = 4  # of masks without scar
TABLES = "tables"
"""Where `Conditions` keeps the vectors of words."""


class Conditions(nn.Module):
    """One vector for words, slice position and phenotypes; each may be unspecified.

    Training tells augmented pictures from the scanner's own by a vector of their own, so that
    interpolation does not leak into what is sampled (Karras et al. 2022, arXiv:2206.00364, sec. 5).
    """

    def __init__(self, vocabulary: Vocabulary, width: int):
        super().__init__()
        self.words = vocabulary.known_words
        # row 0 of each table is "unspecified"
        self.tables = nn.ModuleDict(
            {name: nn.Embedding(len(words) + 1, width) for name, words in self.words.items()}
        )
        self.augmented = nn.Parameter(torch.zeros(width))
        self.position = nn.Sequential(nn.Linear(9, width), nn.SiLU(), nn.Linear(width, width))
        self.measures = Measures(vocabulary.phenotypes, width) if vocabulary.phenotypes else None

    def know(self, phenotypes: Sequence[Phenotype]) -> None:
        """Take over what the training patients had, of the same phenotypes in the same order."""
        if self.measures is not None:
            self.measures.phenotypes = tuple(phenotypes)

    def forward(self, conditions: Sequence[dict[str, Any]]) -> Tensor:
        """(n, width) from mappings of words, z, phenotypes and augmented; the unknown is open."""
        device = next(self.parameters()).device
        total = torch.zeros((), device=device)
        for name, words in self.words.items():
            rows = [1 + words.index(c[name]) if c.get(name) in words else 0 for c in conditions]
            total = total + self.tables[name](torch.tensor(rows, device=device))
        flags = torch.tensor([[float(c.get("augmented") or 0)] for c in conditions])
        total = total + flags.to(device) * self.augmented
        known = [c.get("z") is not None for c in conditions]
        z = torch.tensor(
            [float(c["z"]) if k else 0.0 for c, k in zip(conditions, known, strict=True)]
        )
        total = total + self.position((waves(z) * torch.tensor(known)[:, None]).to(device))
        return total if self.measures is None else total + self.measures(conditions)


def waves(share: Tensor) -> Tensor:
    """(n, 9) sines and cosines of several wavelengths of (n,) numbers in [0, 1], and a one."""
    turns = torch.tensor([0.5, 1.0, 2.0, 4.0], device=share.device)
    angles = share[:, None] * torch.pi * turns
    return torch.cat([angles.sin(), angles.cos(), torch.ones_like(angles[:, :1])], dim=1)


def with_new_words(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network that knew no words of a condition, or fewer, for one that knows more.

    The vectors of the new words start at 0, so that the network does what it did before. Words are
    only ever added behind those that were there.

    Parameters
    ----------
    state : mapping
        The weights that are there, as `state_of` names them.
    own : mapping
        Those of the network that is to have them.
    """
    grown = dict(state)
    for name, table in own.items():
        if f".{TABLES}." not in f".{name}":
            continue
        old = state.get(name, table[:0])
        more = len(table) - len(old)
        if more > 0 and old.shape[1:] == table.shape[1:]:
            grown[name] = torch.cat([old, torch.zeros_like(table[:more], dtype=old.dtype)])
    return grown


def with_new_inputs(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network whose masks had fewer classes, for one whose masks have more.

    Where a convolution takes more channels now, those added, which are the last, start at 0.
    Parameters as for `with_new_words`.
    """
    grown = dict(state)
    for name, weight in own.items():
        old = state.get(name)
        if old is None or old.dim() != 4 or weight.dim() != 4:
            continue
        if old.shape[0] == weight.shape[0] and old.shape[2:] == weight.shape[2:]:
            more = weight.shape[1] - old.shape[1]
            if more > 0:
                grown[name] = functional.pad(old, (0, 0, 0, 0, 0, more))
    return grown


def one_hot_mask(labels: Tensor, classes: int = CLASSES) -> Tensor:
    """(n, classes, y, x) float indicators of labels (n, y, x); all zero where unlabelled (255)."""
    known = labels != UNLABELLED
    indicators = functional.one_hot(labels.where(known, torch.zeros_like(labels)), classes)
    indicators = indicators * known[..., None]
    return indicators.permute(0, 3, 1, 2).float()  # (n, y, x, classes) -> (n, classes, y, x)


def understood(
    labels: NDArray[np.uint8], vocabulary: Vocabulary, contrast: str | None = None
) -> NDArray[np.uint8]:
    """Engine labels as a model knows them in a contrast, of the same shape.

    Scar is myocardium to a model that tells none apart. A model that never saw an RV drawn had it
    unlabelled among the background, so that both are open to it.
    """
    structures = vocabulary.structures_in(contrast)
    if not any(name in SCAR for name in structures):
        labels = scar_as_myocardium(labels)
    if "RV" not in structures:
        labels = np.where(np.isin(labels, (BACKGROUND, RV)), np.uint8(UNLABELLED), labels)
    return labels


def mask_tensor(conditions: Sequence[Condition], vocabulary: Vocabulary) -> Tensor:
    """(n, maps, y, x) float indicators of the masks of conditions; all zero where open.

    Behind the classes of the masks come the tissues around the heart, of a model that takes them.

    Raises
    ------
    InputError
        If tissues are given that it does not take, or a map of them is none or on another grid.
    """
    known = [
        understood(
            _labels(condition, vocabulary.shape),
            vocabulary,
            condition.contrast if vocabulary.contrasts else None,
        )
        for condition in conditions
    ]
    masks = one_hot_mask(torch.from_numpy(np.stack(known)).long(), vocabulary.classes)
    tissues = np.stack([_tissues(condition, vocabulary) for condition in conditions])
    return with_tissues(masks, torch.from_numpy(tissues).long()) if vocabulary.tissues else masks


def with_tissues(masks: Tensor, tissues: Tensor) -> Tensor:
    """Indicators of masks (n, classes, y, x) with those of tissue maps (n, y, x) behind them."""
    indicators = functional.one_hot(tissues, 1 + len(TISSUES))[..., 1:]  # all zero where open
    return torch.cat([masks, indicators.permute(0, 3, 1, 2).to(masks)], dim=1)


def mappings(conditions: Sequence[Condition], vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """What `Conditions` takes.

    Raises
    ------
    InputError
        If a condition is not among the words of the vocabulary, naming them.
    """
    return [_mapping(condition, vocabulary) for condition in conditions]


def _labels(condition: Condition, shape: tuple[int, int]) -> NDArray[np.uint8]:
    if condition.mask is None:
        return np.full(shape, UNLABELLED, dtype=np.uint8)
    if condition.mask.shape != shape:
        raise ValueError(f"mask of {condition.mask.shape} given, the model's is {shape}")
    return np.asarray(condition.mask, dtype=np.uint8)


def _tissues(condition: Condition, vocabulary: Vocabulary) -> NDArray[np.uint8]:
    given = condition.tissues
    if given is None:
        return np.full(vocabulary.shape, OPEN, dtype=np.uint8)
    if not vocabulary.tissues:
        raise InputError(
            "tissues: this model was trained without a map of them; leave it out, or choose a "
            "model whose card says that it takes one."
        )
    if given.shape != vocabulary.shape:
        raise InputError(
            f"tissues: a map of {given.shape} pixels, the model's grid is of {vocabulary.shape}; "
            "bring it there."
        )
    if given.max(initial=0) > len(TISSUES):
        raise InputError(
            f"tissues: the map holds {int(given.max())}; there are 0 (open) to {len(TISSUES)} "
            f"({', '.join(TISSUES)})."
        )
    return np.asarray(given, dtype=np.uint8)


def _mapping(condition: Condition, vocabulary: Vocabulary) -> dict[str, Any]:
    mapping: dict[str, Any] = {"z": condition.z}
    words = {"contrast": (vocabulary.contrast,), **vocabulary.known_words}
    for name in WORDS:
        given, known = getattr(condition, name), words.get(name, ())
        if given is not None and given not in known:
            raise InputError(
                f"{name} {given!r}: this model knows {', '.join(known) or 'none'}; "
                f"{'choose one of them or ' if known else ''}leave it unspecified."
            )
        mapping[name] = given
    if condition.phenotypes:
        mapping["phenotypes"] = _known_phenotypes(condition.phenotypes, vocabulary)
    return mapping


def _known_phenotypes(asked: Mapping[str, float], vocabulary: Vocabulary) -> dict[str, float]:
    known = [one.name for one in vocabulary.phenotypes]
    for name, value in asked.items():
        if name not in known:
            raise InputError(
                f"phenotype {name!r}: this model knows {', '.join(known) or 'none'}; "
                f"{'choose among them or ' if known else ''}leave it open."
            )
        if not np.isfinite(value):
            raise InputError(f"phenotype {name!r}: {value:g} is no number; give one.")
    return dict(asked)
