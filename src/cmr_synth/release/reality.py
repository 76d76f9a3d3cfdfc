"""A release beside real patients: fidelity by vendor, and what a segmenter learns from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.cohorts.slices import SliceSet, open_slice_set
from cmr_synth.errors import InputError
from cmr_synth.evaluation.events import Event, Told
from cmr_synth.evaluation.sample import Sample, joined, real_sample, require_synthetic
from cmr_synth.imaging.masks import read_mask
from cmr_synth.release.figures import Patients
from cmr_synth.release.layouts import Places
from cmr_synth.release.patients import subject_of

if TYPE_CHECKING:
    from cmr_synth.release.request import ReleaseRequest

MOST_SLICES = 600
"""Of a vendor that are measured, patient by patient: memory must not grow with a release."""
NOT_MEASURED = "not measured"
IMAGES, SEEDS = 4800, 1
"""Slices that a segmenter of the utility sees, and trainings of each kind."""


def synthetic_sample(folder: Path, patients: Patients, *, most: int, name: str) -> Sample:
    """Slices of whole patients, as they lie in a release, until there are enough."""
    parts: list[Sample] = []
    count = 0
    for one in patients:
        if count >= most:
            break
        for picture in one["pictures"]:
            places = Places(**picture["places"])
            mask = read_mask(folder / places.mask, convention="mnms").scan
            sample = subject_of(folder, places, mask).sample
            # of a cine the frames that real patients are drawn at, too
            still_of = {frame: still for still, frame in picture["stills"].items()}
            stills = [still_of.get(frame) for frame, _ in picture["slices"]]
            sample = sample.take(np.array([still is not None for still in stills]))
            rows = tuple(
                replace(row, cohort=name, patient=one["ident"], phase=still)
                for row, still in zip(sample.rows, filter(None, stills), strict=True)
            )
            parts.append(Sample(name, sample.pixels, sample.labels, rows, sample.spacing))
            count += len(sample)
    return joined(parts, name=name)


def fidelity_by_vendor(
    folder: Path, patients: Patients, real: SliceSet
) -> Iterator[Told | dict[str, Any]]:
    """How near a release is to real test patients, in all and of each vendor.

    Parameters
    ----------
    folder : Path
        Of the release.
    patients : Patients
    real : SliceSet
        Test patients are measured against, training patients give the floor.

    Yields
    ------
    Event or dict
        At the end, "all" and every vendor to figures of `Fidelity.as_dict`, or to why there are
        none.
    """
    from cmr_synth.evaluation.realism.fidelity import fidelity
    from cmr_synth.evaluation.realism.spaces import open_space

    space = open_space("encoder")
    held_out, training = real_sample(real, "test"), real_sample(real, "train")
    vendors = sorted({one["asked"]["vendor"] for one in patients if one["asked"]["vendor"]})
    found: dict[str, Any] = {}
    for number, vendor in enumerate([None, *vendors]):
        yield Event("fidelity", number / (1 + len(vendors)), vendor or "all vendors")
        own = [one for one in patients if vendor in (None, one["asked"]["vendor"])]
        here, other = held_out, training
        if vendor is not None:
            if not (held_out.vendors == vendor).any() or not (training.vendors == vendor).any():
                found[vendor] = f"{NOT_MEASURED}: no real {vendor} patients on both sides"
                continue
            here = held_out.take(held_out.vendors == vendor)
            other = training.take(training.vendors == vendor)
        most = min(MOST_SLICES, max(len(here), 1))
        # every so many, so that a mix is met by few of them, too
        step = max(1, len(own) * _slices_of(own[0]) // (2 * most)) if own else 1
        sample = synthetic_sample(folder, own[::step], most=most, name="release")
        try:
            require_synthetic(sample, here)
            found[vendor or "all"] = fidelity(sample, here, other, space).as_dict()
        except InputError as error:
            found[vendor or "all"] = f"{NOT_MEASURED}: {error}"
    yield found


def utility_of(
    request: ReleaseRequest,
    folder: Path,
    patients: Patients,
    real: SliceSet,
    scratch: Path,
    *,
    images: int = IMAGES,
) -> Iterator[Told | dict[str, Any]]:
    """What a segmenter learns from this very set, beside one that learns from real patients.

    Both see as many slices, are trained alike (`evaluation.utility`), and are tested on the real
    test patients; nothing is chosen on them.

    Yields
    ------
    Event or dict
        At the end "synthetic" and "real" to mean Dice by structure with its 95 % interval over
        patients.
    """
    from cmr_synth.evaluation.utility.arms import Arm
    from cmr_synth.evaluation.utility.runs import Job, Run
    from cmr_synth.evaluation.utility.sets import training_set
    from cmr_synth.evaluation.utility.study import Protocol

    test = real_sample(real, "test")
    if any(row.completed for row in test.rows):
        yield {"why": f"{NOT_MEASURED}: labels of the test patients were completed by a segmenter"}
        return
    made = yield from _as_slices(folder, patients, scratch)
    arm, protocol = Arm(real=True), Protocol(images=images, seed=request.seed)
    found: dict[str, Any] = {"images": images, "test_patients": len(np.unique(test.patients))}
    for place, (name, slices) in enumerate((("synthetic", made), ("real", real))):
        index = slices.where(split="train")
        training, streams = training_set(arm, slices, index, index[:0], {})
        recipe = protocol.recipe(arm, request.seed % 2**31)
        out = scratch / f"utility-{name}"
        job = Job(out, arm, recipe, training, streams, None, test)
        for step in job.make():
            if isinstance(step, Run):
                found[name] = _scores(step)
            else:
                yield Event("utility", (place + step) / 2, f"a segmenter of {name} slices")
    yield found


def _as_slices(folder: Path, patients: Patients, scratch: Path) -> Any:
    """A release as a slice set of training patients."""
    from cmr_synth.cohorts.slices import write_slice_set

    # what utility sees is bounded by the training's length, so a sample of the set will do
    sample = synthetic_sample(folder, patients, most=4 * IMAGES, name="release")
    yield Event("utility", 0.0, "slices of the release")
    rows = [replace(row, split="train") for row in sample.rows]
    out = scratch / "slices"
    write_slice_set(
        out,
        {
            "images": np.round(sample.pixels * 255).astype(np.uint8),
            "labels": sample.labels,
            "covered": np.ones_like(sample.labels),
        },
        rows,
        {"spacing_mm": sample.spacing, "cohorts": {}, "slices": len(rows)},
    )
    return open_slice_set(out)


def _scores(run: Any) -> dict[str, Any]:
    from cmr_synth.evaluation.resampling import mean_interval

    found = {}
    for structure in ("LV", "MYO", "RV"):
        values = np.array(
            [one.dice for one in run.scores if one.structure == structure and one.level == "all"]
        )
        if len(values):
            low, high = mean_interval(values)
            found[structure] = {
                "dice": round(float(np.nanmean(values)), 4),
                "interval": [round(low, 4), round(high, 4)],
                "patients": len(values),
            }
    return found


def _slices_of(patient: Mapping[str, Any]) -> int:
    return max(1, sum(len(picture["slices"]) for picture in patient["pictures"]))
