"""Synthesis: on the mask's own grid, whatever is made beside it, and everything recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Progress
from cmr_synth.generators.noise import Coherence
from cmr_synth.imaging.nifti import read_image, read_labels
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.formats import write_synthetic
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import MARK, Synthetic
from cmr_synth.synthesis.request import Request

PLAIN = np.diag([-1.5, -1.5, 8.0, 1.0])


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> zoo.Model:
    return zoo.load(tiny_model)


def scan(labels: np.ndarray, spacing=(8.0, 1.5, 1.5), affine=PLAIN) -> Scan:
    return Scan(array=labels, spacing=spacing, affine=affine, name="heart.nii.gz")


@pytest.fixture(scope="module")
def stack() -> Scan:
    """Three slices, the last one empty."""
    labels = draw_stack(slices=3, shape=(128, 128))
    labels[2] = 0
    return scan(labels)


def made(mask: Scan, model: zoo.Model, **options) -> list[Synthetic]:
    part = {name: options.pop(name) for name in ("slices", "frames") if name in options}
    run = synthesize(mask, model, Request(**options), **part)
    return [s for s in run if isinstance(s, Synthetic)]


def pixels(mask: Scan, model: zoo.Model, **options) -> np.ndarray:
    return np.stack([s.scan.array for s in made(mask, model, **options)])


def test_the_result_lies_on_the_grid_of_the_mask(stack: Scan, model: zoo.Model) -> None:
    (synthetic,) = made(stack, model, vendor="siemens")
    assert synthetic.scan.shape == stack.shape
    assert synthetic.scan.spacing == stack.spacing
    np.testing.assert_array_equal(synthetic.scan.affine, stack.affine)
    assert synthetic.scan.array.dtype == np.float32
    assert 0 <= synthetic.scan.array.min() < synthetic.scan.array.max() <= 1


def test_slices_without_a_heart_are_skipped_and_listed(stack: Scan, model: zoo.Model) -> None:
    (synthetic,) = made(stack, model)
    assert synthetic.record["skipped_slices"] == [2]
    assert not synthetic.scan.array[2].any()
    assert synthetic.scan.array[0].any() and synthetic.scan.array[1].any()


def test_images_do_not_depend_on_the_batch_nor_on_how_many_are_made(
    stack: Scan, model: zoo.Model
) -> None:
    three = pixels(stack, model, n=3, seed=5, batch=4)
    one_by_one = pixels(stack, model, n=3, seed=5, batch=1)
    # float32 convolution order, CPU
    # float32 convolutions sum in another order for another batch; 1.03e-5 was seen
    np.testing.assert_allclose(three, one_by_one, atol=5e-5, rtol=0)
    np.testing.assert_allclose(three[:1], pixels(stack, model, seed=5), atol=5e-5, rtol=0)
    assert np.abs(three[0] - three[1]).mean() > 0.01


def test_progress_runs_to_the_end(stack: Scan, model: zoo.Model) -> None:
    steps = [s for s in synthesize(stack, model, Request(n=2, batch=3)) if isinstance(s, Progress)]
    shares = [s.step / s.steps for s in steps]
    assert shares == sorted(shares) and shares[-1] == 1


@pytest.mark.parametrize(
    "option",
    [
        {"vendor": "ge"},
        {"phase": "ES"},
        {"pathology": "dcm"},
        {"z": 0.9},
        {"seed": 1},
        {"steps": 5},
        {"guidance": 3.0},
    ],
    ids=lambda option: next(iter(option)),
)
def test_every_option_changes_the_image(model: zoo.Model, option: dict) -> None:
    mask = scan(draw_slice()[None])
    plain, changed = pixels(mask, model), pixels(mask, model, **option)
    assert np.abs(plain - changed).max() > 1e-3


def test_the_image_follows_the_mask(model: zoo.Model) -> None:
    first, second = (
        pixels(scan(draw_slice(anatomy=a)[None]), model) for a in ("normal", "dilated")
    )
    assert np.abs(first - second).max() > 1e-3


def test_frames_are_as_alike_as_their_noise(model: zoo.Model) -> None:
    ed, es = (draw_stack(slices=2, phase=phase) for phase in ("ED", "ES"))
    cine = scan(np.stack([ed, es, ed]))
    still, restless = (
        next(s for s in synthesize(cine, model, coherence=c) if isinstance(s, Synthetic))
        for c in (Coherence(20.0, 0.0), Coherence(20.0, 0.5))
    )
    frames = still.scan.array
    assert frames.shape == cine.shape
    # the same mask; float32 convolutions differ a little by place in the batch
    np.testing.assert_allclose(frames[0], frames[2], atol=5e-5, rtol=0)
    assert np.abs(frames[0] - frames[1]).max() > 1e-3
    assert np.abs(restless.scan.array[0] - restless.scan.array[2]).max() > 1e-2
    assert restless.record["noise"] == {"knot_mm": 20.0, "frame_share": 0.5}


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_however_a_file_stores_its_slices_the_heart_gets_the_same_image(
    model: zoo.Model, transpose: bool, flip: tuple[int, int]
) -> None:
    """The same oblique heart, its rows and columns stored in each of the eight ways."""
    labels = draw_slice(shape=(96, 110), spacing=(2.0, 1.5))
    turn = np.array([[-0.6, -0.3, 0.7], [0.2, -0.9, -0.2], [-0.7, -0.3, -0.65]])
    axes, _ = np.linalg.qr(turn)
    axes *= np.sign(np.sum(axes * turn, axis=0))
    affine = np.eye(4)
    affine[:3, :3] = axes * (1.5, 2.0, 8.0)
    spacing = (8.0, 2.0, 1.5)
    (straight,) = made(scan(labels[None], spacing, affine), model, vendor="ge")

    stored = labels[:: flip[0], :: flip[1]]
    turned = affine.copy()
    turned[:3, 3] += affine[:3, 0] * (109 if flip[1] < 0 else 0)
    turned[:3, 3] += affine[:3, 1] * (95 if flip[0] < 0 else 0)
    turned[:3, 0] *= flip[1]
    turned[:3, 1] *= flip[0]
    if transpose:
        stored, turned, spacing = stored.T, turned[:, [1, 0, 2, 3]], (8.0, 1.5, 2.0)
    (other,) = made(scan(np.ascontiguousarray(stored)[None], spacing, turned), model, vendor="ge")

    back = other.scan.array[0].T if transpose else other.scan.array[0]
    back = back[:: flip[0], :: flip[1]]
    np.testing.assert_allclose(back, straight.scan.array[0], atol=1e-4, rtol=0)


def test_what_the_grid_does_not_reach_is_zero_and_recorded(model: zoo.Model) -> None:
    mask = scan(draw_slice(shape=(200, 240))[None])
    (synthetic,) = made(mask, model)
    covered = synthetic.record["covered"]
    (top, bottom), (left, right) = covered["rows"], covered["columns"]
    inside = np.zeros((200, 240), dtype=bool)
    inside[top:bottom, left:right] = True
    assert not synthetic.scan.array[0][~inside].any()
    assert abs(inside.mean() - covered["share"]) < 1e-3
    assert abs((bottom - top) * 1.5 - 192) <= 1.5  # the model's field of view, to a pixel


def test_positions_come_from_the_stack(stack: Scan, model: zoo.Model) -> None:
    (synthetic,) = made(stack, model)
    assert synthetic.record["slice_positions"] == {"0": 0.0, "1": 1.0}
    with pytest.raises(InputError, match="has 2 labelled slices.*leave the slice position out"):
        synthesize(stack, model, Request(z=0.5))


def test_a_single_slice_leaves_its_position_open_unless_told(model: zoo.Model) -> None:
    mask = scan(draw_slice()[None])
    assert made(mask, model)[0].record["slice_positions"] is None
    assert made(mask, model, z=0.25)[0].record["slice_positions"] == {"0": 0.25}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vendor": "canon"}, "vendor 'canon': model 'tiny' was trained with siemens, philips, ge"),
        ({"phase": "mid"}, "phase 'mid'"),
        ({"pathology": "flu"}, "pathology 'flu'"),
        ({"z": 1.5}, "slice position 1.5 is outside"),
        ({"n": 0}, "n: 0 given"),
        ({"seed": -1}, "seed: -1 given"),
        ({"steps": 0}, "steps: 0 given"),
        ({"batch": 0}, "batch: 0 given"),
    ],
)
def test_what_cannot_be_made_is_refused_before_it_starts(
    model: zoo.Model, options: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        synthesize(scan(draw_slice()[None]), model, Request(**options))


def test_a_heart_larger_than_the_field_of_view_is_refused(model: zoo.Model) -> None:
    mask = scan(draw_slice()[None], spacing=(8.0, 6.0, 6.0))
    with pytest.raises(InputError, match="larger than the model's field of view of 192 x 192 mm"):
        synthesize(mask, model)


def test_a_heart_smaller_than_a_pixel_is_refused(model: zoo.Model) -> None:
    mask = scan(draw_slice()[None], spacing=(0.008, 0.0015, 0.0015))  # metres taken for mm
    with pytest.raises(InputError, match=r"pixels \(0 mm²\) of a slice.*correct the voxel spacing"):
        synthesize(mask, model)


def test_an_empty_mask_is_refused(model: zoo.Model) -> None:
    with pytest.raises(InputError, match="the mask is empty"):
        synthesize(scan(np.zeros((1, 64, 64), np.uint8)), model)


def test_unusual_anatomy_is_recorded(model: zoo.Model) -> None:
    mirrored = draw_slice()[None, :, ::-1]
    (synthetic,) = made(scan(np.ascontiguousarray(mirrored)), model)
    assert "rv-side" in {finding["code"] for finding in synthetic.record["findings"]}


def test_unlabelled_pixels_stay_open(model: zoo.Model) -> None:
    labels = draw_slice()[None]
    partly = np.where(labels == 0, 255, labels).astype(np.uint8)
    assert np.abs(pixels(scan(labels), model) - pixels(scan(partly), model)).max() > 1e-3


@pytest.mark.parametrize("dimensions", [2, 3, 4])
def test_files_come_back_in_the_form_of_the_mask_and_marked(
    model: zoo.Model, tmp_path: Path, dimensions: int
) -> None:
    labels = draw_stack(slices=2, shape=(60, 70), spacing=(8.0, 3.0, 3.0))
    array = {2: labels[0].T, 3: labels.T, 4: np.stack([labels, labels]).T}[dimensions]
    affine = np.diag([-3.0, -3.0, 8.0, 1.0])
    affine[:3, 3] = 10, -20, 30
    nib.save(nib.Nifti1Image(array, affine), tmp_path / "mask.nii.gz")
    mask = read_labels(tmp_path / "mask.nii.gz")
    (synthetic,) = made(mask, model, vendor="philips", seed=3)
    stated = write_synthetic(synthetic, tmp_path, "image")

    image = nib.load(tmp_path / "image.nii.gz")
    assert image.shape == array.shape
    np.testing.assert_allclose(image.affine, affine)
    assert bytes(image.header["descrip"]).startswith(MARK.encode() + b" cmr-synth")
    np.testing.assert_array_equal(read_image(tmp_path / "image.nii.gz").array, synthetic.scan.array)

    sidecar = json.loads((tmp_path / "image.json").read_text())
    assert sidecar == stated
    assert sidecar["synthetic"] is True
    assert sidecar["seed"] == 3 and sidecar["variant"] == 0 and sidecar["vendor"] == "philips"
    assert sidecar["model"]["sha256"] == model.card.sha256
    assert len(sidecar["mask"]["labels_sha256"]) == 64
    assert sidecar["versions"]["cmr_synth"]
    assert sidecar["created"].endswith("+00:00")


def test_the_mask_hash_knows_labels_from_labels(model: zoo.Model) -> None:
    one, other = (made(scan(draw_slice(seed=s)[None]), model)[0].record for s in (0, 1))
    again = made(replace(scan(draw_slice()[None]), name="other.nii"), model)[0].record
    assert one["mask"]["labels_sha256"] != other["mask"]["labels_sha256"]
    assert one["mask"]["labels_sha256"] == again["mask"]["labels_sha256"]


@pytest.fixture(scope="module")
def cine() -> Scan:
    """Two frames of four slices, the first one empty."""
    frames = np.stack([draw_stack(slices=4, phase=phase) for phase in ("ED", "ES")])
    frames[:, 0] = 0
    return scan(frames)


@pytest.mark.parametrize(("slices", "frames"), [([2], [1]), ([1, 3], None), (None, [0])])
def test_a_part_is_the_same_as_in_the_whole(cine: Scan, model: zoo.Model, slices, frames) -> None:
    (whole,) = made(cine, model, seed=4)
    (part,) = made(cine, model, seed=4, slices=slices, frames=frames)
    asked = np.zeros(cine.shape[:2], dtype=bool)
    asked[np.ix_(frames or [0, 1], slices or [0, 1, 2, 3])] = True
    # float32 convolutions differ a little by place in the batch
    np.testing.assert_allclose(part.scan.array[asked], whole.scan.array[asked], atol=5e-5, rtol=0)
    assert not part.scan.array[~asked].any()
    assert part.record["only"] == {"slices": slices or [0, 1, 2, 3], "frames": frames or [0, 1]}
    assert whole.record["only"] is None
    assert part.record["skipped_slices"] == ([] if slices else [0])
    shared = set(part.record["slice_positions"])
    assert {k: whole.record["slice_positions"][k] for k in shared} == part.record["slice_positions"]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"slices": [4]}, "has no slice 4; choose 0 to 3"),
        ({"frames": [-1]}, "has no frame -1; choose 0 to 1"),
        ({"slices": [0]}, r"shows no heart on what was asked for.*\(1, 2, 3\)"),
    ],
)
def test_a_part_that_is_not_there_is_refused(cine: Scan, model: zoo.Model, part, message) -> None:
    with pytest.raises(InputError, match=message):
        synthesize(cine, model, **part)
