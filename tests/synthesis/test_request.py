"""A request holds what can be asked for, and comes back from the record of a picture."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.reference import reference_on_grid
from cmr_synth.synthesis.request import Request
from cmr_synth.synthesis.unconditional import synthesize_unconditional

AFFINE = np.diag([-1.5, -1.5, 8.0, 1.0])
ASKED = {
    "vendor": "ge",
    "phase": "ES",
    "n": 2,
    "seed": 7,
    "steps": 2,
    "guidance": 1.5,
    "sampler": "heun",
}


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> zoo.Model:
    return zoo.load(tiny_model)


def scan(array: np.ndarray) -> Scan:
    return Scan(array=array, spacing=(8.0, 1.5, 1.5), affine=AFFINE, name="heart")


def last(run) -> Synthetic:
    *_, made = run
    assert isinstance(made, Synthetic)
    return made


@pytest.mark.parametrize(
    ("mask", "part", "more"),
    [
        (draw_slice()[None], {}, {"z": 0.123456789}),
        (draw_stack(slices=3), {}, {}),
        (draw_stack(slices=3), {"slices": [1]}, {}),
    ],
    ids=["slice", "stack", "part"],
)
def test_a_picture_is_made_again_from_its_record(model, mask, part, more) -> None:
    request = Request(model=model.card.name, device="cpu", **ASKED, **more)
    first = last(synthesize(scan(mask), model, request, **part))
    record = json.loads(json.dumps(first.record))  # as a sidecar says it
    assert Request.from_record(record) == request
    only = record["only"] or {}
    again = last(synthesize(scan(mask), model, Request.from_record(record), **only))
    np.testing.assert_array_equal(again.scan.array, first.scan.array)


def test_an_earlier_variant_is_the_last_of_fewer(model) -> None:
    request = Request(model=model.card.name, device="cpu", **ASKED | {"n": 1})
    (first, _) = (
        made
        for made in synthesize(scan(draw_slice()[None]), model, replace(request, n=2))
        if isinstance(made, Synthetic)
    )
    assert Request.from_record(first.record) == request


def test_a_picture_without_a_mask_is_made_again_from_its_record(model) -> None:
    request = Request(model=model.card.name, device="cpu", z=0.25, **ASKED)
    first = last(synthesize_unconditional(model, request))
    assert Request.from_record(first.record) == request
    again = last(synthesize_unconditional(model, Request.from_record(first.record)))
    np.testing.assert_array_equal(again.scan.array, first.scan.array)


def test_a_look_comes_back_with_the_file_of_its_picture(model, tmp_path) -> None:
    drawn = draw_stack(slices=3)
    noise = np.random.default_rng(0).random(drawn.shape, np.float32)
    picture = write_nifti(scan(noise + drawn), tmp_path / "real.nii.gz", description="")
    labels = write_nifti(scan(drawn), tmp_path / "labels.nii.gz", description="")
    files = {"reference": picture, "reference_mask": labels}
    request = Request(
        model=model.card.name,
        device="cpu",
        reference_slice=2,
        reference_strength=0.75,
        **files,
        **ASKED,
    )
    mask = scan(draw_slice()[None])
    first = last(synthesize(mask, model, request))
    assert Request.from_record(first.record, **files) == request
    bare = Request.from_record(first.record)
    with pytest.raises(InputError, match="reference slice: needs a reference"):
        synthesize(mask, model, bare)
    grid = WorkingGrid(shape=model.card.grid.shape, spacing=model.card.grid.spacing_mm)
    prepared = reference_on_grid(scan(noise + drawn), grid, k=2, mask=scan(drawn))
    again = last(synthesize(mask, model, bare, reference=prepared))
    np.testing.assert_allclose(again.scan.array, first.scan.array, atol=1e-5)
    plain = last(synthesize(mask, model, Request(device="cpu", **ASKED)))
    assert np.abs(plain.scan.array - first.scan.array).max() > 0.01


@pytest.mark.parametrize("missing", ["model", "seed", "z", "steps"])
def test_a_record_that_does_not_say_enough_is_refused(model, missing) -> None:
    record = last(synthesize(scan(draw_slice()[None]), model)).record
    del record[missing]
    with pytest.raises(InputError, match=f"does not say how .*{missing}"):
        Request.from_record(record)


def test_everything_but_files_and_speed_is_in_the_record(model) -> None:
    """A field that is added must come back, or be named here with a reason."""
    record = last(synthesize(scan(draw_slice()[None]), model)).record
    known = {
        "labels",  # the hash of the engine labels is there, however they were numbered
        "reference_mask",  # a file of the user's
        "reference_slice",
        "reference_frame",
        "reference_strength",  # these three within the reference
        "batch",  # changes no image
        "n",  # as the variant
    }
    assert {field.name for field in fields(Request)} - known <= record.keys()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"n": 0}, "n: 0 given; ask for 1"),
        ({"seed": 2**63}, "seed: 9223372036854775808 given"),
        ({"batch": 0}, "batch: 0 given"),
        ({"steps": 0}, "steps: 0 given"),
        ({"reference_strength": 1.5}, "reference strength: 1.5 given"),
        ({"z": -0.1}, "slice position -0.1 is outside"),
    ],
)
def test_a_number_out_of_range_is_no_request(asked, message) -> None:
    with pytest.raises(InputError, match=message):
        Request(**asked)
