"""Pictures that check themselves: misses are drawn again, at most so often, and told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.labels import LV, RV
from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.generators.noise import Mixed
from cmr_synth.generators.vocabulary import Vocabulary
from cmr_synth.imaging.scan import Scan
from cmr_synth.judges.reach import Reach
from cmr_synth.judges.segmenter import Segmenter
from cmr_synth.synthesis import checking
from cmr_synth.synthesis.checking import Checker, at_spacing
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request

GREY = {0: 0.1, 1: 0.7, 2: 0.3, 3: 0.6}


def painted(labels: np.ndarray) -> np.ndarray:
    """A picture in which the segmenter-for-tests below finds exactly these labels."""
    return np.vectorize(GREY.get)(labels).astype(np.float32)


class GreySegmenter:
    """Tells structures by their grey value."""

    hash = "grey"

    def segment(self, images: np.ndarray) -> np.ndarray:
        greys = np.array([GREY[label] for label in range(4)])
        return np.abs(images[..., None] - greys).argmin(axis=-1).astype(np.uint8)


@dataclass
class Forgetful:
    """A generator that leaves the LV out of some slices, the first `tries` times."""

    shape: tuple[int, int]
    tries: int
    takes: frozenset[str] = frozenset({"mask", "z"})
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    config: Vocabulary = field(default_factory=Vocabulary)
    asked: list[tuple[int, ...]] = field(default_factory=list)

    def sample(
        self, conditions: Sequence[Condition], *, seed: int, indices: Sequence[Mixed], **_: object
    ) -> Iterator[Progress | Images]:
        yield Progress(1, 1)
        pictures = []
        for condition, index in zip(conditions, indices, strict=True):
            assert condition.mask is not None
            labels = condition.mask.copy()
            attempt = index.nearest[3]
            self.asked.append((attempt,))
            if condition.z is not None and condition.z > 0.9 and attempt < self.tries:
                labels[labels == LV] = 0
            pictures.append(painted(labels))
        yield Images(np.stack(pictures))


@pytest.fixture
def checker(monkeypatch: pytest.MonkeyPatch) -> Checker:
    bounds = dict.fromkeys(("LV", "MYO", "RV"), 0.8)
    levels = dict.fromkeys(("all", "basal", "mid", "apical"), bounds)
    own = Checker(GreySegmenter(), Reach(levels, "grey", 5, 50))  # type: ignore[arg-type]
    monkeypatch.setattr("cmr_synth.synthesis.from_mask.bundled_checker", lambda device: own)
    return own


@pytest.fixture
def mask() -> Scan:
    labels = draw_stack(slices=3, shape=(128, 128))
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    return Scan(array=labels, spacing=(8.0, 1.5, 1.5), affine=affine, name="heart")


def made(
    mask: Scan, tiny_model: Path, tries: int, redraws: int | None, **config: Any
) -> tuple[Synthetic, Forgetful]:
    model = zoo.load(tiny_model)
    generator = Forgetful((128, 128), tries, config=Vocabulary(**config))
    grid = model.card.grid.model_copy(update={"shape": (128, 128), "spacing_mm": 1.5})
    card = model.card.model_copy(update={"grid": grid})
    model = zoo.Model(generator=generator, card=card)  # type: ignore[arg-type]
    *_, last = synthesize(mask, model, Request(redraws=redraws))
    assert isinstance(last, Synthetic)
    return last, generator


def test_a_slice_that_misses_is_drawn_again_until_it_shows_its_mask(
    checker: Checker, mask: Scan, tiny_model: Path
) -> None:
    synthetic, generator = made(mask, tiny_model, tries=2, redraws=3)
    told = synthetic.record["check"]
    assert [one["attempt"] for one in told["slices"]] == [0, 0, 2]
    assert told["missed"] == 0 and told["drawn_again"] == 2
    assert len(generator.asked) == 3 + 2  # the slices that were good are not made again
    assert told["slices"][2]["dice"]["LV"] == 1
    assert (synthetic.scan.array[2] == np.float32(GREY[LV])).any()
    assert Request.from_record(synthetic.record).redraws == 3


def test_an_rv_that_the_model_leaves_open_is_not_missed(
    checker: Checker, mask: Scan, tiny_model: Path
) -> None:
    assert (mask.array == RV).any()
    synthetic, _ = made(mask, tiny_model, tries=0, redraws=0, structures=("LV", "MYO"))
    assert all("RV" not in one["dice"] for one in synthetic.record["check"]["slices"])
    assert any("the RV is left open" in note for note in synthetic.record["notes"])
    synthetic, _ = made(mask, tiny_model, tries=0, redraws=0)
    assert any("RV" in one["dice"] for one in synthetic.record["check"]["slices"])
    assert not any("RV" in note for note in synthetic.record["notes"])


def test_what_still_misses_is_kept_and_flagged(
    checker: Checker, mask: Scan, tiny_model: Path
) -> None:
    synthetic, generator = made(mask, tiny_model, tries=9, redraws=2)
    told = synthetic.record["check"]
    assert told["missed"] == 1 and told["slices"][2]["missed"] == ["LV"]
    assert len(generator.asked) == 3 + 2


def test_without_redraws_it_only_flags_and_without_check_it_does_not_look(
    checker: Checker, mask: Scan, tiny_model: Path
) -> None:
    synthetic, generator = made(mask, tiny_model, tries=9, redraws=0)
    assert synthetic.record["check"]["missed"] == 1 and len(generator.asked) == 3
    synthetic, _ = made(mask, tiny_model, tries=9, redraws=None)
    assert "check" not in synthetic.record


def test_the_bundled_checker_knows_a_heart_from_noise() -> None:
    own = checking.bundled_checker()
    labels = draw_slice(shape=(128, 128))[None]
    noise = np.random.default_rng(0).random((1, 128, 128), dtype=np.float32)
    (look,) = own.look(noise, labels, [0.5], spacing=1.5)
    assert "LV" in look.missed and look.margin < -0.3
    assert own.look(noise, np.full_like(labels, 255), [0.5], spacing=1.5)[0].missed == ()


def test_finer_and_coarser_grids_come_to_that_of_the_segmenter() -> None:
    labels = np.zeros((1, 256, 256), np.uint8)
    labels[:, 100:150, 100:150] = LV
    pictures, resized = at_spacing(painted(labels), labels, 0.75)
    assert pictures.shape == resized.shape == (1, 128, 128)
    assert (resized == LV).sum() == pytest.approx(25 * 25, rel=0.1)
    padded, _ = at_spacing(np.zeros((1, 40, 70), np.float32), labels[:, :40, :70], 1.5)
    assert padded.shape == (1, 64, 96)


def test_bounds_of_other_weights_are_refused() -> None:
    reach = Reach({}, "other", 1, 1)
    segmenter: Segmenter = SimpleNamespace(hash="own")  # type: ignore[assignment]
    with pytest.raises(InputError, match="measured with other weights"):
        Checker(segmenter, reach)


def test_a_negative_number_of_redraws_is_refused() -> None:
    with pytest.raises(InputError, match="redraws: -1 given"):
        Request(redraws=-1)
