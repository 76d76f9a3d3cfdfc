"""Tissue of synthetic slices on the range of real slices of the same vendor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.distributions import Difference, difference, patient_means
from cmr_synth.evaluation.realism.tissue import FIGURES, Range, real_range, tissue_figures
from cmr_synth.evaluation.sample import Sample


@dataclass(frozen=True)
class TissueFigure:
    """One figure of the slices of one vendor.

    Parameters
    ----------
    vendor, figure : str
    range : Range
        Of other real patients' slices: 95 % of them lie within.
    inside, real_inside : float
        Share of the synthetic and of the held-out real slices within, mean over patients.
    difference : Difference or None
        Of synthetic and held-out patients; None with fewer than two on a side.
    """

    vendor: str
    figure: str
    range: Range
    inside: float
    real_inside: float
    difference: Difference | None


@dataclass(frozen=True)
class TissueSample:
    """All figures of all vendors."""

    figures: Sequence[TissueFigure]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def figures_of(sample: Sample) -> dict[str, NDArray[np.float64]]:
    """Every figure of `tissue.FIGURES` for every slice; NaN where the tissue is too small."""
    rows = [
        tissue_figures(picture, drawn, sample.spacing)
        for picture, drawn in zip(sample.pixels, sample.labels, strict=True)
    ]
    return {name: np.array([row[name] for row in rows]) for name in FIGURES}


def tissue_sample(synthetic: Sample, held_out: Sample, other: Sample) -> TissueSample:
    """Compare brightness, contrast, noise and sharpness, vendor by vendor.

    Parameters
    ----------
    synthetic, held_out : Sample
    other : Sample
        Real slices of other patients, which give the ranges.
    """
    all_figures = [figures_of(sample) for sample in (synthetic, held_out, other)]
    samples = (synthetic, held_out, other)
    found = []
    for vendor in np.unique(np.concatenate([synthetic.vendors, held_out.vendors])):
        rows = [sample.vendors == vendor for sample in samples]
        patients = [sample.patients[r] for sample, r in zip(samples, rows, strict=True)]
        for name in FIGURES:
            made, real, more = (f[name][r] for f, r in zip(all_figures, rows, strict=True))
            known = real_range(more, patients[2])
            if known is None or not (np.isfinite(made).any() and np.isfinite(real).any()):
                continue
            found.append(
                TissueFigure(
                    vendor=str(vendor),
                    figure=name,
                    range=known,
                    inside=_inside(made, patients[0], known),
                    real_inside=_inside(real, patients[1], known),
                    difference=difference(real, patients[1], made, patients[0]),
                )
            )
    return TissueSample(found)


def _inside(values: NDArray[np.float64], patients: NDArray, known: Range) -> float:
    within = (values >= known.low) & (values <= known.high)
    shares = patient_means(np.where(np.isfinite(values), within, np.nan), patients)
    return float(shares.mean()) if len(shares) else float("nan")
