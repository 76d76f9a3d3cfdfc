"""Distribution metrics of one set of synthetic slices in one feature space, beside real patients'.

Every figure of the synthetic slices has a counterpart of real slices of other patients, of the same
number, on the same side of the comparison: the floor. A model cannot be expected to come nearer to
held-out patients than other real patients do. Synthetic slices never stand beside the real slices
of the patients whose masks they follow, who would be nearer than any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cmr_synth.errors import InputError
from cmr_synth.evaluation.realism.class_score import CLUSTERS
from cmr_synth.evaluation.realism.coverage import NEIGHBOURS
from cmr_synth.evaluation.realism.estimate import Estimate, float_or_none
from cmr_synth.evaluation.realism.halves import LEAST_PATIENTS
from cmr_synth.evaluation.realism.in_features import classes, slices_needed
from cmr_synth.evaluation.realism.metrics import Found, measure, usable
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.evaluation.realism.spaces import Space
from cmr_synth.evaluation.resampling import matched_rows
from cmr_synth.evaluation.sample import Sample, require_disjoint

LEAST_SLICES = 3 * CLUSTERS


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
    slices_needed : int
        For a Frechet distance.
    estimates : mapping of name of a metric to Estimate
        Those of the table that need features, in its order.
    classes : str
        What the classes of the score are.
    notes : tuple of str
        What a reader must know: slices left out, distances not taken.
    remarks : tuple of str
        A line for each metric of a third party that is at fault.
    """

    space: str
    hash: str
    frechet_name: str
    kernel_name: str
    dimensions: int
    slices: int
    patients: int
    slices_needed: int
    estimates: Mapping[str, Estimate]
    classes: str
    notes: tuple[str, ...]
    remarks: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; NaN becomes None.

        Every metric is under its name in `metrics`; `frechet`, `kernel`, `coverage` and the class
        score are grouped as well, as programs that read reports know them.
        """
        return {
            "space": self.space,
            "hash": self.hash,
            "frechet_name": self.frechet_name,
            "kernel_name": self.kernel_name,
            "dimensions": self.dimensions,
            "slices": self.slices,
            "patients": self.patients,
            "slices_needed": self.slices_needed,
            **_grouped(self.estimates),
            "classes": self.classes,
            "notes": list(self.notes),
            "metrics": {name: one.as_dict() for name, one in self.estimates.items()},
        }


def fidelity(
    synthetic: Sample,
    held_out: Sample,
    other: Sample,
    space: Space,
    *,
    again: Sample | None = None,
    seed: int = 0,
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
    again : Sample, optional
        What the same generator makes with other noise, slice by slice as `synthetic`; for the null.
    seed : int
        Of cuts to equal size and of resampling.

    Raises
    ------
    InputError
        If a set has too few slices or patients, or another size of picture, or `other` shares
        patients with `held_out`.
    ValueError
        If `again` has other rows than `synthetic`.
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
    if again is not None:
        if again.rows != synthetic.rows:
            raise ValueError(f"{again.name} has not the rows of {synthetic.name}")
        again = _cut(again, size, seed)
    synthetic, held_out = (_cut(sample, size, seed) for sample in (synthetic, held_out))
    _require_enough(synthetic, held_out)  # cut to size they may have fewer patients
    sets = Sets(synthetic, held_out, other, space, seed, again)
    chosen, faults = usable(("features", "pixels"))
    *_, found = measure(sets, chosen)
    assert isinstance(found, Found)
    return Fidelity(
        space=space.name,
        hash=space.hash,
        frechet_name=space.frechet_name,
        kernel_name=space.kernel_name,
        dimensions=sets.features.real.shape[1],
        slices=size,
        patients=sets.patients,
        slices_needed=slices_needed(sets.features.real),
        estimates=found.estimates,
        classes=sets.once(classes).words,
        notes=(*notes, *found.notes),
        remarks=(*faults, *found.remarks),
    )


def _grouped(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Figures of our own metrics by what they are computed from."""
    distance, ratio = (estimates.get(name) for name in ("frechet", "frechet_ratio"))
    kernel, score = estimates["kernel"], estimates["class_score"]
    shares = ("precision", "recall", "density", "coverage")
    frechet = None
    if distance is not None and ratio is not None:
        frechet = {
            "value": distance.value,
            "low": distance.low,
            "high": distance.high,
            "floor": distance.floor,
            "floor_low": distance.floor_low,
            "floor_high": distance.floor_high,
            "ratio": ratio.value,
            "ratio_low": ratio.low,
            "ratio_high": ratio.high,
            "null": ratio.null,
            "null_low": ratio.null_low,
            "null_high": ratio.null_high,
        }
    grouped: dict[str, Any] = {
        "frechet": frechet,
        "kernel": {"value": kernel.value, "low": kernel.low, "high": kernel.high},
        "kernel_floor": {
            "value": kernel.floor,
            "low": kernel.floor_low,
            "high": kernel.floor_high,
        },
        "coverage": {one: estimates[one].value for one in shares if one in estimates},
        "real_coverage": {one: estimates[one].floor for one in shares if one in estimates},
        "class_score": score.value,
        "real_class_score": score.floor,
    }
    return {name: _plain(one) for name, one in grouped.items()}


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
        patients = len(np.unique(sample.patients))
        if patients < LEAST_PATIENTS:
            raise InputError(
                f"{sample.name}: has {patients} patient{'s' * (patients > 1)}; intervals are over "
                f"patients and need {LEAST_PATIENTS} at least, better twenty."
            )


def _cut(sample: Sample, size: int, seed: int) -> Sample:
    if len(sample) == size:
        return sample
    return sample.take(np.sort(matched_rows(sample.patients, size, seed=seed)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return float_or_none(value) if isinstance(value, float) else value
