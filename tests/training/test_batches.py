"""Batches: image k is the same whatever batch, process or resumed run it comes in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.training.batches import Batches, warp
from cmr_synth.training.recipe import Augmentation

STILL = Augmentation(rotation_degrees=0, scale=0, shift=0)
EVERYTHING = Augmentation(
    rotation_degrees=40, scale=0.2, shift=0.1, gamma=0.3, gain=0.2, noise=0.05, blur=1.0, bias=0.3
)


def batches(slices, augmentation=EVERYTHING, seed=0, **options):
    return Batches(slices, augmentation=augmentation, seed=seed, **options)


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def tensors(batch):
    return batch.images, batch.labels, batch.covered


def joined(parts):
    return [torch.cat(t) for t in zip(*(tensors(p) for p in parts), strict=True)]


def test_one_batch_or_many(slices):
    """Image 5 to 12 at once, in pieces, or dealt to two processes."""
    source = batches(slices)
    whole = source.batch(5, 8)
    assert_same(tensors(whole), joined([source.batch(5, 3), source.batch(8, 5)]))
    ranks = [source.batch(5 + rank * 4, 4) for rank in range(2)]
    assert_same(tensors(whole), joined(ranks))
    parts = torch.cat([part.normal(1, 3, 3) for part in ranks])
    torch.testing.assert_close(whole.normal(1, 3, 3), parts, rtol=0, atol=0)
    assert whole.conditions == ranks[0].conditions + ranks[1].conditions


def test_another_object_gives_the_same(slices):
    assert_same(tensors(batches(slices).batch(3, 4)), tensors(batches(slices).batch(3, 4)))


def test_the_global_random_state_is_not_touched(slices):
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.rand(1), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    batches(slices).batch(0, 2).normal(2)
    assert (torch.rand(1), np.random.rand()) == before


def test_an_epoch_shows_every_training_slice_once(slices):
    source = batches(slices)
    n = len(source.index)
    for epoch in range(2):
        shown = [source._slice_of(epoch * n + k) for k in range(n)]
        assert sorted(shown) == sorted(source.index)
        assert 7 not in shown  # the slice of the test patient
    assert [source._slice_of(k) for k in range(n)] != [source._slice_of(n + k) for k in range(n)]


def test_cohorts_and_splits_are_kept_apart(slices):
    assert {slices.rows[i].cohort for i in batches(slices, cohorts=["drawn"]).index} == {"drawn"}
    assert list(batches(slices, split="test").index) == [7]
    with pytest.raises(InputError, match=r"no train slices of \['nobody'\].*choose other"):
        batches(slices, cohorts=["nobody"])


def test_without_augmentation_the_middle_is_cut_out(slices):
    source = batches(slices, STILL)
    batch = source.batch(0, 3)
    for k in range(3):
        i = source._slice_of(k)
        middle = slices.images[i, 16:-16, 16:-16] / 255
        np.testing.assert_allclose(batch.images[k, 0], middle, atol=1e-5)
        np.testing.assert_array_equal(batch.labels[k], slices.labels[i, 16:-16, 16:-16])


@pytest.mark.parametrize("field", list(Augmentation.model_fields))
def test_every_option_changes_the_picture(field, slices):
    still = EVERYTHING if field == "share" else STILL
    value = {"rotation_degrees": 30.0, "shapes": 1.0, "looks": 1.0}.get(field, 0.2)
    changed = still.model_copy(update={field: value})
    plain, other = (batches(slices, a).batch(0, 2) for a in (still, changed))
    assert not torch.equal(plain.images, other.images)
    moved = field in ("rotation_degrees", "scale", "shift", "share", "shapes")
    assert torch.equal(plain.labels, other.labels) != moved


def test_labels_move_with_the_picture(slices):
    """Every structure keeps the mean brightness it was painted with."""
    batch = batches(
        slices,
        EVERYTHING.model_copy(
            update={"gamma": 0.0, "gain": 0.0, "noise": 0.0, "blur": 0.0, "bias": 0.0}
        ),
    ).batch(0, 8)
    for value, shade in ((LV, 220), (MYO, 90), (RV, 200)):
        inside = batch.labels == value
        assert batch.images[:, 0][inside].mean() * 255 == pytest.approx(shade, abs=6)


def test_a_shift_moves_by_its_share_of_the_grid(slices):
    """At most shift x 128 pixels each way, and about as much for the luckiest of many."""
    shift = 0.1
    source = batches(slices, STILL.model_copy(update={"shift": shift}))
    theta = torch.stack([source._geometry(np.random.default_rng(k)) for k in range(200)])
    pixels = theta[:, :, 2].abs() * 160 / 2
    assert pixels.max() <= shift * 128 + 1e-4
    assert pixels.max() > 0.9 * shift * 128


def test_what_is_not_augmented_keeps_the_grain_of_the_scan(slices):
    """Whole pixels, unmixed: every one of them is a value of the scan, shifted but not blurred."""
    some = EVERYTHING.model_copy(update={"share": 0.5})
    source = batches(slices, some)
    batch = source.batch(0, 40)
    changed = [bool(c["augmented"]) for c in batch.conditions]
    assert 10 < sum(changed) < 30
    for k, augmented in enumerate(changed):
        values = np.unique(np.rint(slices.images[source._slice_of(k)]))
        off = np.abs(batch.images[k, 0].numpy() * 255 - values[:, None, None]).min(axis=0)
        assert (off.max() < 0.01) != augmented


def test_warp_invents_no_label_and_marks_what_is_outside():
    labels = torch.zeros(1, 16, 16, dtype=torch.uint8)
    labels[0, 4:12, 4:12] = RV
    labels[0, 6:10, 6:10] = UNLABELLED
    away = torch.tensor([[[0.7, -0.7, 0.6], [0.7, 0.7, 0.0]]])
    images = torch.rand(1, 1, 16, 16)
    grid = functional.affine_grid(away, [1, 1, 12, 12], align_corners=False)
    pixels, moved, inside = warp(images, labels, torch.ones(1, 1, 16, 16), grid)
    assert set(moved.unique().tolist()) <= {0, RV, UNLABELLED}
    assert pixels.min() >= 0 and pixels.max() <= 1
    assert 0 < inside.mean() < 1


def test_another_look_is_said_to_be_of_its_vendor_and_keeps_the_mask(slices):
    still = STILL.model_copy(update={"looks": 1.0})
    plain, made = (batches(slices, a).batch(0, 7) for a in (STILL, still))
    torch.testing.assert_close(made.labels, plain.labels)
    for before, after in zip(plain.conditions, made.conditions, strict=True):
        assert after["vendor"] in {"siemens", "ge"} - {before["vendor"]}
        assert {**after, "vendor": ""} == {**before, "vendor": ""}
    assert (made.images - plain.images).abs().mean() > 1e-3


def test_one_vendor_alone_has_nothing_to_exchange(slices):
    rows = tuple(replace(row, vendor="ge") for row in slices.rows)
    alone = replace(slices, rows=rows)
    looks = STILL.model_copy(update={"looks": 1.0})
    assert_same(*(tensors(batches(alone, a).batch(0, 4)) for a in (STILL, looks)))


def test_bent_hearts_move_picture_and_mask_alike_and_lose_their_pathology(slices):
    rows = tuple(replace(row, pathology="dcm") for row in slices.rows)
    shapes = STILL.model_copy(update={"shapes": 1.0})
    plain, made = (batches(replace(slices, rows=rows), a).batch(0, 7) for a in (STILL, shapes))
    moved = [bool((a != b).any()) for a, b in zip(plain.labels, made.labels, strict=True)]
    assert any(moved)
    for is_moved, condition in zip(moved, made.conditions, strict=True):
        assert condition["pathology"] == ("" if is_moved else "dcm")
    for i in np.flatnonzero(moved):
        blood, muscle = (made.images[i, 0][made.labels[i] == k].median() for k in (LV, MYO))
        assert blood > muscle + 0.3  # drawn with 220 and 90 of 255


def test_a_slice_set_on_disk_is_the_same_as_in_memory(slices, tmp_path):
    paths = {}
    for name in ("images", "labels", "covered"):
        np.save(tmp_path / name, getattr(slices, name))
        paths[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    mapped = SliceSet(**paths, rows=slices.rows, about=slices.about)
    assert_same(tensors(batches(slices).batch(2, 3)), tensors(batches(mapped).batch(2, 3)))


def test_streams_take_turns_and_the_first_does_not_hang_on_the_others(slices):
    alone = batches(slices, streams=[np.array([0, 1, 2])])
    both = batches(slices, streams=[np.array([0, 1, 2]), np.array([3, 4])])
    found = both.batch(0, 12)
    assert torch.equal(found.images[::2], alone.batch(0, 6).images)
    assert torch.equal(both.batch(3, 4).images, found.images[3:7])
    shown = [both._slice_of(number, 1) for number in range(6)]
    assert sorted(shown) == [3, 3, 3, 4, 4, 4]


def test_a_style_is_put_on_every_picture_by_its_own_draw(slices):
    def darker(image, draw):
        return image * draw.random()

    plain, styled = batches(slices).batch(0, 6), batches(slices, style=darker).batch(0, 6)
    assert torch.equal(plain.labels, styled.labels)
    shares = [float(s.sum() / p.sum()) for s, p in zip(styled.images, plain.images, strict=True)]
    assert len({round(share, 4) for share in shares}) == 6 and max(shares) < 1
    assert torch.equal(batches(slices, style=darker).batch(2, 3).images, styled.images[2:5])
