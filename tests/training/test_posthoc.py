"""Averages whose width is chosen afterwards: as if they had been kept all along."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cmr_synth.errors import InputError
from cmr_synth.networks.weights import load_weights
from cmr_synth.training.families.segmenter import SegmenterTask
from cmr_synth.training.loop import train
from cmr_synth.training.posthoc import COPIES, Kept, averaged, exponent_of, kept_in, power, shares
from tests.training.conftest import recipe

WIDTHS = (0.05, 0.1)
FIELDS = {"model": {"filters": (4, 8, 8)}, "batch_size": 2, "images": 64, "averages": WIDTHS}


def tracked(weights: np.ndarray, width: float) -> np.ndarray:
    """The average after every step, as a training keeps it."""
    decay, average, found = power(width), 0.0, []
    for step, weight in enumerate(weights):
        average += (1 - decay(step)) * (weight - average)
        found.append(average)
    return np.array(found)


def test_powers_are_those_of_the_paper() -> None:
    assert exponent_of(0.05) == pytest.approx(16.97, abs=0.01)
    assert exponent_of(0.1) == pytest.approx(6.94, abs=0.01)
    with pytest.raises(ValueError, match="above 0 and below"):
        exponent_of(0.3)


def test_the_width_is_the_spread_of_what_is_averaged() -> None:
    steps = 2000
    # the average of a one at step k and zeros elsewhere is the profile at k
    profile = np.array([tracked(np.eye(1, steps, k)[0], 0.1)[-1] for k in range(0, steps, 20)])
    time = (np.arange(0, steps, 20) + 1) / steps
    profile /= profile.sum()
    spread = np.sqrt((profile * time**2).sum() - (profile * time).sum() ** 2)
    assert spread == pytest.approx(0.1, rel=0.03)


@pytest.mark.parametrize("width", [0.03, 0.05, 0.07, 0.12, 0.2])
def test_any_width_is_made_of_copies_of_two(width: float) -> None:
    copies = [Kept(Path(), k, one) for k in range(1, 1 + COPIES) for one in WIDTHS]
    time = np.linspace(0, COPIES, 4001)[1:]

    def profile(power: float, end: float) -> np.ndarray:
        return np.where(time <= end, (power + 1) * time**power / end ** (power + 1), 0.0)

    found = sum(
        share * profile(exponent_of(one.width), one.images)
        for one, share in zip(copies, shares(copies, width), strict=True)
    )
    wanted = profile(exponent_of(width), COPIES)
    off = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
    # a width a tenth larger than asked for would be off by 0.07 to 0.13
    assert off < (1e-6 if width in WIDTHS else 0.04)


def test_a_training_keeps_copies_and_its_own_widths_come_back(slices, tmp_path: Path) -> None:
    made = recipe(**FIELDS)
    steps = list(train(SegmenterTask(made), made, slices, tmp_path))
    copies = kept_in(tmp_path / "averages")
    assert len(copies) == 2 * COPIES and copies[-1].images == steps[-1].images_seen
    state = load_file(tmp_path / "checkpoint" / "state.safetensors")
    for width in WIDTHS:
        weights, images = averaged(tmp_path / "averages", width)
        assert images == 64
        for key, value in weights.items():
            own = state[f"average-{width:g}/segmenter/{key}"]
            torch.testing.assert_close(value, own, rtol=2e-3, atol=1e-4)
    # between the two widths lies neither of them
    between, _ = averaged(tmp_path / "averages", 0.07)
    last = load_weights(copies[-1].path)
    assert any(not torch.allclose(between[key], last[key], atol=1e-4) for key in last)


def test_copies_of_a_resumed_training_are_those_of_one_without_a_break(
    slices, tmp_path: Path
) -> None:
    made = recipe(**FIELDS)
    list(train(SegmenterTask(made), made, slices, tmp_path / "whole"))
    running = train(SegmenterTask(made), made, slices, tmp_path / "parts")
    for _ in range(9):
        next(running)
    running.close()
    # what was kept after the checkpoint is of another course
    late = tmp_path / "parts" / "averages" / "0000000060-0.05.safetensors"
    shutil.copy(kept_in(late.parent)[0].path, late)
    rest = train(SegmenterTask(made), made, slices, tmp_path / "parts", resume=True)
    next(rest)
    assert not late.exists()
    list(rest)
    whole, parts = (kept_in(tmp_path / one / "averages") for one in ("whole", "parts"))
    assert [one.path.name for one in whole] == [one.path.name for one in parts]
    for one, other in zip(whole, parts, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()


def test_what_cannot_be_averaged_is_told(slices, tiny_task, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds 0 copies"):
        averaged(tmp_path, 0.1)
    with pytest.raises(InputError, match="width 0.5: a relative width is above 0"):
        averaged(tmp_path, 0.5)
    with pytest.raises(ValueError, match="two different widths"):
        recipe(averages=(0.1,))
    made = recipe(averages=WIDTHS)
    with pytest.raises(InputError, match="'averages': the family 'tiny' does not say"):
        next(train(tiny_task(made), made, slices, tmp_path / "out"))
    assert not (tmp_path / "out").exists()
