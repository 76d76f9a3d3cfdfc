"""What a scanner's tissues look like: brightness, contrast, noise and edges, slice by slice.

A synthetic slice is plausible here if its figures lie where those of real slices of the same
vendor lie. Figures are of pixels on the model's grid, in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.evaluation.distributions import Difference, difference, patient_means
from cmr_synth.evaluation.sample import Sample

LEAST_PIXELS = 12  # of a tissue, for its figures to mean anything
BORDER_PIXELS = 1  # left out along outlines, where a pixel holds two tissues
LEAST_SLICES = 20  # of a vendor, for a range

FIGURES = {
    "lv_mean": "brightness of the LV blood pool",
    "myo_mean": "brightness of the myocardium",
    "rv_mean": "brightness of the RV blood pool",
    "contrast": "contrast of LV blood and myocardium, (LV - MYO) / (LV + MYO)",
    "noise": "noise, from the finest detail of the whole slice",
    "snr": "signal to noise, LV blood over noise",
    "cnr": "contrast to noise, LV blood less myocardium over noise",
    "edge": "sharpness of the endocardium, share of the step from blood to wall in one mm",
}
"""Every figure and what it says."""


def tissue_figures(
    pixels: NDArray[np.float64], labels: NDArray[np.uint8], spacing: float
) -> dict[str, float]:
    """Figures of one slice.

    Parameters
    ----------
    pixels : (y, x) array in [0, 1]
    labels : (y, x) uint8 array
        Engine labels, of the same size.
    spacing : float
        Pixel size in mm.

    Returns
    -------
    dict
        One for each of `FIGURES`; NaN where the tissue is too small.

    Raises
    ------
    ValueError
        If the sizes differ, or pixels are not finite.
    """
    pixels = np.asarray(pixels, dtype=np.float64)
    if pixels.ndim != 2 or pixels.shape != labels.shape:
        raise ValueError(f"pixels {pixels.shape} and labels {labels.shape} must be one slice")
    if not np.isfinite(pixels).all():
        raise ValueError("pixels hold NaN or infinite values")
    lv, myo, rv = (_mean_inside(pixels, labels == label) for label in (LV, MYO, RV))
    noise = noise_of(pixels)
    step = lv - myo
    return {
        "lv_mean": lv,
        "myo_mean": myo,
        "rv_mean": rv,
        "contrast": step / (lv + myo) if lv + myo > 0 else np.nan,
        "noise": noise,
        "snr": lv / noise if noise > 0 else np.nan,
        "cnr": step / noise if noise > 0 else np.nan,
        "edge": _edge(pixels, labels, step, spacing),
    }


def noise_of(pixels: NDArray[np.floating]) -> float:
    """Standard deviation of the noise, by the difference of two Laplacians (Immerkaer 1996).

    doi:10.1006/cviu.1996.0060, eq. 2, with the median absolute deviation in the place of the mean,
    so that edges count little. Pictures without any grain have 0.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float64)
    fine = ndimage.convolve(np.asarray(pixels, dtype=np.float64), kernel)[1:-1, 1:-1]
    return float(1.4826 * np.median(np.abs(fine)) / 6)


@dataclass(frozen=True)
class Range:
    """Where real slices lie.

    Parameters
    ----------
    low, median, high : float
        2.5th, 50th and 97.5th percentile, each patient with the same weight.
    slices, patients : int
    """

    low: float
    median: float
    high: float
    slices: int
    patients: int

    def holds(self, value: float) -> bool:
        """Whether a value lies within."""
        return self.low <= value <= self.high


def real_range(values: NDArray[np.floating], patients: NDArray) -> Range | None:
    """The range of a figure over slices, patients weighing the same; None if there are too few."""
    values = np.asarray(values, dtype=np.float64)
    known = np.isfinite(values)
    values, patients = values[known], np.asarray(patients)[known]
    if len(values) < LEAST_SLICES:
        return None
    names, place, counts = np.unique(patients, return_inverse=True, return_counts=True)
    order = np.argsort(values)
    weights = (1 / counts[place])[order]
    # middle of each slice's share of the whole, as numpy's "hazen" for equal weights
    shares = (np.cumsum(weights) - weights / 2) / weights.sum()
    low, median, high = np.interp([0.025, 0.5, 0.975], shares, values[order])
    return Range(float(low), float(median), float(high), len(values), len(names))


def within_ranges(
    figures: Mapping[str, float], ranges: Mapping[str, Range | None]
) -> dict[str, bool | None]:
    """Whether each figure of a slice lies where real ones lie; None where that is not known."""
    return {
        name: None if (known := ranges.get(name)) is None or np.isnan(value) else known.holds(value)
        for name, value in figures.items()
    }


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
    """Every figure of `FIGURES` for every slice; NaN where the tissue is too small."""
    rows = [
        tissue_figures(picture, drawn, sample.spacing)
        for picture, drawn in zip(sample.pixels, sample.labels, strict=True)
    ]
    return {name: np.array([row[name] for row in rows]) for name in FIGURES}


def tissue_sample(
    synthetic: Sample,
    held_out: Sample,
    other: Sample,
    figures: Sequence[Mapping[str, NDArray[np.float64]]] | None = None,
) -> TissueSample:
    """Compare brightness, contrast, noise and sharpness, vendor by vendor.

    Parameters
    ----------
    synthetic, held_out : Sample
    other : Sample
        Real slices of other patients, which give the ranges.
    figures : three mappings, optional
        What `figures_of` finds of the three, if it is known.
    """
    samples = (synthetic, held_out, other)
    all_figures = figures or [figures_of(sample) for sample in samples]
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


def _mean_inside(pixels: NDArray[np.float64], region: NDArray[np.bool_]) -> float:
    core = ndimage.binary_erosion(region, iterations=BORDER_PIXELS)
    # a thin wall has no core
    chosen = core if core.sum() >= LEAST_PIXELS else region
    return float(pixels[chosen].mean()) if chosen.sum() >= LEAST_PIXELS else float("nan")


def _edge(
    pixels: NDArray[np.float64], labels: NDArray[np.uint8], step: float, spacing: float
) -> float:
    """Median slope across the endocardium, over the step; the outline may be a pixel off."""
    lv, myo = labels == LV, labels == MYO
    outline = lv & ndimage.binary_dilation(myo)
    if outline.sum() < LEAST_PIXELS or not step > 0 or (labels == UNLABELLED).all():
        return float("nan")
    slope = ndimage.gaussian_gradient_magnitude(pixels, 0.5) / spacing
    around = ndimage.maximum_filter(slope, size=3)
    return float(np.median(around[outline]) / step)
