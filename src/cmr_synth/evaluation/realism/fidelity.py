"""Distribution metrics of one set of synthetic slices in one feature space, beside real patients'.

Every figure of the synthetic slices has a counterpart of real slices of other patients, of the same
number, on the same side of the comparison: the floor. A model cannot be expected to come nearer to
the held-out patients than other real patients do.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.evaluation.realism.class_score import CLUSTERS, Clusters, class_score
from cmr_synth.evaluation.realism.coverage import NEIGHBOURS, Coverage, coverage, standardised
from cmr_synth.evaluation.realism.frechet import (
    frechet_distance,
    frechet_interval,
    matched_rows,
    real_floor,
)
from cmr_synth.evaluation.realism.kernel import KernelDistance, kernel_distance
from cmr_synth.evaluation.realism.spaces import Space
from cmr_synth.evaluation.sample import Sample, require_disjoint

LEAST_SLICES = 3 * CLUSTERS
FLOOR_DRAWS = 20


@dataclass(frozen=True)
class Frechet:
    """A Frechet distance with its floor.

    Parameters
    ----------
    value, low, high : float
        With the 95 % interval, patients drawn with replacement.
    floor, floor_sd : float
        Mean and standard deviation over draws of other real patients, of the same number of slices.
    ratio : float
        `value` over `floor`.
    ratio_low, ratio_high : float
        The interval over the mean floor.
    """

    value: float
    low: float
    high: float
    floor: float
    floor_sd: float
    ratio: float
    ratio_low: float
    ratio_high: float


@dataclass(frozen=True)
class Fidelity:
    """All distribution metrics in one space.

    Parameters
    ----------
    space, hash : str
        Name of the feature space and what identifies it.
    frechet_name, kernel_name : str
    dimensions : int
    slices, patients : int
        On either side; of the real one.
    frechet : Frechet or None
        None with fewer slices than `slices_needed`.
    slices_needed : int
        For a covariance of full rank: one more than there are dimensions.
    kernel, kernel_floor : KernelDistance
        Synthetic against held-out, other real against held-out.
    coverage, real_coverage : Coverage
    class_score, real_class_score : float
    classes : str
        What the classes of the score are.
    notes : tuple of str
        What a reader must know: slices left out, distances not taken.
    """

    space: str
    hash: str
    frechet_name: str
    kernel_name: str
    dimensions: int
    slices: int
    patients: int
    frechet: Frechet | None
    slices_needed: int
    kernel: KernelDistance
    kernel_floor: KernelDistance
    coverage: Coverage
    real_coverage: Coverage
    class_score: float
    real_class_score: float
    classes: str
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; NaN becomes None."""
        return {k: _plain(v) for k, v in asdict(self).items()}


def fidelity(
    synthetic: Sample, held_out: Sample, other: Sample, space: Space, *, seed: int = 0
) -> Fidelity:
    """Compare synthetic slices with those of held-out patients.

    Parameters
    ----------
    synthetic : Sample
        Its rows name the patients whose masks were taken.
    held_out : Sample
        Real slices of patients that no model has seen.
    other : Sample
        Real slices of other patients, such as training patients; for the floor.
    seed : int
        Of cuts to equal size and of resampling.

    Raises
    ------
    InputError
        If a set is too small, of one patient only, of another size of picture, or `other` shares
        patients with `held_out`.
    """
    require_disjoint(other, held_out)
    _require_enough(synthetic, held_out, other)
    notes = []
    size = min(len(synthetic), len(held_out), len(other))
    if size < max(len(synthetic), len(held_out)):
        notes.append(
            f"cut to {size} slices on each side, whole patients in random order: distances of "
            "unequal sizes do not compare"
        )
    synthetic, held_out = (_cut(sample, size, seed) for sample in (synthetic, held_out))
    real, made, more = (space.features(sample) for sample in (held_out, synthetic, other))
    if space.standardise:
        real, made, more = _standardised(real, made, more)
    for sample, features in ((held_out, real), (synthetic, made), (other, more)):
        if not np.isfinite(features).all():
            raise InputError(
                f"{sample.name}: the {space.name} has features that are not finite; look at its "
                "pictures."
            )
    needed = real.shape[1] + 1
    frechet = None
    if size >= needed:
        frechet = _frechet(made, real, more, synthetic, held_out, other)
    else:
        notes.append(
            f"no {space.frechet_name}: {space.name} has {real.shape[1]} features, which need "
            f"{needed} slices on each side and there are {size}; read the {space.kernel_name}, "
            "which is unbiased at any size"
        )
    rows = matched_rows(other.patients, size, seed=seed)
    scaled = [standardised(x, real) for x in (real, made, more)]
    shares = [space.shares(sample) for sample in (synthetic, held_out)]
    if shares[0] is None or shares[1] is None:
        clusters = Clusters(more, seed=seed)
        scores = [class_score(clusters.shares(x)) for x in (made, real)]
        classes = f"{CLUSTERS} clusters of other real pictures"
    else:
        scores = [class_score(share) for share in shares if share is not None]
        classes = "classes of ImageNet"
    return Fidelity(
        space=space.name,
        hash=space.hash,
        frechet_name=space.frechet_name,
        kernel_name=space.kernel_name,
        dimensions=real.shape[1],
        slices=size,
        patients=len(np.unique(held_out.patients)),
        frechet=frechet,
        slices_needed=needed,
        kernel=kernel_distance(scaled[1], scaled[0], synthetic.patients, held_out.patients),
        kernel_floor=kernel_distance(
            scaled[2][rows], scaled[0], other.patients[rows], held_out.patients
        ),
        coverage=coverage(scaled[0], scaled[1]),
        real_coverage=coverage(scaled[0], scaled[2][rows]),
        class_score=scores[0],
        real_class_score=scores[1],
        classes=classes,
        notes=tuple(notes),
    )


def _frechet(
    made: NDArray[np.float64],
    real: NDArray[np.float64],
    more: NDArray[np.float64],
    synthetic: Sample,
    held_out: Sample,
    other: Sample,
) -> Frechet:
    value = frechet_distance(made, real)
    low, high = frechet_interval(made, real, synthetic.patients, held_out.patients)
    floor = real_floor(more, other.patients, real, draws=FLOOR_DRAWS)
    mean = float(floor.mean())
    # no distance between different patients is nought, but duplicated data may have it so
    ratios = [v / mean if mean > 0 else float("nan") for v in (value, low, high)]
    return Frechet(value, low, high, mean, float(floor.std()), *ratios)


def _require_enough(*samples: Sample) -> None:
    shapes = {sample.pixels.shape[1:] for sample in samples}
    if len(shapes) > 1:
        listed = ", ".join(f"{s.name} {s.pixels.shape[2]} x {s.pixels.shape[1]}" for s in samples)
        raise InputError(f"pictures differ in size ({listed}); bring all to the same grid.")
    for sample in samples:
        if len(sample) < max(LEAST_SLICES, NEIGHBOURS + 1):
            raise InputError(
                f"{sample.name}: has {len(sample)} slices; distribution metrics need "
                f"{LEAST_SLICES} at least."
            )
        if len(np.unique(sample.patients)) < 2:
            raise InputError(
                f"{sample.name}: all slices are of one patient ({sample.patients[0]}); intervals "
                "are over patients and need two at least, better twenty."
            )


def _cut(sample: Sample, size: int, seed: int) -> Sample:
    if len(sample) == size:
        return sample
    return sample.take(np.sort(matched_rows(sample.patients, size, seed=seed)))


def _standardised(
    real: NDArray[np.float64], made: NDArray[np.float64], more: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """In standard deviations of other real patients; their mean, 0, in the place of NaN."""
    # a feature that no other real slice has says nothing
    known = np.isfinite(more).any(axis=0)
    real, made, more = real[:, known], made[:, known], more[:, known]
    mean, spread = np.nanmean(more, axis=0), np.nanstd(more, axis=0)
    spread[spread == 0] = 1
    scaled = [(x - mean) / spread for x in (real, made, more)]
    return tuple(np.where(np.isnan(x), 0.0, x) for x in scaled)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
