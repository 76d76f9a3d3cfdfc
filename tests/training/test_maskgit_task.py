"""Masked tokens and masked latents: what they start from, what they learn, how they fill in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.maskgit.generator import MaskgitGenerator
from cmr_synth.generators.maskgit.sampler import (
    fill_in,
    hidden_at_random,
    left_hidden,
    noise_shape,
)
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.autoencoder import AutoencoderTask
from cmr_synth.training.families.maskgit import MaskgitTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe

INNER = {"encoder": [8, 8], "decoder": [8, 8, 4], "blocks": 1, "hidden": 4, "groups": 4}
OUTER = {"width": 32, "depth": 2, "head_width": 16, "vendors": ["siemens", "philips", "ge"]}
BOTTLENECK = {"tokens": "vq", "flow": "kl"}


@pytest.fixture(scope="module")
def stages(make_recipe, slices, tmp_path_factory):
    """Weights of an autoencoder with and one without a codebook, by the head that needs it."""
    found = {}
    for head, bottleneck in BOTTLENECK.items():
        model = {**INNER, "bottleneck": bottleneck, "codes": 16}
        recipe = make_recipe(
            family="autoencoder", model=model, images=8, loss={"adversarial": 0, "matching": 0}
        )
        out = tmp_path_factory.mktemp(bottleneck) / "run"
        list(train(AutoencoderTask(recipe), recipe, slices, out))
        found[head] = out / "weights.safetensors"
    return found


@pytest.fixture(params=["tokens", "flow"])
def task(request, make_recipe, stages) -> MaskgitTask:
    model = {**OUTER, "head": request.param, "hidden": 16}
    start = str(stages[request.param])
    return MaskgitTask(make_recipe(family="maskgit", model=model, initialize_from=start))


def test_it_learns_in_seconds(task, slices):
    """The loss of what is hidden falls below that of the untrained network."""
    batches = Batches(slices, augmentation=Augmentation(share=0), seed=0)
    parameters = task.network.parameters()
    optimizer = torch.optim.Adam(parameters, 3e-3)

    def loss(first: int) -> torch.Tensor:
        ((name, found),) = task.losses(batches.batch(first, 4))
        assert name == "maskgit" and found.shape == (4,)
        return found.mean()

    with torch.no_grad():
        untrained = np.mean([float(loss(4 * k)) for k in range(100, 104)])
    for k in range(40):
        optimizer.zero_grad()
        loss(4 * k).backward()
        optimizer.step()
    with torch.no_grad():
        trained = np.mean([float(loss(4 * k)) for k in range(100, 104)])
    assert trained < 0.9 * untrained


def test_the_schedule_begins_with_all_and_ends_with_none():
    shares = [left_hidden(step, 8) for step in range(9)]
    assert shares[0] == 1 and shares[-1] == pytest.approx(0, abs=1e-12)
    assert all(a > b for a, b in zip(shares, shares[1:], strict=False))
    assert left_hidden(0, 8, 0.4) == 0.4


def test_a_share_is_hidden_to_a_position():
    noise = torch.randn(3, 1, 8, 8)
    assert hidden_at_random(noise, 0.25).sum(dim=(1, 2, 3)).tolist() == [16] * 3
    shares = torch.tensor([0.0, 0.5, 1.0])
    assert hidden_at_random(noise, shares).sum(dim=(1, 2, 3)).tolist() == [0, 32, 64]


def test_what_is_known_stays_and_more_of_it_with_every_step(task):
    model = task.model
    latent, places = model.config.autoencoder.latent, model.config.places
    known = torch.full((2, latent, *places), 0.7)
    hidden = hidden_at_random(torch.randn(2, 1, *places), 0.5)
    noise = torch.randn(2, *noise_shape(model))
    mask = torch.zeros(2, 4, 128, 128)
    states = list(fill_in(model, known, hidden, noise, mask, [{}] * 2, steps=4))
    seen = (hidden == 0).expand_as(known)
    assert len(states) == 4
    assert all((state[seen] == 0.7).all() for state in states)
    changed = [(a != b).any(1).sum() for a, b in zip(states, states[1:], strict=False)]
    assert changed[-1] < hidden.sum()  # some were settled before the last step
    assert not torch.isclose(states[-1][~seen], torch.tensor(0.7)).all()


def test_from_reconstruction_to_generation(task):
    """Nothing hidden is the autoencoder's own picture; the more is hidden, the further from it."""
    generator = MaskgitGenerator(task.model)
    pictures = np.random.default_rng(0).random((2, 128, 128)).astype(np.float32)
    asked = [Condition(), Condition(vendor="ge")]
    none, some, all_of_it = (
        generator.complete(pictures, asked, share, seed=0, steps=2) for share in (0.0, 0.3, 1.0)
    )
    latents = task.model.autoencoder.encode(2 * torch.from_numpy(pictures)[:, None] - 1)
    with torch.no_grad():
        own = task.model.autoencoder.decode(latents, torch.zeros(2, 4, 128, 128))
    np.testing.assert_allclose(none, (own[:, 0].clamp(-1, 1) + 1) / 2, atol=1e-4)
    near, far = (np.abs(made - none).mean() for made in (some, all_of_it))
    assert 0 < near < far
    *_, alone = generator.sample(asked, seed=0, steps=2)
    assert isinstance(alone, Images)
    np.testing.assert_allclose(alone.pixels, all_of_it, atol=1e-4)
    with pytest.raises(InputError, match="share 2 of the positions: give 0 to 1"):
        generator.complete(pictures, asked, 2.0, seed=0)
    with pytest.raises(InputError, match="bring them to its grid"):
        generator.complete(pictures[:, :64], asked, 0.5, seed=0)


def test_a_tokenizer_without_a_codebook_is_refused(make_recipe, stages):
    for start, line in ((stages["flow"], "tokens need an autoencoder with a codebook"),):
        with pytest.raises(InputError, match=line):
            MaskgitTask(make_recipe(family="maskgit", model=OUTER, initialize_from=str(start)))
    with pytest.raises(InputError, match="needs a trained autoencoder; train the recipe"):
        MaskgitTask(make_recipe(family="maskgit", model=OUTER))
    with pytest.raises(InputError, match="'model.autoencoder': is told by the trained"):
        MaskgitTask(make_recipe(family="maskgit", model={**OUTER, "autoencoder": INNER}))


def test_it_goes_on_from_itself_with_its_own_tokenizer(task, make_recipe, slices, tmp_path):
    recipe = task.recipe.model_copy(update={"images": 4})
    list(train(task, recipe, slices, tmp_path / "run"))
    start = tmp_path / "run" / "weights.safetensors"
    again = MaskgitTask(recipe.model_copy(update={"initialize_from": str(start)}))
    assert again.model.config.autoencoder == task.model.config.autoencoder
    one, two = (t.model.autoencoder.decoder.out.weight for t in (task, again))
    torch.testing.assert_close(one, two, atol=2e-2, rtol=0)


def test_the_recipes_fit_what_they_start_from(make_recipe):
    from cmr_synth.generators.maskgit.network import MaskgitConfig

    for name in ("maskgit", "mar"):
        stated = load_recipe(name).model
        start = load_recipe("autoencoder-vq" if name == "maskgit" else "autoencoder")
        assert MaskgitConfig(**stated, autoencoder=start.model).head == stated["head"]


def test_less_comes_back_as_more_is_hidden(task):
    from cmr_synth.evaluation.masking import by_share
    from tests.evaluation.conftest import drawn_sample

    real = drawn_sample(2, 2)
    generator = MaskgitGenerator(task.model)

    class Judge:
        def features(self, pictures):
            return pictures.reshape(len(pictures), -1)[:, ::997].astype(np.float64)

    *progress, found = by_share(generator, real, shares=(0.0, 1.0), steps=2, segmenter=Judge())
    assert progress[-1].step == progress[-1].steps == 8
    none, all_of_it = found
    assert none.psnr_db.mean > all_of_it.psnr_db.mean and none.share == 0
    with pytest.raises(InputError, match="give one of the family maskgit"):
        list(by_share(object(), real))
