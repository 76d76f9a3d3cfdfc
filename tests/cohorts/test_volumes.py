"""Volumes of a slice set: whose slices are together, at what distance, and who is left out."""

from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.cohorts.slices import SliceRow, SliceSet, open_slice_set, write_slice_set
from cmr_synth.cohorts.volumes import Depth, volumes_of

STACK = Depth(axis="z", count=6, between_mm=10.0, least=4)
BEAT = Depth(axis="t", count=4, between_mm=10.0, least=3)


def row(patient: str, number: int, **stated) -> SliceRow:
    return SliceRow(
        **{
            "cohort": "drawn",
            "patient": patient,
            "split": "train",
            "vendor": "siemens",
            "phase": "ED",
            "pathology": "dcm",
            "slice": number,
            "z": 0.5,
            "completed": False,
            "between_mm": 10.0,
            **stated,
        }
    )


def a_set(*rows: SliceRow) -> SliceSet:
    """Slices of 4 x 4 pixels; number k has the grey value 10 k and the label k modulo 4."""
    numbers = np.arange(len(rows))
    grey = np.broadcast_to((10 * numbers)[:, None, None], (len(rows), 4, 4)).astype(np.uint8)
    labels = np.broadcast_to((numbers % 4)[:, None, None], grey.shape).astype(np.uint8)
    return SliceSet(grey, labels, np.ones_like(grey), rows, {"spacing_mm": 1.5})


def test_a_stack_at_the_distance_is_left_as_scanned_and_empty_beyond_its_end():
    slices = a_set(*(row("a", k + 3) for k in range(5)))  # numbered as in the scan
    (volume,), left_out = volumes_of(slices, STACK)
    pixels, labels, inside = volume.read(slices)
    np.testing.assert_allclose(pixels[:, 0, 0] * 255, [0, 10, 20, 30, 40, 0], atol=1e-4)
    np.testing.assert_array_equal(labels[:, 0, 0], [0, 1, 2, 3, 0, 0])
    np.testing.assert_array_equal(volume.there, [True] * 5 + [False])
    assert inside.all() and not left_out.short and not left_out.long
    np.testing.assert_array_equal(volume.members, range(5))


def test_a_stack_of_half_the_distance_gives_every_second_slice():
    slices = a_set(*(row("a", k, between_mm=5.0) for k in range(8)))
    (volume,), _ = volumes_of(slices, STACK)
    np.testing.assert_allclose(
        volume.read(slices)[0][:, 0, 0] * 255, [0, 20, 40, 60, 0, 0], atol=1e-4
    )


def test_between_slices_pictures_are_mixed_and_labels_are_the_nearest():
    slices = a_set(*(row("a", k, between_mm=8.0) for k in range(6)))
    (volume,), _ = volumes_of(slices, STACK)
    pixels, labels, _ = volume.read(slices)
    # the second place is at 10 mm: a quarter of the way from slice 1 to slice 2
    assert pixels[1, 0, 0] * 255 == pytest.approx(12.5, abs=1e-3)
    assert labels[1, 0, 0] == 1 and labels[3, 0, 0] == 0  # 30 mm is nearest to slice 4
    assert volume.there.sum() == 5  # 40 mm and a half slice hold places at 0 to 40 mm


def test_a_slice_that_is_missing_within_a_stack_is_bridged():
    slices = a_set(*(row("a", k) for k in (0, 1, 3, 4)))
    (volume,), _ = volumes_of(slices, STACK)
    grey = volume.read(slices)[0][:5, 0, 0] * 255
    np.testing.assert_allclose(grey, [0, 10, 15, 20, 30], atol=1e-3)


def test_phases_and_patients_are_stacks_of_their_own_and_frames_belong_to_none():
    rows = [row(p, k, phase=phase) for p in "ab" for phase in ("ED", "ES") for k in range(4)]
    rows += [row("a", 0, frame=t, phase="") for t in range(5)]
    rows += [row("c", k, split="test") for k in range(4)]
    found, _ = volumes_of(a_set(*rows), STACK)
    assert [(v.row.patient, v.row.phase) for v in found] == [
        ("a", "ED"), ("a", "ES"), ("b", "ED"), ("b", "ES"),
    ]  # fmt: skip


def test_stacks_that_are_too_short_or_too_long_are_counted_and_named():
    rows = [row("short", k) for k in range(3)] + [row("long", k) for k in range(7)]
    found, left_out = volumes_of(a_set(*rows), STACK)
    assert not found
    assert left_out.told(STACK) == [
        "1 volumes left out, fewer than 4 slices of 10 mm: drawn short ED with 3",
        "1 volumes left out, more than 6 slices of 10 mm: drawn long ED with 7",
    ]


def test_a_beat_begins_at_end_diastole_and_goes_round():
    rows = [row("a", 2, frame=t, phase="ED" if t == 6 else "") for t in range(8)]
    slices = a_set(*rows)
    (volume,), _ = volumes_of(slices, BEAT)
    np.testing.assert_allclose(volume.read(slices)[0][:, 0, 0] * 255, [60, 0, 20, 40], atol=1e-3)
    assert volume.row.phase == "ED" and volume.there.all()


def test_slices_of_a_cine_are_beats_of_their_own():
    rows = [row("a", k, frame=t, phase="") for k in (1, 4) for t in range(3 + k)]
    found, _ = volumes_of(a_set(*rows), BEAT)
    assert [v.row.slice for v in found] == [1, 4]


def test_frames_are_kept_on_disk(tmp_path):
    slices = a_set(row("a", 0, frame=0), row("a", 0, frame=11), row("a", 1))
    arrays = {"images": slices.images, "labels": slices.labels, "covered": slices.covered}
    write_slice_set(tmp_path / "set", arrays, slices.rows, slices.about)
    assert [r.frame for r in open_slice_set(tmp_path / "set").rows] == [0, 11, None]


def test_what_is_unlabelled_stays_so():
    slices = a_set(*(row("a", k) for k in range(5)))
    open_labels = slices.labels.copy()
    open_labels[2] = 255
    (volume,), _ = volumes_of(replace(slices, labels=open_labels), STACK)
    assert (volume.read(slices)[1][2] == 2).all()
    assert (volume.read(replace(slices, labels=open_labels))[1][2] == 255).all()
