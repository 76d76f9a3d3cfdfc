"""The last stage of a picture: gains by radial frequency."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.evaluation.realism.spectrum import RINGS, log_power
from cmr_synth.generators import zoo
from cmr_synth.generators.card import file_hashes, read_card, write_card
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.transfer import Transfer, filtered, read_transfer

RISING = tuple(np.linspace(1.0, 2.0, RINGS))
FALLING = tuple(np.linspace(1.0, 0.5, RINGS))
BOTH = Transfer(gains={"siemens": RISING, "ge": FALLING})


@pytest.fixture
def pictures() -> np.ndarray:
    """Noise of low contrast, so that nothing is clipped."""
    noise = np.random.default_rng(0).normal(0.5, 0.03, (3, 96, 96))
    return noise.astype(np.float32)


def test_each_ring_gets_its_gain(pictures: np.ndarray) -> None:
    made = BOTH(pictures, [Condition(vendor="siemens")] * 3)
    got = np.exp((log_power(made) - log_power(pictures)).mean(axis=0) / 2)
    assert made.shape == pictures.shape and made.dtype == np.float32
    assert np.allclose(got[2:], RISING[2:], rtol=0.03)
    assert np.allclose(made.mean(axis=(1, 2)), pictures.mean(axis=(1, 2)), atol=2e-3)


def test_gains_of_one_change_nothing(pictures: np.ndarray) -> None:
    assert np.abs(filtered(pictures, np.zeros((3, RINGS))) - pictures).max() < 1e-6


def test_each_picture_is_of_its_own_vendor_whatever_stands_beside_it(pictures: np.ndarray) -> None:
    vendors = [Condition(vendor="siemens"), Condition(vendor="ge"), Condition()]
    together = BOTH(pictures, vendors)
    for k, asked in enumerate(vendors):
        assert np.array_equal(BOTH(pictures[k : k + 1], [asked])[0], together[k])
    power = log_power(together)[:, -5:].mean(axis=1) - log_power(pictures)[:, -5:].mean(axis=1)
    assert power[0] > 0.5 > power[2] > -0.5 > power[1]  # no vendor: between them


def test_a_picture_with_the_look_of_a_reference_keeps_its_spectrum(pictures: np.ndarray) -> None:
    look = pictures[0]
    asked = [
        Condition(vendor="siemens", reference=look, reference_strength=1.0),
        Condition(vendor="siemens", reference=look, reference_strength=0.5),
        Condition(vendor="siemens"),
    ]
    changed = np.abs(BOTH(pictures, asked) - pictures).mean(axis=(1, 2))
    assert changed[0] < 1e-6 < changed[1] < changed[2]


def test_pictures_smaller_than_the_margin_and_bright_edges(pictures: np.ndarray) -> None:
    assert filtered(pictures[:, :8, :12], np.zeros((3, 4))).shape == (3, 8, 12)
    steps = np.zeros((1, 32, 32), np.float32)
    steps[:, :, 16:] = 1
    made = filtered(steps, np.full((1, RINGS), np.log(2.0)))
    assert made.min() >= 0 and made.max() <= 1


@pytest.mark.parametrize(
    "gains",
    [
        {},
        {"ge": (1.0,)},
        {"ge": (1.0, 1.0), "siemens": (1.0, 1.0, 1.0)},
        {"ge": (1.0, 9.0)},
        {"ge": (1.0, 0.0)},
        {"ge": (1.0, float("nan"))},
    ],
)
def test_gains_that_are_none_are_refused(gains: dict) -> None:
    with pytest.raises(ValueError, match="gains"):
        Transfer(gains=gains)


def test_a_model_folder_with_gains_samples_through_them(
    own_tiny_model: Path, heart: np.ndarray
) -> None:
    asked = [Condition(mask=heart[::2, ::2], vendor=v) for v in ("siemens", "ge")]
    before = _made(own_tiny_model, asked)
    about = json.loads((own_tiny_model / "config.json").read_text())
    about["transfer"] = BOTH.model_dump(mode="json")
    _write(own_tiny_model, about)
    assert read_transfer(own_tiny_model) == BOTH
    assert np.array_equal(_made(own_tiny_model, asked), BOTH(before, asked))


@pytest.mark.parametrize("wrong", [{"gains": {"ge": [1, 50]}}, {"curves": []}, [1, 2], "none"])
def test_damaged_gains_are_told_in_a_line(own_tiny_model: Path, wrong: object) -> None:
    about = json.loads((own_tiny_model / "config.json").read_text())
    _write(own_tiny_model, about | {"transfer": wrong})
    with pytest.raises(InputError, match=r"config.json: transfer not readable .* get the model"):
        zoo.load(own_tiny_model)


def _made(folder: Path, asked: list[Condition]) -> np.ndarray:
    *_, last = zoo.load(folder).generator.sample(asked, seed=0, steps=1)
    assert isinstance(last, Images)
    return last.pixels


def _write(folder: Path, about: dict) -> None:
    (folder / "config.json").write_text(json.dumps(about))
    card = read_card(folder / "card.yaml").model_copy(update=file_hashes(folder))
    write_card(card, folder / "card.yaml")
