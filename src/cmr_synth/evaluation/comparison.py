"""Several models on the same held-out masks, with the same seed: one row of figures each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.cost import Cost, cost
from cmr_synth.evaluation.held_out import (
    SEED,
    Quality,
    follows_masks,
    generate,
    quality,
    real_slices,
)
from cmr_synth.evaluation.realism.coverage import Coverage, coverage, standardised
from cmr_synth.evaluation.realism.frechet import real_floor
from cmr_synth.evaluation.realism.variety import pairwise_ms_ssim, seed_similarity
from cmr_synth.evaluation.resampling import matched_rows
from cmr_synth.generators.interface import Progress
from cmr_synth.generators.zoo import Model, load
from cmr_synth.judges.segmenter import Segmenter

SHOWN = 6  # masks on the sheet


@dataclass(frozen=True, eq=False)
class Row:
    """One model.

    Parameters
    ----------
    name, family, sha256 : str
    quality : Quality
        Its adherence is empty for a family that follows no mask.
    coverage : Coverage
        Beside `Protocol.coverage`.
    similarity : float or None
        Mean MS-SSIM of pictures of one mask with different seeds; None without masks.
    cost : Cost
    images_seen, minutes : training, from the card
    steps : int or None
    pictures : (SHOWN, y, x) array
        Counterparts of the protocol's masks.
    """

    name: str
    family: str
    sha256: str
    quality: Quality
    coverage: Coverage
    similarity: float | None
    cost: Cost
    images_seen: int
    minutes: float
    steps: int | None
    pictures: NDArray[np.float32]

    def as_dict(self) -> dict[str, Any]:
        """Everything but the pictures."""
        return {k: v for k, v in asdict(self).items() if k != "pictures"}


@dataclass(frozen=True, eq=False)
class Protocol:
    """What all models are measured on, and how real pictures fare there.

    Parameters
    ----------
    patients, slices : int
        Held-out.
    coverage : Coverage
        Real training against real held-out pictures, of equal size.
    similarity : float
        Mean MS-SSIM of different real patients at the same level.
    masks, pictures : (SHOWN, y, x) arrays
        Of different patients, with the real pictures.
    """

    split: str
    cohorts: tuple[str, ...]
    seed: int
    patients: int
    slices: int
    segmenter: str
    coverage: Coverage
    similarity: float
    masks: NDArray[np.uint8]
    pictures: NDArray[np.float32]

    def as_dict(self) -> dict[str, Any]:
        """Everything but masks and pictures."""
        return {k: v for k, v in asdict(self).items() if k not in ("masks", "pictures")}


class Comparison:
    """The protocol, prepared once for all models.

    Parameters
    ----------
    slices : SliceSet
    split : str
        Whose patients no model has been trained with.
    cohorts : sequence of str
        With all three structures drawn.
    seed : int

    Raises
    ------
    InputError
        If the split holds too few slices, or fewer are for training.
    """

    def __init__(
        self,
        slices: SliceSet,
        *,
        split: str = "test",
        cohorts: Sequence[str] = ("acdc",),
        seed: int = SEED,
        segmenter: Segmenter | None = None,
    ):
        self.slices, self.seed = slices, seed
        self.index = slices.where(split=split, cohorts=cohorts)
        patients = {slices.rows[i].patient for i in self.index}
        if len(patients) < 2 or len(self.index) < SHOWN + 1:
            raise InputError(
                f"the slice set has {len(self.index)} {split} slices of {len(patients)} patients "
                f"of {', '.join(cohorts)}; a comparison needs {SHOWN + 1} slices of 2 patients. "
                "Prepare it from more patients, or name another split."
            )
        self.held_out = real_slices(slices, split, cohorts)
        self.training = real_slices(slices, "train", cohorts)
        if len(self.training.pixels) < len(self.held_out.pixels):
            raise InputError(
                f"the slice set has {len(self.training.pixels)} training slices of "
                f"{', '.join(cohorts)} for {len(self.held_out.pixels)} {split} slices; the "
                "distance between real pictures needs as many. Prepare it from more patients."
            )
        self.segmenter = segmenter or Segmenter.load()
        self.real = self.segmenter.features(self.held_out.pixels)
        real_training = self.segmenter.features(self.training.pixels)
        self.floor = real_floor(real_training, self.training.patients, self.real)
        middle = self._one_a_patient()
        self.shown = middle[np.linspace(0, len(middle) - 1, SHOWN).astype(int)]
        self.repeated = self.shown[::2]
        pixels, masks = slices.crop(self.shown)
        others, _ = slices.crop(middle)
        self.protocol = Protocol(
            split=split,
            cohorts=tuple(cohorts),
            seed=seed,
            patients=len(patients),
            slices=len(self.index),
            segmenter=self.segmenter.hash,
            coverage=self._real_coverage(real_training),
            similarity=float(pairwise_ms_ssim(others).mean()),
            masks=masks,
            pictures=pixels,
        )

    def rows(
        self, folder: Path, name: str, *, steps: int | None = None
    ) -> Iterator[Progress | Row]:
        """Measure one model folder: yields progress over its slices, then its row."""
        model: Model = load(folder)
        steps = steps or model.card.default_steps
        made: list[NDArray[np.float32]] = []
        done = 0
        for pictures in generate(
            model.generator, self.slices, self.index, seed=self.seed, steps=steps
        ):
            made.append(pictures)
            done += len(pictures)
            yield Progress(done, len(self.index))
        synthetic = np.concatenate(made)
        masked = follows_masks(model.generator)
        found = quality(
            synthetic,
            self.held_out,
            self.training,
            self.segmenter,
            masked=masked,
            floor=self.floor,
        )
        features = self.segmenter.features(synthetic)
        chosen = [int(np.flatnonzero(self.index == i)[0]) for i in self.shown]
        yield Row(
            name=name,
            family=model.card.family,
            sha256=model.card.sha256,
            quality=found,
            coverage=coverage(
                standardised(self.real, self.real), standardised(features, self.real)
            ),
            similarity=seed_similarity(
                model.generator, self.slices, self.repeated, seed=self.seed, steps=steps
            )
            if masked
            else None,
            cost=cost(folder, steps=steps),
            images_seen=model.card.training.images_seen,
            minutes=model.card.training.minutes,
            steps=steps,
            pictures=synthetic[chosen],
        )

    def _one_a_patient(self) -> NDArray[np.int64]:
        """A slice near the middle of each patient's heart."""
        best: dict[str, tuple[float, int]] = {}
        for i in self.index:
            row = self.slices.rows[i]
            off = abs((0.5 if row.z is None else float(row.z)) - 0.5)
            best[row.patient] = min(best.get(row.patient, (np.inf, 0)), (off, int(i)))
        return np.array([i for _, i in best.values()])

    def _real_coverage(self, features: NDArray[np.float64]) -> Coverage:
        rows = matched_rows(self.training.patients, len(self.real), seed=0)
        return coverage(standardised(self.real, self.real), standardised(features[rows], self.real))
