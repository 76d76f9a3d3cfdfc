"""The interface of every generator: conditions and a seed in, progress and then images out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from cmr_synth.generators.noise import Index
    from cmr_synth.generators.probing import Probe
    from cmr_synth.generators.vocabulary import Vocabulary

TAKES = {
    "mask": "it draws the anatomy of a mask",
    "vendor": "it knows scanner vendors",
    "phase": "it knows phases of the heartbeat",
    "pathology": "it knows pathologies",
    "cohort": "it knows data sets, whose patients and hospitals it can be asked for",
    "contrast": "it makes several contrasts, such as cine and late enhancement",
    "z": "it knows where between base and apex a slice lies",
    "phenotypes": "it knows measurements of hearts, such as the ejection fraction",
    "tissues": "it takes a map of the tissues around the heart",
    "reference": "it takes over the look of a picture",
    "layout": "it keeps the layout of a picture",
    "prompt": "it reads text",
    "steps": "its pictures depend on the number of steps",
    "guidance": "its conditions can be stressed",
    "sampler": "it has samplers to choose from",
}
"""What a family can declare in `Generator.takes`: the fields of a `Condition` that count for it,
and the options of `Generator.sample`. Which vendors, phases, pathologies, cohorts and contrasts a
model knows stands on its card."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What one image shall show; None means unspecified.

    Parameters
    ----------
    mask : (rows, columns) uint8 array, optional
        Engine labels on the model's working grid in canonical orientation. 255 leaves a pixel
        open; None leaves the whole anatomy open.
    vendor, phase, pathology, cohort, contrast : str, optional
        Among those the model knows.
    z : float, optional
        Slice position, 0 at the base and 1 at the apex.
    phenotypes : mapping, optional
        Of the heart that is shown: keys of `cmr_synth.anatomy.phenotypes.PHENOTYPES` to numbers in
        their units, such as ``{"ef": 35}``; those that are not named are open.
    tissues : (rows, columns) uint8 array, optional
        On the model's working grid, what lies around the heart: 1 and more as numbered by
        `cmr_synth.anatomy.surroundings.TISSUES`, 0 where it is open. None leaves all of it open.
    reference : (rows, columns) float32 array in [0, 1], optional
        A real picture on the model's working grid. Its look (contrast, brightness, grain) is taken
        over without training; the anatomy stays that of the mask.
    reference_strength : float in [0, 1]
        How much of the reference's look; 0 is as without it.
    layout : (rows, columns) float32 array in [0, 1], optional
        A real picture on the model's working grid whose coarse structures are kept, so that its
        anatomy comes out in the looks that the other conditions ask for.
    layout_pixels : float
        Kept is what is coarser: the standard deviation of a Gaussian, in pixels of the grid.
    prompt : str, optional
        For models that read text.
    """

    mask: NDArray[np.uint8] | None = None
    vendor: str | None = None
    phase: str | None = None
    pathology: str | None = None
    cohort: str | None = None
    contrast: str | None = None
    z: float | None = None
    phenotypes: Mapping[str, float] | None = None
    tissues: NDArray[np.uint8] | None = None
    reference: NDArray[np.float32] | None = None
    reference_strength: float = 0.5
    layout: NDArray[np.float32] | None = None
    layout_pixels: float = 2.0
    prompt: str | None = None

    def known_to(self, takes: Collection[str]) -> Condition:
        """The part that a family takes: for what is known of a slice and nobody asked for.

        What somebody asked for is given as it is, so that the family refuses what it does not take.
        """
        beyond: dict[str, Any] = {name: None for name in self.stated if name not in takes}
        return replace(self, **beyond)

    @property
    def stated(self) -> tuple[str, ...]:
        """Words of `TAKES` that are specified."""
        words = ("vendor", "phase", "pathology", "cohort", "contrast")
        names = ("mask", *words, "z", "tissues", "reference", "layout")
        given = [name for name in names if getattr(self, name) is not None]
        given += ["phenotypes"] if self.phenotypes else []
        return (*given, "prompt") if self.prompt else tuple(given)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How pictures are made, whatever they show; the options of `Generator.sample` in one value.

    Parameters
    ----------
    seed : int
    indices : tuple of int or Mixed
        What decides the noise of each image; see `cmr_synth.generators.noise`.
    steps, guidance, sampler : optional
        None where nothing was asked for.
    """

    seed: int
    indices: tuple[Index, ...]
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None


@dataclass(frozen=True)
class Progress:
    """`step` of `steps` network evaluations are done."""

    step: int
    steps: int


@dataclass(frozen=True)
class Images:
    """The result: pixels (n, rows, columns), float32 in [0, 1], in the order of the conditions."""

    pixels: NDArray[np.float32]


class Generator(Protocol):
    """A loaded model of any family."""

    @property
    def takes(self) -> frozenset[str]:
        """The words of `TAKES` that hold for the family; an attribute of its class.

        Whatever is not among them is refused by `sample`, but for the steps.
        """
        ...

    @property
    def config(self) -> Vocabulary:
        """Grid, words and settings of its networks, as in `config.json`."""
        ...

    @property
    def device(self) -> torch.device:
        """Where its networks are."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the working grid."""
        ...

    @property
    def probe(self) -> Probe:
        """What it lays open for a membership attack; see `cmr_synth.generators.probing`."""
        ...

    def sample(
        self,
        conditions: Sequence[Condition],
        *,
        seed: int,
        indices: Sequence[Index] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
    ) -> Iterator[Progress | Images]:
        """Yield progress, then the images.

        Image i depends on its condition, `seed` and its index (its place in `conditions`
        unless `indices` says otherwise) alone, never on the rest of the batch. What a family does
        not declare in `takes` (a sampler, guidance, a reference) is refused, never ignored; only
        steps are ignored, by those that take one.

        Raises
        ------
        InputError
            If a condition or sampler is none the model knows, naming those it does.
        """
        ...
