"""The factorised VAE: two codes that learn what is theirs, and can be exchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.factorised.generator import FactorisedGenerator
from cmr_synth.generators.interface import Condition
from cmr_synth.training.batches import Batch, Batches
from cmr_synth.training.families.factorised import FactorisedTask
from cmr_synth.training.recipe import Augmentation

SMALL = {
    "shape": [64, 64], "anatomy": 6, "domain": 4, "encoder": [16, 16], "domain_encoder": [8, 16],
    "decoder": [24, 16, 8], "blocks": 1, "hidden": 8, "groups": 8, "vendors": ["siemens", "ge"],
}  # fmt: skip


def task(make_recipe, loss=None, **model) -> FactorisedTask:
    stated = {"family": "factorised", "model": {**SMALL, **model}, "loss": loss or {}}
    return FactorisedTask(make_recipe(**stated))


def two_vendors(slices) -> Batches:
    """Slices of two vendors alone, of which one is twice as bright; see `bright`."""
    rows = tuple(replace(r, vendor=("siemens", "ge")[i % 2]) for i, r in enumerate(slices.rows))
    images = np.asarray(slices.images).copy()
    images[::2] //= 2
    about = {**slices.about, "networks_shape": [64, 64]}
    made = replace(slices, images=images, rows=rows, about=about)
    return Batches(made, augmentation=Augmentation(share=0, shift=0), seed=0)


@pytest.fixture(scope="module")
def trained(make_recipe, slices) -> tuple[FactorisedTask, Batches, float, float]:
    """A task after some steps, its batches, and its loss on one of them before and after."""
    loss = {"drop_mask": 0.0, "drop_vendor": 0.0, "distill": 0.0, "vendor": 1.0}
    of, batches = task(make_recipe, loss), two_vendors(slices)
    before = own_loss(of, batches.batch(400, 8))
    optimizer = torch.optim.Adam(of.network.parameters(), 2e-3)
    for k in range(120):
        ((_, found),) = of.losses(batches.batch(8 * k, 8))
        optimizer.zero_grad()
        found.mean().backward()
        optimizer.step()
    return of, batches, before, own_loss(of, batches.batch(400, 8))


def own_loss(of: FactorisedTask, batch: Batch) -> float:
    with torch.no_grad():
        ((name, found),) = of.losses(batch)
    assert name == "factorised" and found.shape == (len(batch),)
    return float(found.mean())


def test_it_learns_in_seconds(trained):
    _, _, before, after = trained
    assert after < 0.6 * before


def test_the_vendor_is_told_by_the_code_of_the_domain(trained):
    of, batches, *_ = trained
    batch = batches.batch(400, 8)
    with torch.no_grad():
        told = of.network.vendor(of.network.domain(2 * batch.images - 1)[0]).argmax(dim=1)
    names = [of.network.config.vendors[k] for k in told]
    right = [name == c["vendor"] for name, c in zip(names, batch.conditions, strict=True)]
    assert sum(right) >= 7  # of 8


def test_an_exchange_takes_the_look_and_leaves_the_heart(trained):
    """The look of the bright vendor brightens, by a vendor's name or by one of its pictures."""
    of, batches, *_ = trained
    generator = FactorisedGenerator(of.network)
    batch = batches.batch(400, 8)
    pictures = batch.images[:, 0].numpy()
    is_dark = np.array([c["vendor"] == "siemens" for c in batch.conditions])
    dark, bright = pictures[is_dark][:2], pictures[~is_dark][:2]
    by_name = generator.exchanged(dark, vendor="ge")
    by_look = generator.exchanged(dark, looks=bright)
    own = generator.exchanged(dark, looks=dark)
    for made in (by_name, by_look):
        assert made.mean() > own.mean() + 0.3 * (bright.mean() - dark.mean())
        for k in range(2):
            alike = np.corrcoef(made[k].ravel(), dark[k].ravel())[0, 1]
            assert alike > np.corrcoef(made[k].ravel(), bright[k].ravel())[0, 1]


def test_a_drawn_picture_is_of_its_vendor(trained):
    of, batches, *_ = trained
    generator = FactorisedGenerator(of.network)
    labels = batches.batch(400, 8).labels.numpy().astype(np.uint8)

    def brightness(vendor):
        asked = [Condition(mask=one, vendor=vendor) for one in labels]
        *_, images = generator.sample(asked, seed=0)
        return images.pixels.mean()

    assert brightness("ge") > 1.15 * brightness("siemens")


def test_what_the_segmenter_sees_is_asked_of_the_code_of_the_anatomy(make_recipe, slices):
    """Distillation reaches the encoder of the anatomy, and not that of the domain."""
    of = task(make_recipe, {"difference": 0, "edges": 0, "anatomy": 0, "domain": 0, "vendor": 0})
    of.loss = of.loss.model_copy(update={"swap": 0.0})
    batch = two_vendors(slices).batch(0, 2)
    ((_, found),) = of.losses(batch)
    found.mean().backward()
    assert of.network.anatomy[0].weight.grad.norm() > 0
    domain = [p.grad for p in of.network.domain.parameters() if p.grad is not None]
    assert not any(gradient.norm() > 0 for gradient in domain)
    sees = of._sees(batch.images)
    assert sees.shape == (2, 4, 64, 64)
    torch.testing.assert_close(sees.sum(dim=1), torch.ones(2, 64, 64))


def test_a_brighter_picture_has_the_same_anatomy(make_recipe):
    network = task(make_recipe).network
    pictures = torch.rand(2, 1, 64, 64)
    one, two = (network.encode(p)[0] for p in (pictures, 0.5 * pictures + 0.2))
    torch.testing.assert_close(one, two, atol=1e-3, rtol=1e-3)
    with torch.no_grad():
        assert network.segmentation(one).shape == one_hot_mask(torch.zeros(2, 64, 64).long()).shape


def test_what_does_not_fit_is_one_line(make_recipe):
    with pytest.raises(InputError, match="'model.spacing_mm': the segmenter that is distilled"):
        task(make_recipe, spacing_mm=3.0)
    with pytest.raises(InputError, match="does not divide by 16"):
        task(make_recipe, shape=[72, 72], domain_encoder=[8, 8, 8, 8])
    generator = FactorisedGenerator(task(make_recipe).network)
    pictures = np.zeros((2, 64, 64), np.float32)
    with pytest.raises(InputError, match="from other pictures or of a vendor; give one"):
        generator.exchanged(pictures)
    with pytest.raises(InputError, match="1 looks for 2 pictures"):
        generator.exchanged(pictures, looks=pictures[:1])
    with pytest.raises(InputError, match="bring them to its grid"):
        generator.exchanged(pictures[:, :32], vendor="ge")
    with pytest.raises(InputError, match="vendor 'acme': this model knows siemens, ge"):
        generator.exchanged(pictures, vendor="acme")
