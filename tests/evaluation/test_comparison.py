"""Comparisons measure as evaluations do, and refuse what cannot be compared."""

from __future__ import annotations

import pytest

from cmr_synth.comparison.protocol import SHOWN, Comparison, Row
from cmr_synth.errors import InputError
from cmr_synth.evaluation.candidates import candidates
from cmr_synth.evaluation.events import Told
from cmr_synth.evaluation.protocol import Protocol
from cmr_synth.evaluation.setting import Setting
from cmr_synth.generators import zoo
from cmr_synth.reports.comparison import cells, columns, measured, real_cells

from .conftest import drawn_sample
from .test_protocol import Bands, of, slice_set

COHORTS = ["drawn"]


@pytest.fixture(scope="module")
def slices():
    held_out = of(drawn_sample(8, 4, prefix="h", seed=0), split="test")
    training = of(drawn_sample(10, 4, prefix="o", seed=50), split="train")
    return slice_set(held_out, training)


def test_a_model_has_the_figures_that_evaluate_gives_it(slices):
    comparison = Comparison(slices, cohorts=COHORTS, space=Bands())
    *told, row = comparison.rows(zoo.find("flow-fast").folder, "flow-fast")
    assert isinstance(row, Row) and all(isinstance(one, Told) for one in told)
    setting = Setting(slices=slices, cohorts=COHORTS)
    protocol = Protocol(setting=setting, spaces=[Bands()], without=["two_sample_auc"])
    *_, one = candidates(["flow-fast"], setting)
    *_, near = protocol.fidelity([one])
    *_, seen = protocol.adherence([one])
    (space,) = near.spaces
    assert row.fidelity == space and row.adherence == seen.adherence
    assert row.pictures.shape == (SHOWN, 128, 128) and 0 < row.similarity < 1
    assert row.cost.parameters > 1e6 and row.sha256 == one.sha256
    metrics = measured([row])
    of_pictures = {"tissue_within", *(f"spectrum_{k}" for k in ("low", "middle", "fine", "auc"))}
    assert {metric.name for metric in metrics} == {*space.estimates, *of_pictures}
    shown = dict(zip(columns([row]), cells(row, metrics), strict=True))
    assert shown["Ratio"] == f"{space.estimates['frechet_ratio'].value:.2f}"
    assert shown["LV"] == f"{seen.adherence.overall()['LV'].scores['dice'].ratio:.3f}"
    real = dict(zip(columns([row]), real_cells(comparison.basis, [row], metrics), strict=True))
    assert (real["Ratio"], real["LV"]) == (f"{space.estimates['frechet_ratio'].floor:.2f}", "1.000")
    assert real["Kernel"] == f"{space.estimates['kernel'].floor:.3f}"


def test_the_basis_counts_patients_by_cohort(slices):
    basis = Comparison(slices, cohorts=COHORTS, space=Bands()).basis
    assert (basis.patients, basis.slices, basis.features) == (8, 32, "bands")
    assert basis.masks.shape == basis.pictures.shape == (SHOWN, 128, 128)


@pytest.mark.parametrize(
    ("held_out", "training", "said"),
    [
        ((8, 4), (7, 4), "28 training slices of drawn for 32 test slices"),
        ((7, 4), (9, 4), "28 test slices of 7 patients of drawn; a comparison needs 30 slices"),
        ((5, 6), (9, 4), "30 test slices of 5 patients of drawn; .* 30 slices of 6 patients"),
    ],
)
def test_too_few_are_refused_before_anything_is_trained(held_out, training, said):
    test = of(drawn_sample(*held_out, prefix="h"), split="test")
    rest = of(drawn_sample(*training, prefix="o", seed=50), split="train")
    with pytest.raises(InputError, match=said):
        Comparison(slice_set(test, rest), cohorts=COHORTS, space=Bands())
