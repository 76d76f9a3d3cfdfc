"""A mask that is being painted: the pictures of `synthesize`, and a grid that stays in place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Progress
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.interactive import STRAY_MM, Picture, Session
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request

OBLIQUE = np.array(
    [[0.9, 0.8, -5.0, 10.0], [-1.0, 0.9, 3.0, -20.0], [0.5, 1.0, 6.0, 5.0], [0, 0, 0, 1.0]]
)
PLAIN = np.diag([-1.5, -1.5, 8.0, 1.0])
SAME = 5e-5  # float32 convolutions sum in another order for another batch


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> zoo.Model:
    return zoo.load(tiny_model)


def scan(labels: np.ndarray, affine: np.ndarray = PLAIN) -> Scan:
    return Scan(array=labels, spacing=(8.0, 1.5, 1.5), affine=affine, name="heart")


def redrawn(session: Session, labels: np.ndarray, k: int = 0, **options) -> Picture:
    frame = options.pop("frame", 0)
    *steps, picture = session.redraw(labels, k, Request(**options), frame=frame)
    assert all(isinstance(step, Progress) for step in steps) and steps
    return picture


def moved_by(labels: np.ndarray, rows: int) -> np.ndarray:
    return np.roll(labels, rows, axis=-2)


@pytest.mark.parametrize("affine", [PLAIN, OBLIQUE], ids=["plain", "oblique"])
def test_a_picture_is_the_one_that_synthesize_makes(model: zoo.Model, affine: np.ndarray) -> None:
    mask = scan(draw_stack(slices=3, shape=(96, 110)), affine)
    made = [
        item
        for item in synthesize(
            mask,
            model,
            Request(vendor="ge", phase="ES", seed=5, steps=3, guidance=2.0, batch=1, mirror="no"),
        )
        if isinstance(item, Synthetic)
    ]
    session = Session(mask, model)
    for k in range(3):
        picture = redrawn(
            session, mask.array, k, vendor="ge", phase="ES", seed=5, steps=3, guidance=2.0,
            mirror="no",
        )  # fmt: skip
        assert picture.pixels.shape == (96, 110)
        np.testing.assert_allclose(picture.pixels, made[0].scan.array[k], atol=SAME, rtol=0)


def test_the_frames_of_a_cine_are_told_apart(model: zoo.Model) -> None:
    cine = scan(np.stack([draw_stack(slices=2, phase=phase) for phase in ("ED", "ES")]))
    (made,) = (
        item for item in synthesize(cine, model, Request(batch=1)) if isinstance(item, Synthetic)
    )
    session = Session(cine, model)
    for frame in (1, 0):
        picture = redrawn(session, cine.array[frame], 1, frame=frame)
        np.testing.assert_allclose(picture.pixels, made.scan.array[frame, 1], atol=SAME, rtol=0)


def test_z_that_is_given_counts_before_that_of_the_stack(model: zoo.Model) -> None:
    single = draw_stack(slices=3)
    single[[0, 2]] = 0
    session = Session(scan(single), model)
    free, base = redrawn(session, single, 1), redrawn(session, single, 1, z=0.0)
    assert np.abs(free.pixels - base.pixels).max() > 1e-3
    stack = draw_stack(slices=3)
    own, given = redrawn(session, stack, 1), redrawn(session, stack, 1, z=0.0)
    assert np.abs(own.pixels - given.pixels).max() > 1e-3


def test_a_stroke_changes_the_picture_and_not_the_place_of_the_noise(model: zoo.Model) -> None:
    labels = draw_slice(shape=(160, 160))[None]
    session = Session(scan(labels), model)
    before = redrawn(session, labels)
    stroke = labels.copy()
    rows, columns = np.nonzero(labels[0])
    stroke[0, rows.max() + 1 : rows.max() + 7, columns.min() : columns.max()] = RV
    after = redrawn(session, stroke)
    assert before.moved and not after.moved
    assert np.abs(before.pixels - after.pixels).max() > 1e-3
    # `synthesize` would have centred its grid anew: elsewhere, so that every pixel differs
    (centred,) = (i for i in synthesize(scan(stroke), model) if isinstance(i, Synthetic))
    far = np.s_[0:40, 0:40]
    assert np.abs(centred.scan.array[0] - before.pixels)[far].max() > 1e-3


def test_undoing_the_stroke_gives_the_same_pixels_back(model: zoo.Model) -> None:
    labels = draw_slice(shape=(160, 160))[None]
    session = Session(scan(labels), model)
    before = redrawn(session, labels)
    redrawn(session, moved_by(labels, 4))
    np.testing.assert_array_equal(redrawn(session, labels).pixels, before.pixels)


def test_the_grid_follows_a_heart_that_has_left_it_behind(model: zoo.Model) -> None:
    labels = draw_slice(shape=(160, 160))[None]
    session = Session(scan(labels), model)
    redrawn(session, labels)
    near, far = int(STRAY_MM / 1.5), int(STRAY_MM / 1.5) + 1
    assert not redrawn(session, moved_by(labels, near)).moved
    assert redrawn(session, moved_by(labels, far)).moved
    assert not redrawn(session, moved_by(labels, far)).moved


def test_the_grid_follows_a_heart_that_grows_over_its_edge(model: zoo.Model) -> None:
    """192 mm of field: 180 mm fit if centred, and do not on a grid 9 mm beside the middle."""
    labels = np.zeros((1, 160, 160), np.uint8)
    labels[0, 20:128, 70:80] = MYO  # 162 mm, centre in row 73.5
    session = Session(scan(labels), model)
    redrawn(session, labels)
    labels[0, 128:140] = labels[0, 127]  # its centre moves by 9 mm, its end out of reach
    assert redrawn(session, labels).moved


def test_a_mask_may_be_empty_at_the_start(model: zoo.Model) -> None:
    labels = np.zeros((2, 128, 128), np.uint8)
    session = Session(scan(labels), model)
    with pytest.raises(InputError, match=r"^heart: slice 1 shows no heart; draw it there\.$"):
        session.redraw(labels, 1)
    labels[1] = draw_slice()
    assert redrawn(session, labels, 1).pixels.any()
    with pytest.raises(InputError, match="slice 0 shows no heart"):
        session.redraw(labels, 0)


def test_unlabelled_pixels_alone_are_no_heart(model: zoo.Model) -> None:
    labels = np.full((1, 128, 128), UNLABELLED, np.uint8)
    with pytest.raises(InputError, match="shows no heart"):
        Session(scan(labels), model).redraw(labels, 0)


def test_what_the_model_does_not_know_is_refused(model: zoo.Model) -> None:
    labels = draw_slice()[None]
    with pytest.raises(InputError, match="vendor 'canon'"):
        Session(scan(labels), model).redraw(labels, 0, Request(vendor="canon"))


def test_a_heart_larger_than_the_grid_is_refused_and_the_session_goes_on(model: zoo.Model) -> None:
    labels = draw_slice(shape=(160, 160))[None]
    session = Session(scan(labels), model)
    before = redrawn(session, labels)
    huge = labels.copy()
    huge[0, :, 80] = LV
    with pytest.raises(InputError, match="larger than the model's field of view"):
        session.redraw(huge, 0)
    np.testing.assert_array_equal(redrawn(session, labels).pixels, before.pixels)
