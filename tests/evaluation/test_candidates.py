"""Candidates: other noise for the null, and real pictures in the place of synthetic ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.evaluation.candidates import candidates
from cmr_synth.evaluation.protocol import Protocol
from cmr_synth.evaluation.realism.pictures import pictures
from cmr_synth.evaluation.sample import require_synthetic
from cmr_synth.evaluation.setting import Setting

from .conftest import drawn_sample
from .test_protocol import of, slice_set


@pytest.fixture(scope="module")
def setting() -> Setting:
    held_out = of(drawn_sample(2, 3, prefix="h"), split="test")
    training = of(drawn_sample(2, 3, prefix="o", seed=50), split="train")
    return Setting(slices=slice_set(held_out, training), steps=1, null=True)


def test_a_model_makes_the_same_slices_with_other_noise(setting):
    *told, one = candidates(["flow-fast"], setting)
    assert {event.title for event in told} == {
        "make flow-fast",
        "make flow-fast again, for the null",
    }
    assert one.again.rows == one.sample.rows == setting.held_out.rows
    apart = np.abs(one.again.pixels - one.sample.pixels).mean(axis=(1, 2))
    assert (apart > 0.002).all()
    *_, plain = candidates(["flow-fast"], replace(setting, null=False))
    assert plain.again is None
    np.testing.assert_array_equal(plain.sample.pixels, one.sample.pixels)


def test_real_slices_are_no_synthetic_ones():
    held_out = drawn_sample(4, 3, prefix="h", name="real test")
    made = drawn_sample(4, 3, prefix="s", seed=70, name="made")
    require_synthetic(made, held_out)
    pixels = made.pixels.copy()
    # stored in 8 bits, and of another's name
    pixels[[1, 5]] = np.round(held_out.pixels[[0, 7]] * 255) / 255
    with pytest.raises(InputError, match="2 of 12 .* real test, of drawn h0, drawn h2; give"):
        require_synthetic(replace(made, pixels=pixels), held_out)


def test_a_folder_of_held_out_patients_is_refused(setting, monkeypatch):
    monkeypatch.setattr(
        "cmr_synth.evaluation.candidates.read_sample",
        lambda cohort, folder: iter([replace(setting.held_out, name="made")]),
    )
    monkeypatch.setattr("cmr_synth.cohorts.registry.parse_sources", lambda _: [("folder", None)])
    with pytest.raises(InputError, match="6 of 6 pictures are real slices of real test"):
        list(candidates(["folder=made"], setting))


def test_too_few_patients_give_a_note_and_no_number():
    held_out, made = (drawn_sample(5, 3, prefix="h", seed=seed) for seed in (0, 9))
    *_, found = pictures(made, held_out, drawn_sample(6, 3, prefix="o"), paired=True, masked=True)
    assert not found.estimates and (found.told, found.paired, found.tissue) == (None,) * 3
    assert found.notes == (
        "no figures: intervals are over patients and need 6, and there are 5 synthetic ones",
    )


def test_metrics_of_pictures_refuse_patients_on_both_sides():
    sample = drawn_sample(2, 3)
    with pytest.raises(InputError, match="2 patients are both in"):
        next(pictures(sample, sample, sample, paired=False, masked=False))


def in_contrast(sample, contrast):
    rows = tuple(replace(row, contrast=contrast, cohort=contrast) for row in sample.rows)
    return replace(sample, rows=rows)


def test_late_enhancement_is_compared_with_models_of_late_enhancement(tmp_path):
    lge = [
        in_contrast(of(drawn_sample(2, 2, prefix=p, seed=k), split=split), "lge")
        for k, (p, split) in enumerate({"h": "test", "o": "train"}.items())
    ]
    setting = Setting(slices=slice_set(*lge), steps=1)
    assert {row.contrast for row in (*setting.held_out.rows, *setting.training.rows)} == {"lge"}
    with pytest.raises(InputError, match="flow-fast makes cine, and the slices are of lge; name"):
        list(candidates(["flow-fast"], setting))
    judge = Protocol(setting=setting).segmenter.network.config
    assert judge.contrast == "lge" and "infarct" in judge.structures
    of_t2 = Setting(slices=slice_set(*(in_contrast(one, "t2") for one in lge)), steps=1)
    with pytest.raises(InputError, match="bundled segmenter: reads cine, and slices are t2"):
        _ = Protocol(setting=of_t2).segmenter


def test_a_set_of_several_contrasts_gives_cine_unless_cohorts_say_otherwise():
    both = [in_contrast(of(drawn_sample(1, 2, prefix=c), split="test"), c) for c in ("lge", "cine")]
    slices = slice_set(*both)
    assert {row.contrast for row in Setting(slices=slices).held_out.rows} == {"cine"}
    only = Setting(slices=slices, cohorts=["lge"]).held_out
    assert {row.contrast for row in only.rows} == {"lge"} and len(only) == 2
    neither = slice_set(both[0], in_contrast(both[1], "t2"))
    with pytest.raises(InputError, match="slices of lge, t2; name cohorts of one contrast"):
        _ = Setting(slices=neither).held_out
