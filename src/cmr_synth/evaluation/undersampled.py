"""Reconstructions of held-out slices measured again with less: near the fully sampled, and useful.

Every method is given the same simulated k-space. Beside the error of each slice stand the Frechet
distance of all reconstructions to all fully sampled slices in the features of the cardiac encoder,
taken as autoencoders' rFID is (between counterparts: 0 is perfect, and no figure of generators
compares with it), and the Dice of what the segmenter finds in the reconstructions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.adherence.dice import dice_by_patient
from cmr_synth.evaluation.distributions import patient_means
from cmr_synth.evaluation.realism.estimate import float_or_none
from cmr_synth.evaluation.realism.frechet import frechet_distance
from cmr_synth.evaluation.resampling import (
    drawn_rows,
    mean_interval,
    rows_of_patients,
    shifted_interval,
)
from cmr_synth.evaluation.sample import Sample, real_sample
from cmr_synth.generators.interface import Progress
from cmr_synth.judges.encoder import Encoder
from cmr_synth.judges.segmenter import Segmenter
from cmr_synth.reconstruction.acquisition import Scanner, simulated
from cmr_synth.reconstruction.methods import Method
from cmr_synth.reconstruction.quality import figures
from cmr_synth.reconstruction.sampling import Sampling

AT_ONCE = 8  # slices
DRAWS = 100  # of the interval of a Frechet distance
WHOLE = "fully sampled"

Interval = tuple[float, float, float]
"""A figure with the ends of its 95 % interval over patients."""


@dataclass(frozen=True, eq=False)
class Undersampled:
    """Every method under one way to sample.

    Parameters
    ----------
    sampling : Sampling
    figures : mapping of method to mapping of figure to Interval
        `WHOLE` is the first of the methods: what the segmenter finds in the slices themselves.
        NaN where a figure cannot be.
    slices, patients : int
    """

    sampling: Sampling
    figures: Mapping[str, Mapping[str, Interval]]
    slices: int
    patients: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "sampling": self.sampling.pattern,
            "acceleration": self.sampling.acceleration,
            "slices": self.slices,
            "patients": self.patients,
            "methods": {
                method: {
                    name: dict(
                        zip(("value", "low", "high"), map(float_or_none, found), strict=True)
                    )
                    for name, found in own.items()
                }
                for method, own in self.figures.items()
            },
        }


def undersampled(
    slices: SliceSet,
    methods: Sequence[Method],
    samplings: Sequence[Sampling],
    scanner: Scanner,
    *,
    split: str = "test",
    cohorts: Sequence[str] | None = None,
    per_patient: int | None = None,
    seed: int = 2026,
    segmenter: Segmenter | None = None,
    encoder: Encoder | None = None,
) -> Iterator[Progress | Undersampled]:
    """Measure reconstructions of the slices of a split.

    Parameters
    ----------
    slices : SliceSet
    methods : sequence of Method
    samplings : sequence of Sampling
    scanner : Scanner
    split : str
        Of patients that no model was trained on.
    per_patient : int, optional
        Slices of each, evenly over its own; by default all.
    seed : int
        Of phases, coils, noise and samples of each slice.
    segmenter, encoder : optional
        By default the bundled ones.

    Yields
    ------
    Progress or Undersampled
        Progress in slices and methods, then one result for each way to sample.

    Raises
    ------
    InputError
        If there are no slices.
    """
    real = _some(real_sample(slices, split, cohorts), per_patient)
    judges = segmenter or Segmenter.load(), encoder or Encoder.load()
    features = judges[1].features(real.pixels)
    steps = len(real) * len(methods) * len(samplings)
    done = 0
    for sampling in samplings:
        made: dict[str, list[NDArray[np.float32]]] = {method.name: [] for method in methods}
        for first in range(0, len(real), AT_ONCE):
            part = real.pixels[first : first + AT_ONCE]
            draws = [np.random.default_rng([seed, first + k]) for k in range(len(part))]
            how = [sampling] * len(part)
            acquired, _ = simulated(torch.from_numpy(part.copy()), how, scanner, draws)
            for method in methods:
                found = method.run(acquired.to(method.device)).abs().clamp(0, 1).cpu().numpy()
                made[method.name].append(found)
                done += len(part)
                yield Progress(done, steps)
        found_figures = {WHOLE: _dice(real, real.pixels, judges[0])}
        for name, parts in made.items():
            found_figures[name] = _measured(real, np.concatenate(parts), features, judges)
        count = len(np.unique(real.patients))
        yield Undersampled(sampling, found_figures, len(real), count)


def _some(real: Sample, per_patient: int | None) -> Sample:
    if per_patient is None:
        return real
    if per_patient < 1:
        raise InputError(f"{per_patient} slices of each patient; give 1 or more.")
    chosen = [
        rows[np.unique(np.linspace(0, len(rows) - 1, per_patient).round().astype(int))]
        for rows in rows_of_patients(real.patients)
    ]
    return real.take(np.sort(np.concatenate(chosen)))


def _measured(
    real: Sample,
    made: NDArray[np.float32],
    features: NDArray[np.float64],
    judges: tuple[Segmenter, Encoder],
) -> dict[str, Interval]:
    found = {
        name: _mean(patient_means(values, real.patients))
        for name, values in figures(made, real.pixels).items()
    }
    found["frechet"] = _frechet(judges[1].features(made), features, real.patients)
    return found | _dice(real, made, judges[0])


def _dice(real: Sample, pixels: NDArray[np.float32], segmenter: Segmenter) -> dict[str, Interval]:
    contours = segmenter.segment(pixels).astype(np.uint8)
    by_structure = dice_by_patient(contours, real.labels, real.patients)
    return {f"dice_{name.lower()}": _mean(values) for name, values in by_structure.items()}


def _mean(values: NDArray[np.float64]) -> Interval:
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan"), float("nan")
    return float(known.mean()), *mean_interval(known)


def _frechet(made: NDArray[np.float64], real: NDArray[np.float64], patients: NDArray) -> Interval:
    """NaN where there are fewer slices than features: their covariance would not be known."""
    if len(real) <= real.shape[1]:
        return float("nan"), float("nan"), float("nan")
    value = frechet_distance(made, real)
    rng, rows = np.random.default_rng(0), rows_of_patients(patients)
    again = []
    for _ in range(DRAWS):
        chosen = drawn_rows(rng, rows)
        again.append(frechet_distance(made[chosen], real[chosen]))
    low, high = shifted_interval(again, value)
    return value, max(low, 0.0), high
