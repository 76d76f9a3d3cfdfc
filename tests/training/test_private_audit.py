"""An audit of the private training itself: canaries are told apart no better than the account says.

Steinke, Nasr and Jagielski 2023 (arXiv:2305.08846): patients are let in by the toss of a coin each,
and guessed from the weights of many small trainings, each with all patients canaries. The network
is a single picture whose gradient is the patient's own, which is the most that a step can tell.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.networks.weights import load_weights, save_weights
from cmr_synth.privacy.canaries import lower_bound
from cmr_synth.training.loop import train

CANARIES, RUNS = 24, 16
SIDE = 128
PRIVACY = {"epsilon": 2.0, "delta": 1e-6, "max_grad_norm": 0.5, "images": 1, "patients": CANARIES}


class Canvas:
    """A picture; its loss is how unlike a patient's it is."""

    def __init__(self):
        canvas = nn.Module()
        canvas.picture = nn.Parameter(torch.zeros(1, SIDE, SIDE))
        self.networks, self.rates, self.words = {"canvas": canvas}, {"canvas": 1.0}, {}

    def losses(self, batch):
        """The gradient is minus the patient's pixels."""
        product = self.networks["canvas"].picture * (batch.images - 0.5)
        yield "canvas", -product.sum(dim=(1, 2, 3))

    def unaccounted(self):
        """Nothing."""
        return ""

    def save(self, folder, *, images_seen, minutes):
        """The picture, and a configuration to write the account into."""
        picture = self.networks["canvas"].picture.detach()
        save_weights(folder / "weights.safetensors", {"picture": picture}, bits=16)
        (folder / "config.json").write_text("{}")


def right_guesses(recipe, folder, run):
    """How many canaries of one training are guessed rightly, in or out."""
    draw = np.random.default_rng([run, 0])
    images = draw.integers(0, 256, (CANARIES, SIDE, SIDE)).astype(np.uint8)
    let_in = draw.random(CANARIES) < 0.5
    rows = tuple(
        SliceRow(
            cohort="drawn",
            patient=f"canary{k}",
            split="train" if inside else "left out",
            vendor="",
            phase="ED",
            pathology="",
            slice=0,
            z=0.5,
            completed=False,
        )
        for k, inside in enumerate(let_in)
    )
    blank = np.zeros_like(images)
    slices = SliceSet(images, blank, blank + 1, rows, {"spacing_mm": 1.5})
    list(train(Canvas(), recipe, slices, folder))
    picture = load_weights(folder / "weights.safetensors")["picture"][0].numpy()
    likeness = ((images / 255 - 0.5) * picture).sum(axis=(1, 2))
    return int(((likeness > np.median(likeness)) == let_in).sum())


@pytest.fixture
def shown(make_recipe, tmp_path, monkeypatch):
    """Epsilon that an audit shows, and the account's."""

    def audited():
        # nearly everybody in each of few steps: the sampling of patients hides nobody
        recipe = make_recipe(
            privacy=PRIVACY, images=2 * (CANARIES - 1), batch_size=CANARIES - 1, warmup_images=0,
            ema=0.0, weight_decay=0.0, augmentation={"share": 0.0, "shift": 0.0},
        )  # fmt: skip
        keys = (bytes([number]) * 32 for number in range(RUNS))
        monkeypatch.setattr("secrets.token_bytes", lambda count: next(keys))
        right = sum(right_guesses(recipe, tmp_path / str(run), run) for run in range(RUNS))
        guesses = RUNS * CANARIES
        return lower_bound(guesses, guesses, right, delta=PRIVACY["delta"])

    return audited


def test_canaries_show_something_and_no_more_than_the_account_allows(shown):
    assert 0 < shown() <= PRIVACY["epsilon"]


def test_without_noise_the_same_audit_refutes_the_account(shown, monkeypatch):
    monkeypatch.setattr(
        "cmr_synth.training.secret.Secret.normal", lambda self, count, *name: np.zeros(count)
    )
    assert shown() > PRIVACY["epsilon"]
