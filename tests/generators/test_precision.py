"""Pictures in bf16: the same to the eye, asked for or where a processor multiplies it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.errors import InputError
from cmr_synth.generators import precision, zoo
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.precision import at_precision, precision_of
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request

AFFINE = np.diag([-1.5, -1.5, 8.0, 1.0])


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> zoo.Model:
    return zoo.load(tiny_model, device="cpu")


def made(model: zoo.Model, request: Request) -> Synthetic:
    stack = Scan(
        array=draw_stack(slices=2), spacing=(8.0, 1.5, 1.5), affine=AFFINE, name="heart.nii"
    )
    *_, last = synthesize(stack, model, request)
    assert isinstance(last, Synthetic)
    return last


def test_auto_is_bf16_where_the_processor_multiplies_it(
    model: zoo.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    for native, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(precision, "computes_bf16", lambda native=native: native)
        assert precision_of(model.generator) == expected
        assert precision_of(model.generator, "fp32") == "fp32"
        assert precision_of(model.generator, "bf16") == "bf16"


def test_a_family_that_says_nothing_stays_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    class Theirs:
        family = "theirs"
        device = torch.device("cpu")

    monkeypatch.setattr(precision, "computes_bf16", lambda: True)
    assert precision_of(Theirs()) == "fp32"
    with pytest.raises(InputError, match="family 'theirs' was not seen .* choose auto or fp32"):
        precision_of(Theirs(), "bf16")


@pytest.mark.parametrize("name", ["flow", "flow-fast", "spade-gan", "cvae", "latent-flow"])
def test_pictures_of_the_bundled_models_stay_the_same(name: str) -> None:
    model = zoo.load(name, device="cpu")
    asked = [Condition(mask=draw_slice(), vendor="siemens", phase="ED")]
    full, half = (
        [*Request(seed=3, precision=wanted).sample(model, asked, indices=[0])][-1].pixels
        for wanted in ("fp32", "bf16")
    )
    assert half.dtype == np.float32
    apart = np.abs(full - half)
    assert 0 < apart.mean() < 2 / 255
    assert apart.max() < 0.05


def test_between_two_steps_torch_computes_as_before(model: zoo.Model) -> None:
    seen = []

    def run():
        for _ in range(2):
            seen.append(torch.is_autocast_enabled("cpu"))
            yield len(seen)

    outside = [torch.is_autocast_enabled("cpu") for _ in at_precision(run(), "bf16", device="cpu")]
    assert seen == [True, True]
    assert outside == [False, False]


def test_the_record_says_it_and_the_picture_is_made_again(model: zoo.Model) -> None:
    request = Request(vendor="ge", seed=5, steps=2, precision="bf16")
    first = made(model, request)
    assert first.record["precision"] == "bf16"
    again = made(model, Request.from_record(first.record))
    np.testing.assert_array_equal(again.scan.array, first.scan.array)
    full = made(model, replace(request, precision="fp32"))
    assert full.record["precision"] == "fp32"
    assert np.abs(full.scan.array - first.scan.array).max() > 0, "bf16 was not used"


def test_records_of_older_programs_were_made_in_float32(model: zoo.Model) -> None:
    record = made(model, Request(steps=1)).record
    del record["precision"]
    assert Request.from_record(record).precision == "fp32"


def test_an_unknown_precision_is_named() -> None:
    with pytest.raises(InputError, match="precision 'fp8' is unknown; choose among auto, fp32"):
        Request(precision="fp8")
