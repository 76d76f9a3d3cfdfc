"""The look of a reference: grey levels and grain are taken over, edges stay."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators.flow.generator import FlowGenerator
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.look import Look, match_grain, match_tones

CPU = torch.device("cpu")
DARK = np.float32(0.3) * np.random.default_rng(0).random((32, 32), dtype=np.float32)


def noise(*shape, seed=0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_tones_become_those_of_the_reference_and_keep_their_order():
    pictures = torch.tanh(noise(2, 1, 32, 32))
    references = 0.3 * noise(2, 1, 32, 32, seed=1) ** 2 - 0.8
    matched = match_tones(pictures, references)
    for own, goal, before in zip(matched, references, pictures, strict=True):
        gap = own.flatten().sort().values - goal.flatten().sort().values
        assert gap.abs().mean() < 0.01
        ordered = own.flatten()[before.flatten().argsort()]
        assert (ordered.diff() >= 0).all()
    torch.testing.assert_close(match_tones(pictures[:1], references[:1]), matched[:1])


def test_a_picture_without_contrast_stays_finite():
    flat = torch.full((1, 1, 16, 16), 0.2)
    assert torch.isfinite(match_grain(match_tones(flat, noise(1, 1, 16, 16)), flat)).all()


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_grain_is_matched_and_the_layout_stays(factor):
    layout = torch.cos(torch.arange(64) * torch.pi / 32).repeat(64, 1)[None, None]
    pictures = layout + 0.1 * noise(1, 1, 64, 64)
    references = layout.transpose(2, 3) + factor * 0.1 * noise(1, 1, 64, 64, seed=1)
    matched = match_grain(pictures, references)

    frequency = torch.hypot(torch.fft.fftfreq(64)[:, None], torch.fft.rfftfreq(64)[None])
    own, goal, before = (torch.fft.rfft2(p[0, 0]) for p in (matched, references, pictures))
    fine = frequency > 0.12
    assert own[fine].norm().item() == pytest.approx(goal[fine].norm().item(), rel=0.1)
    assert before[fine].norm().item() != pytest.approx(goal[fine].norm().item(), rel=0.2)
    coarse = frequency < 0.1
    torch.testing.assert_close(own[coarse], before[coarse], atol=1e-2, rtol=1e-4)


def test_the_strength_is_the_same_in_one_step_and_in_several():
    """Of a picture that takes each share on for good."""
    condition = Condition(reference=DARK, reference_strength=0.6)
    own = torch.tanh(noise(1, 1, 32, 32))
    once = Look([condition], (32, 32), CPU)(own)
    assert (once - own).abs().mean() > 0.1
    look, moved = Look([condition], (32, 32), CPU, times=4), own
    for _ in range(4):
        moved = look(moved)
    gaps = [p.flatten().sort().values - own.flatten().sort().values for p in (once, moved)]
    sizes = [gap.abs().mean().item() for gap in gaps]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.15)


def test_only_images_with_a_reference_change():
    conditions = [Condition(), Condition(reference=DARK, reference_strength=1.0)]
    own = torch.tanh(noise(2, 1, 32, 32))
    looks = Look(conditions, (32, 32), CPU)(own)
    assert torch.equal(looks[0], own[0])
    assert (looks[1] - own[1]).abs().mean() > 0.1


@pytest.mark.parametrize("steps", [1, 3])
def test_grey_levels_move_towards_the_reference_with_its_strength(tiny_model, steps):
    generator = FlowGenerator.load(tiny_model)
    mask = draw_slice(shape=generator.shape, spacing=(3.0, 3.0), level="mid")
    reference = np.float32(0.3) * np.random.default_rng(0).random((64, 64), dtype=np.float32)
    gaps = []
    for strength in (0.0, 0.5, 1.0):
        condition = Condition(mask=mask, reference=reference, reference_strength=strength)
        *_, images = generator.sample([condition], seed=1, steps=steps)
        gaps.append(np.abs(np.sort(images.pixels.ravel()) - np.sort(reference.ravel())).mean())
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.02


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"reference": np.zeros((8, 8), np.float32)}, r"reference: is of \(8, 8\) pixels"),
        ({"reference": np.full((32, 32), 200.0, np.float32)}, "outside 0 to 1"),
        ({"reference": np.full((32, 32), np.nan, np.float32)}, "outside 0 to 1"),
        (
            {"reference": np.zeros((32, 32), np.float32), "reference_strength": 1.5},
            "reference strength: 1.5 given",
        ),
    ],
)
def test_a_reference_that_does_not_fit_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        Look([Condition(**fields)], (32, 32), CPU)
