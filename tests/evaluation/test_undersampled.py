"""Reconstructions of held-out slices: intervals by patient, and figures that see what is better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.evaluation.undersampled import WHOLE, Undersampled, _frechet, undersampled
from cmr_synth.generators.interface import Progress
from cmr_synth.reconstruction.acquisition import Scanner
from cmr_synth.reconstruction.methods import Method, open_method
from cmr_synth.reconstruction.sampling import Sampling
from cmr_synth.reports.undersampled import undersampled_content
from tests.training.conftest import drawn_slices


@pytest.fixture(scope="module")
def held_out():
    """Four slices of two patients, one of them of two slices only."""
    slices = drawn_slices(4)
    rows = tuple(
        replace(row, split="test", cohort="drawn", patient="ab"[i > 1])
        for i, row in enumerate(slices.rows)
    )
    return replace(slices, rows=rows)


def run(held_out, methods, **options) -> tuple[list[Progress], list[Undersampled]]:
    events = list(
        undersampled(held_out, methods, [Sampling(pattern="radial")], Scanner(coils=1), **options)
    )
    told = [event for event in events if isinstance(event, Progress)]
    return told, [event for event in events if isinstance(event, Undersampled)]


@pytest.fixture(scope="module")
def found(held_out):
    """Zero-filling, and the same a little brighter."""
    near = Method("near", lambda acquired: acquired.combined(acquired.kspace) * 1.02, {})
    return run(held_out, [open_method("zero-filled"), near])


def test_every_method_has_its_figures(found):
    told, (one,) = found
    assert told[-1].step == told[-1].steps == 8
    assert list(one.figures) == [WHOLE, "zero-filled", "near"]
    assert (one.slices, one.patients) == (4, 2)
    zero = one.figures["zero-filled"]
    assert set(zero) == {
        "nmse", "psnr_db", "ssim", "frechet", "dice_lv", "dice_myo", "dice_rv"
    }  # fmt: skip
    value, low, high = zero["nmse"]
    assert 0 < low <= value <= high
    assert np.isnan(zero["frechet"]).all()  # four slices are too few for 96 features
    assert one.figures[WHOLE]["dice_lv"][0] >= zero["dice_lv"][0] - 0.02


def test_intervals_are_of_patients(held_out, found):
    """With one patient there is no spread, whatever its slices do."""
    alone = replace(held_out, rows=tuple(replace(r, patient="a") for r in held_out.rows))
    _, (one,) = run(alone, [open_method("zero-filled")])
    value, low, high = one.figures["zero-filled"]["nmse"]
    assert low == pytest.approx(value) and high == pytest.approx(value)
    assert found[1][0].figures["zero-filled"]["nmse"][1] < value


def test_some_slices_of_each_patient(held_out):
    _, (one,) = run(held_out, [open_method("zero-filled")], per_patient=1)
    assert (one.slices, one.patients) == (2, 2)
    with pytest.raises(InputError, match="0 slices of each patient; give 1 or more"):
        run(held_out, [], per_patient=0)


def test_the_frechet_distance_is_between_counterparts():
    """Nought of the same slices, and more of slices that are shifted more; by patient."""
    rng = np.random.default_rng(0)
    real, patients = rng.normal(size=(60, 4)), np.repeat(np.arange(12), 5)
    assert _frechet(real, real, patients) == (0, 0, 0)
    near, far = (_frechet(real + shift, real, patients) for shift in (0.1, 0.5))
    assert near[0] == pytest.approx(4 * 0.1**2) and far[0] == pytest.approx(4 * 0.5**2)
    uneven = real + np.repeat(rng.normal(0, 0.5, 12), 5)[:, None]
    value, low, high = _frechet(uneven, real, patients)
    assert 0 <= low < value < high


def test_the_report_has_a_table_for_each_way(found):
    content = undersampled_content(
        found[1], split="test", scanner={"coils": 1, "noise": 0.01},
        methods=[{"learned": False}], seed=1, judges={"Segmenter": "ab"},
    )  # fmt: skip
    (table,) = content.tables
    assert table.title == "4-fold, radial"
    assert [row[0] for row in table.rows] == [WHOLE, "zero-filled", "near"]
    assert content.data["found"][0]["methods"]["near"]["frechet"]["value"] is None
