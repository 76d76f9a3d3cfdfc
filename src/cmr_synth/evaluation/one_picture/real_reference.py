"""What is usual among real slices, as shipped: ranges and distances, and no patient's data.

Aggregates over training patients of three data sets, so that a single synthetic slice can be judged
on a laptop without any data: percentiles of tissue figures by vendor, of measurements, of what the
segmenter reaches on real slices, and a Gaussian of the encoder's features with the percentiles of
real patients' distances to it. `tools/measure_real_reference.py` writes the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.errors import InputError
from cmr_synth.evaluation.adherence.anatomy import measures_of
from cmr_synth.evaluation.adherence.patients import patient_scores
from cmr_synth.evaluation.distributions import MEASURES
from cmr_synth.evaluation.realism.tissue import FIGURES, LEAST_SLICES, figures_of
from cmr_synth.evaluation.sample import Sample

FILE = Path(__file__).resolve().parents[2] / "data" / "real_reference.npz"
SHARES = np.linspace(0, 100, 101)
FOLDS = 10
SHRINKAGE = 0.1  # of the covariance towards its diagonal: slices of a patient are alike
ALL = "all"


@dataclass(frozen=True, eq=False)
class RealReference:
    """Percentiles 0 to 100 of real slices, each (101,) and in ascending order.

    Parameters
    ----------
    vendors : tuple of str
        "all" first.
    tissue : (vendors, figures, 101) array
        Of `tissue.FIGURES`; NaN where a vendor has too few slices.
    measures : (measures, 101) array
        Of `distributions.MEASURES`.
    dice : (structures, 101) array
        Of single slices, segmenter against drawing, of patients it was not trained on.
    distances : (vendors, 101) array
        Of real slices to a Gaussian of the encoder's features of other patients.
    mean : (d,) array
    whitening : (d, d) array
        |whitening (x - mean)| is the Mahalanobis distance.
    encoder, segmenter : str
        SHA-256 of the weights that measured.
    patients, slices : int
    """

    vendors: tuple[str, ...]
    tissue: NDArray[np.float32]
    measures: NDArray[np.float32]
    dice: NDArray[np.float32]
    distances: NDArray[np.float32]
    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    encoder: str
    segmenter: str
    patients: int
    slices: int

    def tissue_of(self, figure: str, vendor: str) -> NDArray[np.float32]:
        """Percentiles of a tissue figure; of all vendors where this one is not known well."""
        found = self.tissue[self._vendor(vendor), list(FIGURES).index(figure)]
        return found if np.isfinite(found).all() else self.tissue[0, list(FIGURES).index(figure)]

    def measure(self, name: str) -> NDArray[np.float32]:
        """Percentiles of a measurement."""
        found: NDArray[np.float32] = self.measures[list(MEASURES).index(name)]
        return found

    def dice_of(self, structure: str) -> NDArray[np.float32]:
        """Percentiles of a structure's Dice on real slices."""
        found: NDArray[np.float32] = self.dice[list(STRUCTURES).index(structure)]
        return found

    def distance(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mahalanobis distance of (n, d) features to real ones."""
        off = (np.asarray(features, dtype=np.float64) - self.mean) @ self.whitening.T
        found: NDArray[np.float64] = np.linalg.norm(off, axis=1)
        return found

    def distances_of(self, vendor: str) -> NDArray[np.float32]:
        """Percentiles of real slices' distances."""
        found = self.distances[self._vendor(vendor)]
        return found if np.isfinite(found).all() else self.distances[0]

    def _vendor(self, vendor: str) -> int:
        return self.vendors.index(vendor) if vendor in self.vendors else 0


def percentile_of(value: float, percentiles: NDArray[np.floating]) -> float:
    """Where a value stands among real ones, 0 to 100; NaN for NaN."""
    if not np.isfinite(value) or not np.isfinite(percentiles).all():
        return float("nan")
    below = (
        np.searchsorted(percentiles, value, "left"),
        np.searchsorted(percentiles, value, "right"),
    )
    if below[0] < below[1]:  # equal to some
        return float((SHARES[below[0]] + SHARES[below[1] - 1]) / 2)
    return float(np.interp(value, percentiles, SHARES))


def load_real_reference(file: Path = FILE) -> RealReference:
    """Read the shipped file.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name]) for name in stored.files}
        return RealReference(
            vendors=tuple(str(v) for v in arrays.pop("vendors")),
            encoder=str(arrays.pop("encoder")),
            segmenter=str(arrays.pop("segmenter")),
            patients=int(arrays.pop("patients")),
            slices=int(arrays.pop("slices")),
            **{name: array.astype(np.float32) for name, array in arrays.items()},
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: cannot be read ({error}); install the program again.") from error


def measure_real_reference(
    training: Sample,
    held_out: Sample,
    found: NDArray[np.uint8],
    features: NDArray[np.float64],
    *,
    encoder: str,
    segmenter: str,
) -> RealReference:
    """Take the aggregates.

    Parameters
    ----------
    training : Sample
        For ranges and distances.
    held_out : Sample
        Patients the segmenter was not trained on, for its Dice, with
    found : (n, y, x) uint8 array
        what it finds in them.
    features : (n, d) array
        The encoder's, of `training`.
    encoder, segmenter : str
        SHA-256 of the weights.
    """
    vendors = (ALL, *(str(v) for v in np.unique(training.vendors) if v))
    rows = [np.ones(len(training), bool), *(training.vendors == v for v in vendors[1:])]
    figures = figures_of(training)
    drawn = measures_of(training, training.labels)
    mean, whitening = _gaussian(features)
    left_out = _distances_left_out(features, training.patients)
    by_slice = patient_scores(
        found,
        Sample(
            held_out.name,
            held_out.pixels,
            held_out.labels,
            # every slice as a patient of its own
            tuple(
                type(row)(**{**vars(row), "patient": str(i)}) for i, row in enumerate(held_out.rows)
            ),
            held_out.spacing,
        ),
    )
    dice = {
        s: np.array([o.dice for o in by_slice if o.structure == s and o.level == "all"])
        for s in STRUCTURES
    }
    return RealReference(
        vendors=vendors,
        tissue=np.stack([[_percentiles(figures[f][r]) for f in FIGURES] for r in rows]),
        measures=np.stack([_percentiles(drawn[name]) for name in MEASURES]),
        dice=np.stack([_percentiles(dice[s]) for s in STRUCTURES]),
        distances=np.stack([_percentiles(left_out[r]) for r in rows]),
        mean=mean.astype(np.float32),
        whitening=whitening.astype(np.float32),
        encoder=encoder,
        segmenter=segmenter,
        patients=len(np.unique(training.patients)),
        slices=len(training),
    )


def _percentiles(values: NDArray[np.floating]) -> NDArray[np.float32]:
    known = values[np.isfinite(values)]
    if len(known) < LEAST_SLICES:
        return np.full(len(SHARES), np.nan, np.float32)
    found: NDArray[np.float32] = np.percentile(known, SHARES).astype(np.float32)
    # single extreme patients are not shipped
    found[0], found[-1] = np.percentile(known, [0.5, 99.5])
    return np.maximum.accumulate(found)


def _gaussian(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    covariance = np.cov(x.T)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance)
    floor = values.max() * 1e-6
    return x.mean(axis=0), (vectors / np.sqrt(np.maximum(values, floor))) @ vectors.T


def _distances_left_out(x: NDArray[np.float64], patients: NDArray) -> NDArray[np.float64]:
    """Distance of each slice to the Gaussian of patients of other folds."""
    names = np.random.default_rng(0).permutation(np.unique(patients))
    found = np.zeros(len(x))
    for fold in range(FOLDS):
        own = np.isin(patients, names[fold::FOLDS])
        mean, whitening = _gaussian(x[~own])
        found[own] = np.linalg.norm((x[own] - mean) @ whitening.T, axis=1)
    return found
