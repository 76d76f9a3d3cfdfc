"""Radiomics of one structure on one slice: first-order, texture and shape.

Definitions of the Image Biomarker Standardisation Initiative (Zwanenburg et al. 2020,
doi:10.1148/radiol.2020191145; reference manual arXiv:1612.07003), for a region in 2D: texture
matrices at distance 1 in four directions, symmetric, features averaged over directions (IBSI's "2D,
averaged"). Grey levels are fixed bins over [0, 1], so that brightness counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.evaluation.sample import Sample

VERSION = "1"  # of the feature space: another one when a figure changes
BINS = 32
LEAST_PIXELS = 12  # of a region, for texture to mean anything
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))

FIRST_ORDER = (
    "mean",
    "variance",
    "skewness",
    "kurtosis",
    "median",
    "minimum",
    "percentile_10",
    "percentile_90",
    "maximum",
    "interquartile_range",
    "range",
    "mean_absolute_deviation",
    "robust_mean_absolute_deviation",
    "root_mean_square",
)
HISTOGRAM = ("entropy", "uniformity")
COOCCURRENCE = (
    "joint_maximum",
    "joint_average",
    "joint_variance",
    "joint_entropy",
    "difference_average",
    "difference_variance",
    "difference_entropy",
    "angular_second_moment",
    "contrast",
    "inverse_difference",
    "inverse_difference_moment",
    "correlation",
)
RUNS = (
    "short_run_emphasis",
    "long_run_emphasis",
    "low_grey_level_run_emphasis",
    "high_grey_level_run_emphasis",
    "grey_level_non_uniformity_normalised",
    "run_length_non_uniformity_normalised",
    "run_percentage",
)
SHAPE = ("area", "perimeter", "circularity", "major_axis", "elongation")
FEATURES = (
    *FIRST_ORDER,
    *(f"histogram_{name}" for name in HISTOGRAM),
    *(f"cooccurrence_{name}" for name in COOCCURRENCE),
    *(f"runs_{name}" for name in RUNS),
    *(f"shape_{name}" for name in SHAPE),
)
"""Names of all features of a structure."""


def radiomics(
    pixels: NDArray[np.floating], region: NDArray[np.bool_], spacing: float
) -> dict[str, float]:
    """All features of a region.

    Parameters
    ----------
    pixels : (y, x) array in [0, 1]
    region : (y, x) bool array
    spacing : float
        Pixel size in mm.

    Returns
    -------
    dict
        One for each of `FEATURES`; all NaN for regions of less than `LEAST_PIXELS`.

    Raises
    ------
    ValueError
        If the sizes differ.
    """
    if pixels.shape != region.shape or pixels.ndim != 2:
        raise ValueError(f"pixels {pixels.shape} and region {region.shape} must be one slice")
    if np.count_nonzero(region) < LEAST_PIXELS:
        return dict.fromkeys(FEATURES, float("nan"))
    grey = grey_levels(pixels)
    parts = {
        "": first_order(pixels[region]),
        "histogram_": histogram(grey[region]),
        "cooccurrence_": cooccurrence(grey, region),
        "runs_": runs(grey, region),
        "shape_": shape(region, spacing),
    }
    return {prefix + name: value for prefix, part in parts.items() for name, value in part.items()}


def grey_levels(pixels: NDArray[np.floating], bins: int = BINS) -> NDArray[np.int64]:
    """Pixels in [0, 1] as grey levels from 1 to `bins` (IBSI 2.7, fixed bin number)."""
    levels = np.floor(np.asarray(pixels, dtype=np.float64) * bins).astype(np.int64) + 1
    return np.clip(levels, 1, bins)


def first_order(values: NDArray[np.floating]) -> dict[str, float]:
    """Intensity statistics of the pixels of a region (IBSI 3.3); kurtosis is the excess."""
    x = np.asarray(values, dtype=np.float64)
    mean, spread = x.mean(), x.std()
    centred = x - mean
    p10, p25, p50, p75, p90 = np.percentile(x, [10, 25, 50, 75, 90])
    inner = x[(x >= p10) & (x <= p90)]
    # a constant region has no shape of distribution; 0 is what IBSI sets
    unit = spread if spread > 0 else 1.0
    return {
        "mean": float(mean),
        "variance": float(spread**2),
        "skewness": float((centred**3).mean() / unit**3),
        "kurtosis": float((centred**4).mean() / unit**4 - 3) if spread > 0 else 0.0,
        "median": float(p50),
        "minimum": float(x.min()),
        "percentile_10": float(p10),
        "percentile_90": float(p90),
        "maximum": float(x.max()),
        "interquartile_range": float(p75 - p25),
        "range": float(np.ptp(x)),
        "mean_absolute_deviation": float(np.abs(centred).mean()),
        "robust_mean_absolute_deviation": float(np.abs(inner - inner.mean()).mean()),
        "root_mean_square": float(np.sqrt((x**2).mean())),
    }


def histogram(levels: NDArray[np.integer]) -> dict[str, float]:
    """Entropy in bits and uniformity of discretised intensities (IBSI 3.4)."""
    shares = np.bincount(levels) / len(levels)
    return {"entropy": _entropy(shares), "uniformity": float((shares**2).sum())}


def cooccurrence(grey: NDArray[np.integer], region: NDArray[np.bool_]) -> dict[str, float]:
    """Features of grey level co-occurrence (IBSI 3.6; Haralick et al. 1973).

    Parameters
    ----------
    grey : (y, x) integer array
        Grey levels from 1.
    region : (y, x) bool array
    """
    found = [
        _cooccurrence_features(first, second)
        for first, second in (_neighbours(grey, region, step) for step in DIRECTIONS)
        if len(first)
    ]
    return _mean(found, COOCCURRENCE)


def runs(grey: NDArray[np.integer], region: NDArray[np.bool_]) -> dict[str, float]:
    """Features of runs of equal grey level (IBSI 3.7; Galloway 1975)."""
    count = int(np.count_nonzero(region))
    found = [_run_features(*_runs(grey, region, step), count) for step in DIRECTIONS]
    return _mean(found, RUNS)


def shape(region: NDArray[np.bool_], spacing: float) -> dict[str, float]:
    """Area in mm2, perimeter and length in mm, circularity and elongation of a region in 2D."""
    from skimage.measure import perimeter_crofton

    area = float(np.count_nonzero(region)) * spacing**2
    around = float(perimeter_crofton(region, directions=4)) * spacing
    places = np.argwhere(region) * spacing
    axes = np.linalg.eigvalsh(np.cov(places.T, bias=True))[::-1].clip(min=0)
    return {
        "area": area,
        "perimeter": around,
        "circularity": float(4 * np.pi * area / around**2) if around > 0 else 0.0,
        "major_axis": float(4 * np.sqrt(axes[0])),
        "elongation": float(np.sqrt(axes[1] / axes[0])) if axes[0] > 0 else 0.0,
    }


class RadiomicsSpace:
    """Every feature of `FEATURES` for LV, myocardium and RV, on the drawn structures.

    The units differ, so that distances are taken after standardising by other real patients. A
    structure that a slice does not show has no features; the mean of real slices stands for them,
    which neither adds to a distance nor hides one.
    """

    name = "radiomics"
    hash = f"version {VERSION}"
    frechet_name, kernel_name = "Frechet distance", "kernel distance"
    standardise = True

    def features(self, sample: Sample) -> NDArray[np.float64]:
        """(n, d) features in their own units; NaN where a structure is not shown."""
        rows = [
            [
                value
                for label in STRUCTURES.values()
                for value in radiomics(picture, drawn == label, sample.spacing).values()
            ]
            for picture, drawn in zip(sample.pixels, sample.labels, strict=True)
        ]
        return np.array(rows).reshape(len(sample), len(STRUCTURES) * len(FEATURES))

    def shares(self, sample: Sample) -> None:
        """It has no classes."""
        return None


def _neighbours(
    grey: NDArray[np.integer], region: NDArray[np.bool_], step: tuple[int, int]
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Grey levels of all pairs of neighbours in one direction that both lie in the region."""
    here, there = _shifted(grey.shape, step)
    both = region[here] & region[there]
    return grey[here][both], grey[there][both]


def _shifted(size: tuple[int, ...], step: tuple[int, int]) -> tuple[tuple[slice, ...], ...]:
    here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(step, size, strict=True))
    there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(step, size, strict=True))
    return here, there


def _cooccurrence_features(
    first: NDArray[np.integer], second: NDArray[np.integer]
) -> dict[str, float]:
    size = int(max(first.max(), second.max())) + 1
    matrix = np.zeros((size, size))
    np.add.at(matrix, (first, second), 1)
    p: NDArray[np.float64] = (matrix + matrix.T) / (2 * len(first))
    i, j = np.indices(p.shape)
    apart = np.abs(i - j)
    average = float((i * p).sum())
    variance = float(((i - average) ** 2 * p).sum())
    differences = np.bincount(apart.ravel(), p.ravel()).astype(np.float64)
    k = np.arange(len(differences))
    mean = float((k * differences).sum())
    covariance = float(((i - average) * (j - average) * p).sum())
    return {
        "joint_maximum": float(p.max()),
        "joint_average": average,
        "joint_variance": variance,
        "joint_entropy": _entropy(p.ravel()),
        "difference_average": mean,
        "difference_variance": float(((k - mean) ** 2 * differences).sum()),
        "difference_entropy": _entropy(differences),
        "angular_second_moment": float((p**2).sum()),
        "contrast": float((apart**2 * p).sum()),
        "inverse_difference": float((p / (1 + apart)).sum()),
        "inverse_difference_moment": float((p / (1 + apart**2)).sum()),
        "correlation": covariance / variance if variance > 0 else 1.0,
    }


def _runs(
    grey: NDArray[np.integer], region: NDArray[np.bool_], step: tuple[int, int]
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Grey level and length of every run in one direction."""
    here, there = _shifted(grey.shape, step)
    level = np.where(region, grey, 0)
    goes_on = np.zeros(grey.shape, dtype=bool)  # into the next pixel
    goes_on[here] = region[here] & region[there] & (grey[here] == grey[there])
    begins = region.copy()
    begins[there] &= ~goes_on[here]
    at = np.argwhere(begins)
    values = level[begins]
    length_of = np.ones(len(at), dtype=np.int64)
    alive = np.arange(len(at))
    while len(alive):
        alive = alive[goes_on[tuple(at[alive].T)]]
        at[alive] += step
        length_of[alive] += 1
    return values, length_of


def _run_features(
    levels: NDArray[np.integer], lengths: NDArray[np.integer], pixels: int
) -> dict[str, float]:
    i, j = levels.astype(np.float64), lengths.astype(np.float64)
    total = len(i)
    return {
        "short_run_emphasis": float((1 / j**2).mean()),
        "long_run_emphasis": float((j**2).mean()),
        "low_grey_level_run_emphasis": float((1 / i**2).mean()),
        "high_grey_level_run_emphasis": float((i**2).mean()),
        "grey_level_non_uniformity_normalised": float(((np.bincount(levels) / total) ** 2).sum()),
        "run_length_non_uniformity_normalised": float(((np.bincount(lengths) / total) ** 2).sum()),
        "run_percentage": total / pixels,
    }


def _entropy(shares: NDArray[np.floating]) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def _mean(found: list[dict[str, float]], names: tuple[str, ...]) -> dict[str, float]:
    if not found:
        return dict.fromkeys(names, float("nan"))
    return {name: float(np.mean([one[name] for one in found])) for name in names}
