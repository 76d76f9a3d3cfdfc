"""Agreement of one picture with its mask: numbers on the mask's grid, errors where they are."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.errors import InputError
from cmr_synth.evaluation.one_picture.agreement import MISSED, Agreement, mask_agreement
from cmr_synth.generators.interface import Progress
from cmr_synth.imaging.scan import Scan
from cmr_synth.judges.segmenter import Segmenter

PLAIN = np.diag([-1.5, -1.5, 8.0, 1.0])
GOOD = 0.85  # what `Reader` reaches: an edge passes through the greys of other structures


class Reader:
    """A segmenter that reads labels from the grey values they were painted with."""

    hash = "planted"

    def segment(self, images: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(images * 4 - 1), 0, 3).astype(np.uint8)


def painted(labels: np.ndarray) -> np.ndarray:
    """A picture that shows labels as grey values, background not black."""
    return ((np.where(labels == UNLABELLED, 0, labels) + 1) / 4).astype(np.float32)


def scan(array: np.ndarray, spacing=(8.0, 1.5, 1.5), affine=PLAIN, name="heart") -> Scan:
    return Scan(array=array, spacing=spacing, affine=affine, name=name)


def agreement(picture: Scan, mask: Scan, segmenter=None) -> Agreement:
    *progress, last = mask_agreement(picture, mask, segmenter or Reader())
    assert all(isinstance(step, Progress) for step in progress)
    assert progress[-1].step == progress[-1].steps
    return last


@pytest.fixture
def stack() -> np.ndarray:
    return draw_stack(slices=5, shape=(128, 128))


def test_a_picture_of_the_mask_agrees(stack: np.ndarray) -> None:
    mask = scan(stack)
    result = agreement(mask.with_array(painted(stack)), mask)
    assert all(value > GOOD for value in result.dice.values())
    assert result.mean == pytest.approx(np.mean(list(result.dice.values())))
    assert [(one.frame, one.slice) for one in result.slices] == [(0, k) for k in range(5)]
    assert result.not_compared == ()
    assert result.segmenter_sha256 == "planted"
    assert np.mean(result.disagreement.array != 0) < 0.02


def test_errors_are_marked_where_they_are(stack: np.ndarray) -> None:
    """The LV of one slice is shown as RV, and the RV of another is not shown."""
    shown = stack.copy()
    shown[1][shown[1] == LV] = RV
    shown[3][shown[3] == RV] = 0
    mask = scan(stack)
    result = agreement(mask.with_array(painted(shown)), mask)
    of_slice = {one.slice: one.dice for one in result.slices}
    assert of_slice[1]["LV"] == 0 and of_slice[3]["RV"] == 0
    assert of_slice[0]["LV"] > GOOD and of_slice[2]["RV"] > GOOD
    assert 0.3 < result.dice["LV"] < 0.9
    inside = _eroded(stack[1] == LV)
    assert (result.disagreement.array[1][inside] == RV).all()
    assert (result.disagreement.array[3][_eroded(stack[3] == RV)] == MISSED).all()
    assert not result.disagreement.array[:, :4, :4].any()


def _eroded(region: np.ndarray) -> np.ndarray:
    """Away from the edge, where resampling decides."""
    from scipy import ndimage

    return ndimage.binary_erosion(region, iterations=3)


def test_more_damage_lowers_it(stack: np.ndarray) -> None:
    mask = scan(stack)
    means = [
        agreement(mask.with_array(painted(np.roll(stack, shift, axis=2))), mask).mean
        for shift in (0, 2, 5, 10)
    ]
    assert means == sorted(means, reverse=True) and means[0] - means[-1] > 0.2


@pytest.mark.parametrize("spacing", [(8.0, 1.5, 1.5), (8.0, 0.9, 1.2), (10.0, 2.0, 2.0)])
def test_whatever_the_grid_the_numbers_are_on_it(spacing) -> None:
    labels = draw_slice(shape=(150, 170), spacing=spacing[1:])[None]
    affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1.0])
    mask = scan(labels, spacing, affine)
    result = agreement(mask.with_array(painted(labels)), mask)
    assert result.found.shape == result.disagreement.shape == mask.shape
    np.testing.assert_array_equal(result.found.affine, affine)
    assert all(value > GOOD for value in result.dice.values())


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_however_a_file_stores_its_slices(transpose: bool, flip: tuple[int, int]) -> None:
    """The bundled segmenter knows hearts in radiological display only."""
    labels = draw_slice(shape=(96, 110))
    axes, _ = np.linalg.qr(np.array([[-0.6, -0.3, 0.7], [0.2, -0.9, -0.2], [-0.7, -0.3, -0.65]]))
    axes *= np.sign(np.sum(axes * np.array([[-0.6, -0.3, 0.7], [0.2, -0.9, -0.2],
                                            [-0.7, -0.3, -0.65]]), axis=0))  # fmt: skip
    affine = np.eye(4)
    affine[:3, :3] = axes * (1.5, 1.5, 8.0)
    seen = []

    class Camera(Reader):
        def segment(self, images: np.ndarray) -> np.ndarray:
            seen.append(images.copy())
            return super().segment(images)

    straight = scan(labels[None], affine=affine)
    agreement(straight.with_array(painted(straight.array)), straight, Camera())
    stored = labels[:: flip[0], :: flip[1]]
    turned = affine.copy()
    turned[:3, 3] += affine[:3, 0] * (109 if flip[1] < 0 else 0)
    turned[:3, 3] += affine[:3, 1] * (95 if flip[0] < 0 else 0)
    turned[:3, 0] *= flip[1]
    turned[:3, 1] *= flip[0]
    if transpose:
        stored, turned = stored.T, turned[:, [1, 0, 2, 3]]
    other = scan(np.ascontiguousarray(stored)[None], affine=turned)
    result = agreement(other.with_array(painted(other.array)), other, Camera())
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-4)  # the same picture was judged
    assert all(value > GOOD for value in result.dice.values())


def test_slices_that_the_picture_does_not_show_are_left_out_and_said(stack: np.ndarray) -> None:
    pixels = painted(stack)
    pixels[2:4] = 0
    mask = scan(stack)
    result = agreement(mask.with_array(pixels), mask)
    assert [one.slice for one in result.slices] == [0, 1, 4]
    assert result.not_compared == ((0, 2), (0, 3))
    assert not result.found.array[2:4].any() and not result.disagreement.array[2:4].any()


def test_a_cine_is_compared_frame_by_frame(stack: np.ndarray) -> None:
    cine = np.stack([stack[1:3], draw_stack(slices=5, phase="ES", shape=(128, 128))[1:3]])
    mask = scan(cine)
    pixels = painted(cine)
    pixels[1] = painted(cine[0])  # the second frame shows the heart of the first
    result = agreement(mask.with_array(pixels), mask)
    assert [(one.frame, one.slice) for one in result.slices] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert result.slices[0].dice["LV"] > result.slices[2].dice["LV"] + 0.1
    assert result.found.shape == cine.shape


def test_unlabelled_pixels_are_not_compared(stack: np.ndarray) -> None:
    partly = np.where(stack == RV, UNLABELLED, stack).astype(np.uint8)
    mask = scan(partly)
    result = agreement(mask.with_array(painted(stack)), mask)
    assert np.isnan(result.dice["RV"]) or result.dice["RV"] < 0.2
    assert not result.disagreement.array[partly == UNLABELLED].any()


def test_numbers_for_programs_hold_no_nan() -> None:
    heart = draw_slice(anatomy="hypertrophic")
    labels = np.where(heart == RV, 0, heart)[None].astype(np.uint8)
    mask = scan(labels)
    facts = agreement(mask.with_array(painted(labels)), mask).as_dict()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["dice"]["RV"] is None and facts["slices"][0]["dice"]["MYO"] > 0.9
    assert facts["mean"] > 0.9


def test_what_cannot_be_compared_is_refused(stack: np.ndarray) -> None:
    mask = scan(stack)
    picture = mask.with_array(painted(stack), name="picture")
    for other, words in (
        (replace(picture, array=picture.array[:3]), "slices x rows x columns"),
        (picture.with_array(np.zeros(stack.shape, np.float32)), "is empty on every slice"),
        (picture.with_array(np.stack([picture.array] * 2)), "frames"),
    ):
        with pytest.raises(InputError, match=words):
            agreement(other, mask)
    with pytest.raises(InputError, match="mask is empty"):
        agreement(picture, mask.with_array(np.zeros_like(stack)))


def test_the_bundled_segmenter_finds_the_heart_of_the_bundled_model() -> None:
    """A bound against mishaps of orientation and scale; the benchmarks measure."""
    from cmr_synth.generators import zoo
    from cmr_synth.synthesis.from_mask import synthesize
    from cmr_synth.synthesis.record import Synthetic

    labels = draw_stack(slices=3, shape=(140, 150), spacing=(8.0, 1.3, 1.3))
    mask = scan(labels, (8.0, 1.3, 1.3), np.diag([-1.3, -1.3, 8.0, 1.0]))
    (made,) = (s for s in synthesize(mask, zoo.load("flow")) if isinstance(s, Synthetic))
    result = agreement(made.scan, mask, Segmenter.load())
    assert result.mean > 0.7
    assert MYO in np.unique(result.found.array)
