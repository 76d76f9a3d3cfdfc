"""What every metric of the table keeps to; a new one is tested by being there."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from cmr_synth.evaluation.realism.contract import NEEDS, Metric
from cmr_synth.evaluation.realism.estimate import Estimate
from cmr_synth.evaluation.realism.in_pixels import two_sample_auc
from cmr_synth.evaluation.realism.metrics import Found, load_metric, measure, metrics
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.evaluation.realism.two_sample import Settings
from cmr_synth.evaluation.sample import Sample
from cmr_synth.imaging.damage import blurred

from ..conftest import drawn_sample

PATIENTS, EACH = 10, 4
BLURS = (0.4, 0.7, 1.2, 3.0)  # pixels


class Bands:
    """A space of six numbers a slice: brightness and detail of three bands of rows."""

    name, hash = "bands", "0" * 64
    frechet_name, kernel_name = "Frechet distance", "kernel distance"
    standardise = False

    def features(self, sample: Sample) -> np.ndarray:
        pixels = sample.pixels[:, :126].astype(np.float64)
        detail = np.abs(np.diff(pixels, axis=2))
        bands = [of.reshape(len(sample), 3, -1).mean(axis=2) for of in (pixels, 3 * detail)]
        return 10 * np.concatenate(bands, axis=1)

    def shares(self, sample: Sample) -> None:
        return None


def quick_test(sets: Sets):
    """The two-sample test on the middle of the pictures, with a short training."""
    middle = (slice(None), slice(32, 96), slice(32, 96))
    small = [
        replace(sample, pixels=sample.pixels[middle], labels=sample.labels[middle])
        for sample in (sets.synthetic, sets.held_out, sets.other)
    ]
    settings = Settings(folds=2, epochs=6, batch_size=8, channels=(8, 16))
    return two_sample_auc(settings).measure(Sets(*small))


def metric(name: str) -> Metric:
    """The metric itself, or one that trains for less long."""
    found = load_metric(name)
    return replace(found, measure=quick_test) if name == "two_sample_auc" else found


def damaged(sample: Sample, sigmas) -> Sample:
    """Every slice blurred, each by its own sigma or all by one."""
    pixels = [
        blurred(torch.from_numpy(picture)[None], float(sigma))[0].numpy()
        for picture, sigma in zip(sample.pixels, np.broadcast_to(sigmas, len(sample)), strict=True)
    ]
    return replace(sample, pixels=np.stack(pixels))


@cache
def drawn(prefix: str, seed: int, patients: int = PATIENTS) -> Sample:
    """Hearts of which some are sharper than others."""
    sample = drawn_sample(patients, EACH, prefix=prefix, seed=seed)
    return damaged(sample, np.random.default_rng(seed).uniform(0.3, 0.9, len(sample)))


@cache
def alike_within_patients(prefix: str, seed: int) -> Sample:
    """Slices of a patient are one picture with a little noise; some patients' are sharper."""
    sample = drawn_sample(16, EACH, prefix=prefix, seed=seed)
    first = np.arange(len(sample)) // EACH * EACH
    rng = np.random.default_rng(seed)
    sample = damaged(
        replace(sample.take(first), rows=sample.rows), rng.uniform(0.3, 1.2, 16).repeat(EACH)
    )
    pixels = sample.pixels + rng.normal(0, 0.002, sample.pixels.shape)
    return replace(sample, pixels=np.clip(pixels, 0, 1).astype(np.float32))


def each_a_patient(sample: Sample) -> Sample:
    rows = [replace(row, patient=f"{row.patient}-{k}") for k, row in enumerate(sample.rows)]
    return replace(sample, rows=tuple(rows))


@cache
def world(name: str) -> Sets:
    """Sets of which it is known what a metric has to say."""
    held_out, synthetic = drawn("h", 0), drawn("h", 90)
    other = drawn("o", 50, 2 * PATIENTS + 2)  # enough for the floor of twice as many slices
    if name == "itself":
        synthetic = held_out
    elif name == "other order":
        order = np.random.default_rng(0).permutation(len(held_out))
        # draws of the floor end within a patient, whose slices stay in their order
        blocks = np.arange(len(other)).reshape(-1, EACH)[::-1].ravel()
        synthetic, held_out, other = synthetic.take(order), held_out.take(order), other.take(blocks)
    elif name == "twice":
        twice = np.repeat(np.arange(len(held_out)), 2)
        synthetic, held_out = synthetic.take(twice), held_out.take(twice)
    elif name in ("alike within patients", "the same by slice"):
        held_out, synthetic = alike_within_patients("h", 0), alike_within_patients("h", 90)
        if name == "the same by slice":
            held_out, synthetic = each_a_patient(held_out), each_a_patient(synthetic)
    elif name.startswith("blur"):
        synthetic = damaged(held_out, float(name.split()[1]))
    else:
        assert name in ("counterparts", "counterparts again")
    return Sets(synthetic, held_out, other, Bands())


@cache
def estimate(name: str, of: str) -> Estimate:
    """What a metric says of a world."""
    *_, found = measure(world(of), {name: metric(name)})
    assert isinstance(found, Found) and not found.remarks and not found.notes
    return found.estimates[name]


@pytest.mark.parametrize("name", metrics())
def test_it_says_what_it_is(name):
    one = load_metric(name)
    assert one.name == name and one.heading and one.section
    assert len(one.sentence.split()) > 4 and not one.sentence.endswith(".")
    assert one.needs and one.needs <= set(NEEDS)


def test_headings_of_a_section_are_different():
    seen = [(one.section, one.heading) for one in map(load_metric, metrics())]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("name", metrics())
def test_an_estimate_has_its_interval_floor_and_patients(name):
    found = estimate(name, "counterparts")
    assert found.patients == PATIENTS
    assert found.low <= found.value <= found.high
    assert np.isfinite(found.floor) or "features" not in metric(name).needs


@pytest.mark.parametrize("name", metrics())
def test_the_seed_fixes_it(name):
    assert str(estimate(name, "counterparts")) == str(estimate(name, "counterparts again"))


@pytest.mark.parametrize("name", metrics())
def test_a_set_against_itself_has_the_value_that_is_declared(name):
    truths, found = metric(name).truths, estimate(name, "itself")
    wanted = found.floor if truths.identity == "floor" else truths.identity
    assert found.value == pytest.approx(wanted, abs=truths.within, nan_ok=True)


@pytest.mark.parametrize("name", metrics())
def test_growing_damage_moves_it_one_way(name):
    truths = metric(name).truths
    sign = 1 if truths.worse == "higher" else -1
    values = [sign * estimate(name, f"blur {sigma}").value for sigma in BLURS]
    assert (np.diff(values) >= -truths.order).all(), values
    assert values[-1] > values[0] + 1e-6, values


@pytest.mark.parametrize("name", metrics())
def test_the_order_of_slices_and_of_patients_changes_nothing(name):
    truths = metric(name).truths
    first, second = estimate(name, "counterparts"), estimate(name, "other order")
    for part in ("value", "low", "high", "floor"):
        assert getattr(second, part) == pytest.approx(
            getattr(first, part), abs=truths.order, rel=1e-6, nan_ok=True
        ), part
    assert second.patients == first.patients
    assert truths.order <= 1e-6 or truths.why


@pytest.mark.parametrize("name", metrics())
def test_slices_that_stand_twice_do_what_is_declared(name):
    truths = metric(name).truths
    first, second = (estimate(name, of).value for of in ("counterparts", "twice"))
    if isinstance(truths.duplicates, float):
        assert second == pytest.approx(first, rel=truths.duplicates)
        return
    assert truths.why and np.isfinite(second)
    if truths.duplicates == "higher":
        assert second > first
    elif truths.duplicates == "lower":
        assert second < first


@pytest.mark.parametrize("name", metrics())
def test_the_interval_is_that_of_patients(name):
    truths = metric(name).truths
    if not truths.interval:
        assert truths.why
        return
    by_patient, by_slice = (
        estimate(name, of) for of in ("alike within patients", "the same by slice")
    )
    widths = [one.high - one.low for one in (by_patient, by_slice)]
    if name == "frechet_ratio":  # of another value, too
        widths = [np.log(one.high / one.low) for one in (by_patient, by_slice)]
    assert widths[0] > 1.3 * widths[1]
