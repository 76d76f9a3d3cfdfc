"""Losses of the SPADE GAN: what is compared, what is only judged."""

from __future__ import annotations

import pytest
import torch

from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.spade_gan.generator import SpadeGanGenerator
from cmr_synth.training.adversarial import spectrum_difference
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.spade_gan import SpadeGanTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation

TINY = {
    "channels": [8, 8, 8, 8],
    "full_channels": 4,
    "blocks": 1,
    "hidden": 4,
    "look": 6,
    "layout": 2,
    "encoder": [8, 8, 8, 8],
    "groups": 4,
    "vendors": ["siemens", "philips", "ge"],
}


def task(make_recipe, **loss) -> SpadeGanTask:
    settings = {"channels": 4, "layers": 1, **loss}
    return SpadeGanTask(make_recipe(family="spade-gan", model=TINY, loss=settings))


def losses(of: SpadeGanTask, slices, size: int = 6) -> dict[str, torch.Tensor]:
    batch = Batches(slices, augmentation=Augmentation(), seed=0).batch(0, size)
    return {name: loss.detach() for name, loss in of.losses(batch)}


@pytest.mark.parametrize("field", ["difference", "coarse", "matching", "divergence"])
def test_only_encoded_styles_are_compared_with_the_picture(make_recipe, slices, field):
    off = {
        "statistics": 0.0,
        "difference": 0.0,
        "coarse": 0.0,
        "matching": 0.0,
        "divergence": 0.0,
        field: 1.0,
    }
    off["adversarial"] = 1e-12  # as good as no force, but the discriminator is there
    compared = losses(task(make_recipe, encoded=1.0, **off), slices)["spade-gan"]
    judged = losses(task(make_recipe, encoded=0.0, **off), slices)["spade-gan"]
    assert (compared > 1e-6).all()
    assert (judged.abs() < 1e-9).all()


def test_drawn_styles_are_held_to_the_statistics_of_real_pictures(make_recipe, slices):
    fields = {"encoded": 0.0, "adversarial": 1e-12}
    found = losses(task(make_recipe, statistics=1.0, **fields), slices)["spade-gan"]
    assert (found > 1e-6).all()
    alike = losses(task(make_recipe, encoded=1.0, adversarial=1e-12, statistics=1.0), slices)
    more = losses(task(make_recipe, encoded=1.0, adversarial=1e-12, statistics=9.0), slices)
    torch.testing.assert_close(alike["spade-gan"], more["spade-gan"])


def test_the_first_stage_has_no_discriminator(make_recipe, slices):
    of = task(make_recipe, adversarial=0.0, encoded=1.0)
    assert set(of.networks) == {"spade-gan"}
    assert set(losses(of, slices)) == {"spade-gan"}


def test_a_discriminator_that_cannot_tell_has_no_force(make_recipe, slices):
    of = task(make_recipe, encoded=0.0, statistics=0.0)
    for parameter in of.networks["discriminator"].parameters():
        torch.nn.init.zeros_(parameter)
    found = losses(of, slices)
    assert (found["discriminator"] == 2).all()
    assert (found["spade-gan"] == 0).all()


def test_the_discriminator_sees_the_vendor(make_recipe, slices):
    of = task(make_recipe, drop_vendor=0.0, drop_mask=0.0)
    seen = losses(of, slices)["discriminator"]
    hidden = losses(task(make_recipe, drop_vendor=1.0, drop_mask=0.0), slices)["discriminator"]
    assert not torch.allclose(seen, hidden)


def test_what_is_saved_samples(make_recipe, slices, tmp_path):
    of = task(make_recipe)
    recipe = of.recipe.model_copy(update={"images": 4})
    for _ in train(of, recipe, slices, tmp_path / "out"):
        pass
    generator = SpadeGanGenerator.load(tmp_path / "out")
    *_, last = generator.sample([Condition(vendor="ge")], seed=0)
    assert isinstance(last, Images) and last.pixels.shape == (1, 128, 128)


def test_grain_at_any_frequency_is_held_to_that_of_real_pictures(slices):
    real = slices.images[:4, :128, :128].astype("float32")
    real = torch.from_numpy(real)[:, None] / 127.5 - 1
    moved = real.roll((5, -9), dims=(2, 3)).flip(2)  # something else, in the same manner
    assert (spectrum_difference(real, real) == 0).all()
    near = spectrum_difference(moved, real)
    assert (near < 0.25).all()
    dots = torch.zeros(128, 128)
    dots[::4, ::4] = 0.6  # what a discriminator with strides of 4 does not see
    assert (spectrum_difference(real + dots, real) > 0.1).all()  # itself it is 0 away from
    blurred = torch.nn.functional.avg_pool2d(real, 3, stride=1, padding=1)
    assert (spectrum_difference(blurred, real) > 5 * near).all()


def test_the_spectrum_counts_by_its_weight(make_recipe, slices):
    fields = {"encoded": 0.0, "statistics": 0.0, "adversarial": 1e-12}
    found = [losses(task(make_recipe, spectrum=w, **fields), slices) for w in (0.0, 1.0, 3.0)]
    none, one, three = (f["spade-gan"] for f in found)
    assert (one > none + 0.01).all()
    torch.testing.assert_close(three - none, 3 * (one - none), rtol=1e-3, atol=1e-5)
