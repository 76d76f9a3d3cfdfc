"""Losses of the diffusion: what is predicted, where, at which weight, and what is left open."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.diffusion.generator import DiffusionGenerator
from cmr_synth.generators.diffusion.network import DiffusionConfig
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.training.batches import Batch, Batches
from cmr_synth.training.families.diffusion import (
    DiffusionTask,
    level_weight,
    without_a_structure,
)
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe

TINY = {
    "channels": [8, 8],
    "attention": [False, False],
    "head_width": 4,
    "groups": 4,
    "vendors": ["siemens", "philips", "ge"],
}


def task(make_recipe, model=None, **loss) -> DiffusionTask:
    return DiffusionTask(
        make_recipe(family="diffusion", model={**TINY, **(model or {})}, loss=loss)
    )


def batch_of(slices, size: int = 6) -> Batch:
    return Batches(slices, augmentation=Augmentation(), seed=0).batch(0, size)


class Seen(torch.nn.Module):
    """Keeps what it is shown and predicts a constant."""

    def __init__(self, value: float = 0.0):
        super().__init__()
        self.value = value

    def forward(self, *shown):
        self.noisy, self.step, self.mask, self.conditions = shown
        return torch.full_like(self.noisy, self.value)


def seen(make_recipe, slices, *, predict=0.0, batch=None, **options) -> tuple[Seen, torch.Tensor]:
    of = task(make_recipe, **options)
    of.networks["diffusion"] = spy = Seen(predict)
    ((_, loss),) = of.losses(batch or batch_of(slices))
    return spy, loss


def test_the_network_learns(make_recipe, slices):
    of = task(make_recipe)
    ((name, loss),) = of.losses(batch_of(slices))
    assert loss.shape == (6,)
    loss.mean().backward()
    grads = [p.grad for p in of.networks[name].parameters() if p.grad is not None]
    assert sum(g.norm() for g in grads) > 0


def test_a_few_steps_make_the_loss_smaller(make_recipe, slices):
    of = task(make_recipe)
    optimizer = torch.optim.Adam(of.network.parameters(), lr=3e-3)
    found = []
    for _ in range(30):
        ((_, loss),) = of.losses(batch_of(slices))
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        found.append(float(loss.detach().mean()))
    assert found[-1] < 0.7 * found[0]


@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
def test_the_error_is_that_of_what_is_predicted(make_recipe, slices, prediction):
    """Whoever knows noise and picture has no loss; the noise is found from x_t and the picture."""
    options = {"model": {"fold": 1, "prediction": prediction}, "drop_mask": 0.0}
    spy, _ = seen(make_recipe, slices, **options)
    of = task(make_recipe, **options)
    pictures = 2 * batch_of(slices).images - 1
    share = of.network.share(spy.step)
    noise = (spy.noisy - share.sqrt() * pictures) / (1 - share).sqrt()
    right = {
        "sample": pictures,
        "epsilon": noise,
        "v_prediction": share.sqrt() * noise - (1 - share).sqrt() * pictures,
    }[prediction]
    back = of.network.picture(right, spy.noisy, spy.step)
    unsure = share > 0.01  # where there is no picture, none comes back from the noise
    assert torch.allclose(back.where(unsure, 0.0), pictures.where(unsure, 0.0), atol=1e-3)

    class Right(Seen):
        def forward(self, *_):
            return right

    of.networks["diffusion"] = Right()
    ((_, loss),) = of.losses(batch_of(slices))
    assert loss.max() < 1e-6


def test_pixels_outside_the_field_of_view_do_not_count(make_recipe, slices):
    batch = batch_of(slices)
    other = Batch(
        batch.images.where(batch.covered > 0, 1.0),
        batch.labels,
        batch.covered,
        batch.conditions,
        batch_of(slices).draws,
    )
    assert (batch.covered == 0).any() and not torch.equal(batch.images, other.images)
    _, first = seen(make_recipe, slices, batch=batch)
    _, second = seen(make_recipe, slices, batch=other)
    torch.testing.assert_close(first, second)


def test_the_heart_weighs_more(make_recipe, slices):
    """An error at the heart alone counts more with the weight than without."""
    batch = batch_of(slices)
    heart = ((batch.labels > 0) & (batch.labels != UNLABELLED))[:, None]
    images = torch.full_like(batch.images, 0.5).masked_fill(heart, 1.0)
    found = []
    for weight in (0.0, 3.0):
        given = Batch(images, batch.labels, batch.covered, batch.conditions, batch_of(slices).draws)
        found.append(seen(make_recipe, slices, batch=given, heart_weight=weight)[1])
    assert (found[1] > 1.5 * found[0]).all()


def test_the_bound_decides_how_much_clean_pictures_weigh(make_recipe, slices):
    low, high = (seen(make_recipe, slices, snr_bound=b)[1] for b in (0.1, 50.0))
    assert (high >= low).all() and (high > 1.5 * low).any()


@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
def test_levels_weigh_the_same_whatever_is_predicted(prediction):
    """An error d of the picture is one of d sqrt(snr) of the noise, d sqrt(snr + 1) of velocity."""
    share = torch.tensor([0.2, 0.5, 0.9, 0.999])
    snr = share / (1 - share)
    factor = {"sample": 1.0, "epsilon": snr, "v_prediction": snr + 1}[prediction]
    found = level_weight(prediction, share, 20.0) * factor
    goal = snr.clamp(max=20) + 1
    if prediction == "epsilon":
        goal = goal.minimum(snr)  # at most 1, as in Ho et al. 2020
    torch.testing.assert_close(found, goal)


def test_at_the_last_level_nothing_is_infinite():
    for prediction in ("sample", "epsilon", "v_prediction"):
        config = DiffusionConfig(fold=1, prediction=prediction)
        assert torch.isfinite(level_weight(prediction, config.shares.float(), 20.0)).all()


def test_masks_are_dropped_whole_or_by_structure(make_recipe, slices):
    whole, _ = seen(make_recipe, slices, drop_mask=1.0)
    assert whole.mask.abs().sum() == 0
    assert all(set(c) == {"augmented"} for c in whole.conditions)
    full, _ = seen(make_recipe, slices, drop_mask=0.0, drop_structure=0.0)
    assert torch.equal(full.mask, one_hot_mask(batch_of(slices).labels))
    part, _ = seen(make_recipe, slices, drop_mask=0.0, drop_structure=1.0)
    shown = [{s for s in (LV, MYO, RV) if m[s].any()} for m in part.mask]
    before = [{s for s in (LV, MYO, RV) if m[s].any()} for m in full.mask]
    assert all(len(b - a) == 1 and a < b for a, b in zip(shown, before, strict=True))
    assert len({tuple(b - a) for a, b in zip(shown, before, strict=True)}) > 1
    assert any(c.get("z") is not None for c in part.conditions)  # conditions stay


def test_what_is_left_open_has_no_outline():
    labels = torch.zeros(3, 8, 8, dtype=torch.int64)
    labels[:, 2:5, 2:5], labels[:, 3, 3], labels[2] = MYO, LV, 0
    found = without_a_structure(labels, np.array([True, False, True]), np.array([0.1, 0.1, 0.9]))
    assert set(found[0].unique().tolist()) == {MYO, UNLABELLED}
    assert torch.equal(found[1], labels[1])
    assert torch.equal(found[2], labels[2])  # shows none
    assert (labels != UNLABELLED).all()


def test_epsilon_needs_unfolded_pixels(make_recipe):
    with pytest.raises(InputError, match="field 'model': prediction 'epsilon' needs fold 1 or 2"):
        task(make_recipe, model={"prediction": "epsilon"})


def test_what_is_saved_samples(make_recipe, slices, tmp_path):
    of = task(make_recipe)
    for _ in train(of, of.recipe.model_copy(update={"images": 4}), slices, tmp_path / "out"):
        pass
    generator = DiffusionGenerator.load(tmp_path / "out")
    *_, last = generator.sample([Condition(vendor="ge")], seed=0, steps=3)
    assert isinstance(last, Images) and last.pixels.shape == (1, 128, 128)
    sheet = of.sheet(batch_of(slices, 2))
    assert sheet.shape == (4 * 128, 2 * 128) and np.isfinite(sheet).all()
    assert sheet.min() >= 0 and sheet.max() <= 1


@pytest.mark.parametrize(("name", "share"), [("ddpm", 0.08), ("ddpm-unconditional", 1.0)])
def test_the_bundled_recipes_fit(name, share):
    of = DiffusionTask(load_recipe(name))
    assert of.loss.drop_mask == share
    assert sum(p.numel() for p in of.network.parameters()) < 4.5e6
