"""A data set from many masks: whole masks only, resumed where it was, stopped at any step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.labels import revert
from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.generators import zoo
from cmr_synth.imaging.nifti import read_image
from cmr_synth.synthesis.batch import (
    PER_SLICE,
    BatchFile,
    BatchProgress,
    run_batch,
)
from cmr_synth.synthesis.request import Request

REQUEST = Request(vendor="siemens", n=2, seed=5)
NOT_LOADED = "the model was loaded"


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """A folder with a slice, a stack of two slices, and a slice in ACDC's numbers."""
    folder = tmp_path / "masks"
    folder.mkdir()
    write(folder / "a.nii.gz", draw_slice()[None])
    write(folder / "b.nii.gz", draw_stack(slices=2))
    write(folder / "c.nii.gz", revert(draw_slice(seed=1), "acdc")[None])
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def run(masks: Path, out: Path, tiny_model: Path) -> Callable[..., list]:
    """Run the batch to its end and return what it said."""

    def call(request: Request = REQUEST, **options) -> list:
        request = replace(request, model=options.pop("model", tiny_model))
        return list(run_batch(masks, out, request, **options))

    return call


def write(path: Path, labels: np.ndarray) -> None:
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    nib.save(nib.Nifti1Image(labels.T, affine), path)  # (z, y, x) -> (x, y, z)


def states(events: list) -> dict[str, str]:
    """The last state of each mask."""
    return {event.stem: event.state for event in events if isinstance(event, BatchFile)}


def refuse() -> zoo.Model:
    raise AssertionError(NOT_LOADED)


def test_every_mask_becomes_images_with_sidecars(run, out: Path, masks: Path) -> None:
    events = run()
    assert states(events) == {"a": "done", "b": "done", "c": "done"}
    stems = [f"{name}_siemens_seed5_{k:03d}" for name in "abc" for k in range(2)]
    assert sorted(p.name for p in out.iterdir()) == sorted(
        stem + ending for stem in stems for ending in (".json", ".nii.gz")
    )
    for event in events:
        if isinstance(event, BatchFile) and event.state == "done":
            for record in event.records:
                assert record["mask"]["file_sha256"] == sha256(event.path)
                sidecar = (out / record["file"]).with_name(f"{record['file'][:-7]}.json")
                assert json.loads(sidecar.read_text()) == record
    assert read_image(out / "b_siemens_seed5_000.nii.gz").shape == (2, 128, 128)


def test_progress_counts_slices_and_ends_at_the_last(run) -> None:
    events = [e for e in run() if isinstance(e, BatchProgress)]
    steps = [e.step for e in events]
    assert {e.steps for e in events} == {PER_SLICE * 2 * (1 + 2 + 1)}
    assert steps == sorted(steps) and steps[0] == 0 and steps[-1] == events[0].steps
    within_b = [e.step for e in events if e.number == 1]
    assert PER_SLICE * 2 < min(within_b) < max(within_b) == PER_SLICE * 6  # a moves it by 2


def test_a_resumed_batch_makes_what_is_missing_and_nothing_else(run, out: Path) -> None:
    run()
    kept = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    missing = out / "b_siemens_seed5_001.nii.gz"
    missing.unlink()
    again = run(resume=True)
    assert states(again) == {"a": "skipped", "b": "done", "c": "skipped"}
    assert missing.is_file()
    assert all(
        path.stat().st_mtime_ns == kept[path.name]
        for path in out.iterdir()
        if not path.name.startswith("b_")
    )
    skipped = next(e for e in again if isinstance(e, BatchFile) and e.state == "skipped")
    assert [record["variant"] for record in skipped.records] == [0, 1]


def test_nothing_is_loaded_where_nothing_is_missing(run) -> None:
    run()
    assert set(states(run(resume=True, load=refuse)).values()) == {"skipped"}
    with pytest.raises(AssertionError, match=NOT_LOADED):
        run(resume=False, load=refuse)


@pytest.mark.parametrize(
    "change", [{"steps": 3}, {"guidance": 2.0}, {"n": 3}], ids=lambda change: next(iter(change))
)
def test_another_request_of_the_same_file_names_is_made_again(run, change: dict) -> None:
    run()
    assert set(states(run(replace(REQUEST, **change), resume=True)).values()) == {"done"}


def test_another_mask_model_or_damaged_image_is_made_again(
    run, masks: Path, out: Path, own_tiny_model: Path
) -> None:
    run()
    write(masks / "a.nii.gz", draw_slice(seed=9)[None])
    image = out / "c_siemens_seed5_000.nii.gz"
    image.write_bytes(image.read_bytes()[:-20])
    assert states(run(resume=True)) == {"a": "done", "b": "skipped", "c": "done"}
    from safetensors.numpy import load_file, save_file

    weights = own_tiny_model / "weights.safetensors"
    before = sha256(weights)
    tensors = load_file(weights)
    name = next(name for name, tensor in tensors.items() if tensor.dtype.kind == "f")
    tensors[name] = tensors[name] * 1.5
    with_metadata = weights.read_bytes()
    save_file(tensors, weights, metadata=_metadata(with_metadata))
    card = own_tiny_model / "card.yaml"
    card.write_text(card.read_text().replace(before, sha256(weights)))
    assert set(states(run(resume=True, model=own_tiny_model)).values()) == {"done"}


def _metadata(content: bytes) -> dict[str, str]:
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]).get("__metadata__", {})


def test_a_position_is_part_of_the_request(masks: Path, out: Path, tiny_model: Path) -> None:
    def once(z: float | None) -> str:
        events = run_batch(masks / "a.nii.gz", out, Request(z=z, model=tiny_model), resume=True)
        return states(list(events))["a"]

    assert [once(0.25), once(0.25), once(0.5), once(None), once(None)] == [
        "done",
        "skipped",
        "done",
        "done",
        "skipped",
    ]


def test_stopping_leaves_whole_masks_and_nothing_of_the_one_under_way(
    masks: Path, out: Path, tiny_model: Path
) -> None:
    events = run_batch(masks, out, replace(REQUEST, model=tiny_model))
    for event in events:
        if isinstance(event, BatchProgress) and event.number == 1 and event.step > 2 * PER_SLICE:
            break  # within the second mask
    events.close()
    assert sorted(p.name[0] for p in out.iterdir()) == ["a"] * 4
    resumed = list(run_batch(masks, out, replace(REQUEST, model=tiny_model), resume=True))
    assert states(resumed) == {"a": "skipped", "b": "done", "c": "done"}


def test_stopping_before_the_first_mask_is_complete_leaves_no_folder(
    masks: Path, out: Path, tiny_model: Path
) -> None:
    events = run_batch(masks, out, replace(REQUEST, model=tiny_model))
    for event in events:
        if isinstance(event, BatchProgress) and event.step > 0:
            break
    assert list(out.glob(".partial-*"))
    events.close()
    assert not out.exists()


def test_a_bad_mask_stops_before_anything_is_made(run, masks: Path, out: Path) -> None:
    (masks / "b.nii.gz").write_text("no mask")
    with pytest.raises(InputError, match="b.nii.gz"):
        run(load=refuse)
    assert not out.exists()


def test_a_bad_mask_is_reported_and_the_others_go_on(run, masks: Path, out: Path) -> None:
    (masks / "a.nii.gz").write_text("no mask")
    wide = np.zeros((1, 400, 400), np.uint8)  # found out only when it is placed
    wide[0, :128, :128] = wide[0, -128:, -128:] = draw_slice()
    write(masks / "c.nii.gz", wide)
    events = run(keep_going=True)
    assert states(events) == {"a": "failed", "b": "done", "c": "failed"}
    failed = {e.stem: e.message for e in events if isinstance(e, BatchFile) and e.message}
    assert "a.nii.gz" in failed["a"] and "field of view" in failed["c"]
    assert {p.name[0] for p in out.iterdir()} == {"b"}
    last = [e for e in events if isinstance(e, BatchProgress)][-1]
    assert last.step == last.steps


def test_a_folder_that_cannot_be_written_ends_it_in_any_case(
    masks: Path, tmp_path: Path, tiny_model: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        list(
            run_batch(masks, tmp_path / "file" / "out", Request(model=tiny_model), keep_going=True)
        )


def test_a_batch_gives_the_images_that_each_mask_gives_alone(
    run, masks: Path, out: Path, tmp_path: Path, tiny_model: Path
) -> None:
    run()
    alone = tmp_path / "alone"
    list(run_batch([masks / "b.nii.gz"], alone, replace(REQUEST, model=tiny_model)))
    for k in range(2):
        name = f"b_siemens_seed5_{k:03d}.nii.gz"
        np.testing.assert_array_equal(read_image(out / name).array, read_image(alone / name).array)


def test_images_made_beside_their_masks_are_no_masks(
    masks: Path, tiny_model: Path, tmp_path: Path
) -> None:
    first = list(run_batch(masks, masks, replace(REQUEST, model=tiny_model)))
    again = list(run_batch(masks, masks, replace(REQUEST, model=tiny_model), resume=True))
    assert states(first).keys() == states(again).keys() == {"a", "b", "c"}
    assert set(states(again).values()) == {"skipped"}


def test_a_vendor_that_the_model_does_not_know_is_refused_before_masks_are_read(
    masks: Path, out: Path, tiny_model: Path
) -> None:
    shutil.rmtree(masks)
    with pytest.raises(InputError, match="vendor 'canon'"):
        run_batch(masks, out, Request(vendor="canon", model=tiny_model))
