"""The protocol: real slices as candidates, what is worse than real, and whose patient is whose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.comparison.protocol import one_a_patient
from cmr_synth.errors import InputError
from cmr_synth.evaluation.candidates import Candidate, candidates
from cmr_synth.evaluation.events import Event, Remark, Told
from cmr_synth.evaluation.protocol import Protocol
from cmr_synth.evaluation.realism.pictures import Pictures
from cmr_synth.evaluation.sample import Sample, joined
from cmr_synth.evaluation.setting import Setting

from .conftest import drawn_sample


class Bands:
    """A space of eight numbers a slice: means of bands of rows."""

    name, hash = "bands", "0" * 64
    frechet_name, kernel_name = "Frechet distance", "kernel distance"
    standardise = False

    def features(self, sample: Sample) -> np.ndarray:
        bands = sample.pixels.reshape(len(sample), 8, -1)
        return 10 * bands.mean(axis=2).astype(np.float64)

    def shares(self, sample: Sample) -> None:
        return None


def slice_set(*samples: Sample) -> SliceSet:
    whole = joined(samples, name="all")
    wide = ((0, 0), (16, 16), (16, 16))
    images = np.pad(np.round(whole.pixels * 255).astype(np.uint8), wide)
    labels = np.pad(whole.labels, wide)
    return SliceSet(images, labels, np.ones_like(labels), whole.rows, {"spacing_mm": 1.5})


def of(sample: Sample, **fields: str) -> Sample:
    """The sample with other facts in its rows."""
    return replace(sample, rows=tuple(replace(row, **fields) for row in sample.rows))


@pytest.fixture(scope="module")
def setting() -> Setting:
    """Eight held-out patients and ten of the training."""
    held_out = of(drawn_sample(8, 6, prefix="h", seed=0), split="test")
    training = of(drawn_sample(10, 6, prefix="o", seed=50), split="train")
    return Setting(slices=slice_set(held_out, training))


@pytest.fixture(scope="module")
def protocol(setting) -> Protocol:
    return Protocol(setting=setting, spaces=[Bands()], without=["two_sample_auc"])


def results(events):
    return [one for one in events if not isinstance(one, Told)]


def test_the_real_slices_themselves_are_as_good_as_real(protocol):
    real = Candidate("real", None, protocol.setting.held_out, paired=True)
    (near,) = results(protocol.fidelity([real]))
    (space,) = near.spaces
    assert (space.slices, space.patients) == (48, 8)
    assert space.estimates["frechet"].value == pytest.approx(space.estimates["frechet"].floor)
    assert space.estimates["frechet_ratio"].value == pytest.approx(1)
    assert near.pictures.estimates["ssim"].value == pytest.approx(1)
    assert near.pictures.told is None and "two_sample_auc" not in near.pictures.estimates
    (seen,) = results(protocol.adherence([real]))
    for one in seen.adherence.overall().values():
        assert one.scores["dice"].synthetic == one.scores["dice"].real
        assert one.scores["dice"].ratio == pytest.approx(1)
    assert all(one.difference.effect == 0 for one in seen.anatomy)


def test_noise_is_worse_than_real(protocol):
    real = protocol.setting.held_out
    noise = np.random.default_rng(0).random(real.pixels.shape).astype(np.float32)
    made = Candidate("noise", "1" * 64, replace(real, name="noise", pixels=noise), paired=True)
    (near,) = results(protocol.fidelity([made]))
    distance = near.spaces[0].estimates["frechet"]
    assert distance.value > distance.floor
    assert near.spaces[0].estimates["frechet_ratio"].value > 5
    assert (near.name, near.sha256) == ("noise", "1" * 64)
    (seen,) = results(protocol.adherence([made]))
    assert all(one.scores["dice"].ratio < 0.5 for one in seen.adherence.overall().values())


def test_slices_of_no_masks_have_neither_tissue_nor_pairs_nor_adherence(protocol):
    real = protocol.setting.held_out
    free = Candidate("free", None, real, paired=False, masked=False)
    (near,) = results(protocol.fidelity([free]))
    assert near.pictures.paired is None and near.pictures.tissue is None
    with pytest.raises(InputError, match="free: follows no mask"):
        list(protocol.adherence([free]))


def test_what_is_told_is_passed_on_and_every_work_has_a_title(protocol):
    real = Candidate("real", None, protocol.setting.held_out, paired=True)
    given = [Event("make real", 0.5, "24 of 48 slices"), Remark("so it is"), real]
    told = [one for one in protocol.fidelity(given) if isinstance(one, Told)]
    assert told[:2] == given[:2]
    assert [one.title for one in told[2:]] == ["real: bands", "real: pictures"]


def test_a_metric_at_fault_is_told_of_once_for_all_candidates(setting, monkeypatch):
    seen = Pictures({}, None, None, None, notes=(), remarks=("metric 'x' of package y fails",))
    monkeypatch.setattr("cmr_synth.evaluation.protocol.pictures", lambda *_, **__: iter([seen]))
    both = [Candidate(name, None, setting.held_out, paired=True) for name in ("one", "other")]
    events = list(Protocol(setting=setting).fidelity(both))
    remarks = [one for one in events if isinstance(one, Remark)]
    assert remarks == [Remark("metric 'x' of package y fails")]
    assert [one.name for one in results(events)] == ["one", "other"]
    assert all(one.remarks == [remarks[0].words] for one in results(events))


def test_patients_of_two_cohorts_with_one_number_stay_two(setting):
    first = of(drawn_sample(3, 12, prefix="p", seed=0), cohort="one", split="test")
    second = of(drawn_sample(3, 12, prefix="p", seed=70), cohort="two", split="test")
    training = of(drawn_sample(8, 9, prefix="p", seed=50), cohort="three", split="train")
    both = Setting(slices=slice_set(first, second, training))
    assert len(np.unique(both.held_out.patients)) == 6
    assert len(one_a_patient(both.held_out)) == 6
    # patients of the same number on both sides are no overlap
    protocol = Protocol(setting=both, spaces=[Bands()], without=["two_sample_auc"])
    real = Candidate("real", None, both.held_out, paired=True)
    (near,) = results(protocol.fidelity([real]))
    assert near.spaces[0].patients == 6 and near.pictures.paired.patients == 6
    (seen,) = results(protocol.adherence([real]))
    assert {one.patients for one in seen.adherence.overall().values()} == {6}


def test_the_slice_of_a_patient_is_the_one_nearest_the_middle(setting):
    chosen = one_a_patient(setting.held_out)
    assert [setting.held_out.rows[i].z for i in chosen] == [0.5] * 8
    assert len(set(setting.held_out.patients[chosen])) == 8


def test_candidates_are_counterparts_of_the_held_out_slices(setting):
    few = Setting(slices=setting.slices, seed=4, steps=1)
    *told, made = candidates(["flow-fast"], few)
    assert [one.title for one in told] == ["make flow-fast"] * 7
    assert told[-1].words == "48 of 48 slices" and told[-1].share == 1
    assert made.paired and made.masked and made.steps == 1 and made.folder.is_dir()
    assert made.sample.rows == setting.held_out.rows and made.sample.name == "flow-fast"


def test_every_name_is_looked_up_before_a_slice_is_made(setting):
    with pytest.raises(InputError, match="nobody"):
        next(candidates(["flow-fast", "nobody"], setting))
    with pytest.raises(InputError, match="named twice"):
        next(candidates(["flow-fast", "flow-fast"], setting))
