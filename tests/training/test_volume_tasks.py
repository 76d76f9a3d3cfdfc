"""Training the two stages of a latent diffusion of volumes on drawn hearts, in seconds."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.generators.card import draft_card
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.volumes.autoencoder import VolumeAutoencoder, VolumeConfig, indicators
from cmr_synth.generators.volumes.generator import LatentVolumeGenerator
from cmr_synth.networks.folder import read_config, with_weights
from cmr_synth.training.loop import batches_of, train
from cmr_synth.training.recipe import load_recipe
from cmr_synth.training.registry import make_task
from tests.training.conftest import drawn_stacks

TINY = {
    "shape": [64, 64],
    "spacing_mm": 3.0,
    "depth": 4,
    "least": 3,
    "fold": 4,
    "channels": [16, 16],
    "latent": 4,
    "groups": 4,
}
NETWORK = {"channels": [16, 16], "attention": [False, False], "head_width": 8, "groups": 4}
STILL = {"share": 0.0, "shift": 0.0}


@pytest.fixture(scope="module")
def stacks() -> SliceSet:
    return drawn_stacks(6, side=80, spacing=3.0)


@pytest.fixture(scope="module")
def unseen() -> SliceSet:
    every = drawn_stacks(9, side=80, spacing=3.0)
    return replace(every, rows=tuple(
        replace(row, split="train" if int(row.patient[1:]) > 5 else "test") for row in every.rows
    ))  # fmt: skip


@pytest.fixture(scope="module")
def coder_recipe(make_recipe):
    return make_recipe(
        family="volume-autoencoder", model=TINY, loss={"adversarial": 0}, images=160, batch_size=4,
        learning_rate=4e-3, ema=0.8, augmentation=STILL,
    )  # fmt: skip


@pytest.fixture(scope="module")
def coder(coder_recipe, stacks, tmp_path_factory):
    """Folder of an autoencoder that was trained for seconds."""
    out = tmp_path_factory.mktemp("coder") / "run"
    *_, _last = train(make_task(coder_recipe), coder_recipe, stacks, out)
    return out


@pytest.fixture(scope="module")
def latent(make_recipe, coder, stacks, tmp_path_factory):
    """Folder of a latent model on it, and its recipe."""
    recipe = make_recipe(
        family="latent-volume", model={**NETWORK, "vendors": ["siemens", "ge"]}, images=480,
        batch_size=8, learning_rate=3e-3, ema=0.9, augmentation=STILL,
        initialize_from=str(coder / "weights.safetensors"),
    )  # fmt: skip
    out = tmp_path_factory.mktemp("latent") / "run"
    *_, _last = train(make_task(recipe), recipe, stacks, out)
    return out, recipe


def through(network, batch):
    """Pictures and labels of a batch through the bottleneck."""
    with torch.no_grad():
        made, scores = network.decode(network.encode(2 * batch.images - 1, batch.labels))
    return (made + 1) / 2, scores.argmax(dim=1)


def overlap(found, truth) -> float:
    """Dice of two masks."""
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


def test_the_autoencoder_keeps_pictures_and_masks_of_hearts_it_has_not_seen(
    coder, coder_recipe, unseen
):
    task = make_task(coder_recipe)
    batch = batches_of(task, coder_recipe, unseen).batch(0, 3)
    trained = VolumeAutoencoder(read_config(coder, VolumeConfig, family="volume-autoencoder"))
    trained = with_weights(trained, coder, device="cpu")
    errors, overlaps = [], []
    for network in (task.network.eval(), trained):
        pictures, labels = through(network, batch)
        errors.append(float((pictures - batch.images).abs().mean()))
        overlaps.append(overlap(labels > 0, batch.labels > 0))
    assert errors[1] < 0.4 * errors[0]
    assert overlaps[1] > 0.6 > overlaps[0]


def test_the_latent_model_denoises_hearts_it_has_not_seen(latent, unseen):
    out, recipe = latent
    trained = LatentVolumeGenerator.load(out)
    task = make_task(recipe)
    batch = batches_of(task, recipe, unseen).batch(0, 3)
    latents = task._encoded(batch)
    assert latents.std() == pytest.approx(0.3, rel=0.5)  # as the autoencoder has learned
    step = torch.full((3,), 500)
    share = task.network.share(step)
    noise = batch.normal(*latents.shape[1:])
    noisy = share.sqrt() * latents + (1 - share).sqrt() * noise
    with torch.no_grad():
        errors = [
            float(((network(noisy, step, noise, [{}] * 3) - latents) ** 2).mean())
            for network in (task.network, trained.network.network)
        ]
    assert errors[1] < 0.6 * errors[0]


def test_slices_of_a_sampled_volume_are_of_one_heart(latent):
    """Each drawn patient has a brightness of their own, which all of its slices show."""
    generator = LatentVolumeGenerator.load(latent[0])
    *_, made = generator.sample_volumes([Condition()] * 8, seed=0)
    greys = made.pixels.mean(axis=(2, 3))  # (n, d)
    greys -= greys.mean(axis=0)
    within, between = greys.std(axis=1).mean(), greys.mean(axis=1).std()
    assert within < between


def test_a_volume_depends_on_seed_and_index_alone(latent):
    generator = LatentVolumeGenerator.load(latent[0])
    *_, three = generator.sample_volumes([Condition()] * 3, seed=5, steps=3)
    *_, alone = generator.sample_volumes([Condition()], seed=5, indices=[2], steps=3)
    np.testing.assert_allclose(alone.pixels[0], three.pixels[2], atol=1e-5)
    assert (alone.labels[0] == three.labels[2]).mean() > 0.999  # ties may fall either way
    assert np.abs(three.pixels[0] - three.pixels[1]).mean() > 1e-3


def test_a_level_of_a_whole_stack_is_refused(latent):
    generator = LatentVolumeGenerator.load(latent[0])
    with pytest.raises(InputError, match="^z: this model makes whole stacks"):
        list(generator.sample_volumes([Condition(z=0.5)], seed=0))


def test_the_card_says_the_third_axis_and_who_was_learned_from(latent, stacks):
    short = replace(stacks, rows=tuple(
        replace(row, slice=row.slice + 100 * (row.patient == "p1")) for row in stacks.rows
    ))  # fmt: skip
    grid = draft_card(latent[0], stacks).grid
    assert (grid.volume.axis, grid.volume.depth, grid.volume.between_mm) == ("z", 4, 10.0)
    kept = tuple(r for r in short.rows if not (r.patient == "p1" and r.slice > 101))
    index = [i for i, r in enumerate(short.rows) if r in kept]
    fewer = replace(
        short, images=short.images[index], labels=short.labels[index],
        covered=short.covered[index], rows=kept,
    )  # fmt: skip
    assert draft_card(latent[0], stacks).training.cohorts[0].patients == 6
    assert draft_card(latent[0], fewer).training.cohorts[0].patients == 5


def test_slices_of_a_volume_are_augmented_alike(make_recipe, stacks):
    recipe = make_recipe(
        family="volume-autoencoder", model=TINY, loss={"adversarial": 0},
        augmentation={"share": 1.0, "gamma": 0.5, "gain": 0.3, "bias": 0.3},
    )  # fmt: skip
    same = replace(
        stacks,
        images=np.repeat(stacks.images[1::4], 4, axis=0),
        labels=np.repeat(stacks.labels[1::4], 4, axis=0),
    )
    batch = batches_of(make_task(recipe), recipe, same).batch(0, 4)
    assert torch.equal(batch.images[:, :, 0], batch.images[:, :, 3])
    assert torch.equal(batch.labels[:, 0], batch.labels[:, 3])
    plain = batches_of(make_task(recipe), recipe, same).batch(4, 4)
    assert not torch.equal(batch.images, plain.images)


def test_labels_that_nobody_drew_teach_nothing(coder_recipe, stacks):
    task = make_task(coder_recipe)
    batch = batches_of(task, coder_recipe, stacks).batch(0, 2)
    closed = indicators(batch.labels)
    assert closed.shape == (2, 4, 4, 64, 64) and (closed.sum(dim=1) == 1).all()
    unlabelled = torch.full_like(batch.labels, 255)
    assert not indicators(unlabelled).any()
    ((_, loss),) = task.losses(replace(batch, labels=unlabelled))
    assert torch.isfinite(loss).all()


def test_the_discriminator_sees_single_slices(make_recipe, stacks):
    recipe = make_recipe(
        family="volume-autoencoder", model=TINY,
        loss={"channels": 4, "layers": 1, "judged": 3}, augmentation=STILL,
    )  # fmt: skip
    task = make_task(recipe)
    batch = batches_of(task, recipe, stacks).batch(0, 2)
    sizes = []
    task.networks["discriminator"].register_forward_pre_hook(
        lambda _, given: sizes.append(tuple(given[0].shape))
    )
    assert [loss.shape for _, loss in task.losses(batch)] == [(2,), (2,)]
    assert set(sizes) == {(6, 5, 64, 64)}


def test_a_beat_is_learned_from_with_its_level_and_without_a_phase(make_recipe, stacks):
    rows = [
        replace(row, slice=2, frame=row.slice, z=0.7, phase=("ED", "", "ES", "")[row.slice])
        for row in stacks.rows
    ]
    beats = replace(stacks, rows=tuple(rows))
    recipe = make_recipe(family="volume-autoencoder", model={**TINY, "axis": "t"})
    batch = batches_of(make_task(recipe), recipe, beats).batch(0, 2)
    assert batch.images.shape == (2, 1, 4, 64, 64)
    assert [(c["z"], c["phase"]) for c in batch.conditions] == [(0.7, "")] * 2


@pytest.mark.parametrize("name", ["noise", "blur", "looks", "shapes"])
def test_what_would_change_slices_one_by_one_is_refused(make_recipe, stacks, name):
    recipe = make_recipe(family="volume-autoencoder", model=TINY, augmentation={name: 0.1})
    with pytest.raises(InputError, match=f"augmentation.{name}': would change each slice"):
        batches_of(make_task(recipe), recipe, stacks)


def test_patients_with_too_few_slices_are_told(make_recipe, stacks):
    recipe = make_recipe(family="volume-autoencoder", model={**TINY, "depth": 6, "least": 5})
    with pytest.raises(InputError) as error:
        batches_of(make_task(recipe), recipe, stacks)
    said = "(6 volumes left out, fewer than 5 slices of 10 mm: drawn p0 ED with 4"
    assert f"no train stack to learn from {said}" in str(error.value)


def test_stacks_are_no_cines(make_recipe, stacks):
    recipe = make_recipe(family="volume-autoencoder", model={**TINY, "axis": "t"})
    with pytest.raises(InputError, match="no train cines of any cohort; make one with `cohort"):
        batches_of(make_task(recipe), recipe, stacks)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"depth": 5}, "depth 5 does not divide by 2"),
        ({"shape": [64, 60]}, "does not divide by 8"),
        ({"channels": [10, 16]}, "do not divide by groups 4"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make_recipe, change, said):
    recipe = make_recipe(family="volume-autoencoder", model={**TINY, **change})
    with pytest.raises(InputError, match=said):
        make_task(recipe)


@pytest.mark.parametrize("kind", ["stack", "cine"])
def test_the_bundled_recipes_fit_together(make_recipe, tmp_path, kind):
    first = load_recipe(f"autoencoder-{kind}")
    task = make_task(first)
    task.save(tmp_path, images_seen=0, minutes=0)
    second = load_recipe(f"latent-{kind}").model_copy(
        update={"initialize_from": str(tmp_path / "weights.safetensors")}
    )
    assert make_task(second).model.autoencoder.config.axis == {"stack": "z", "cine": "t"}[kind]
    with pytest.raises(InputError, match="needs a trained autoencoder; train the recipe"):
        make_task(load_recipe(f"latent-{kind}"))
