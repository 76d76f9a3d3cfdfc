"""Latent models of several contrasts: trained together, asked apart, and beyond what they saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.anatomy.labels import INFARCT, MYO, RV, UNLABELLED
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.card import draft_card, write_card
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.latent.generator import LatentGenerator
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.request import Request
from cmr_synth.synthesis.unconditional import synthesize_unconditional
from cmr_synth.training.batches import Batches
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.autoencoder import AutoencoderTask
from cmr_synth.training.families.flow import FlowTask
from cmr_synth.training.families.latent import LatentTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe

CONTRASTS = {"cine": ["LV", "MYO", "RV"], "lge": ["LV", "MYO", "infarct", "no-reflow"]}
CODER = {"encoder": [8, 8], "decoder": [8, 8, 4], "blocks": 1, "hidden": 4, "groups": 4}
UNET = {
    "channels": [16, 16], "attention": [False, True], "head_width": 8, "groups": 8,
    "vendors": ["siemens", "ge"], "pathologies": ["normal", "dcm", "minf"],
    "objective": "diffusion",
}  # fmt: skip


@pytest.fixture(scope="module")
def both(slices):
    """Late enhancement with infarcts on half of the slices, dilated hearts in cine alone."""
    labels, rows = slices.labels.copy(), list(slices.rows)
    for i in range(len(rows)):
        lge = i % 2 == 0
        rows[i] = replace(
            rows[i], contrast="lge" if lge else "cine", pathology="minf" if lge else "dcm"
        )
        if lge:
            labels[i][np.isin(labels[i], (0, RV))] = UNLABELLED
            labels[i][:80][labels[i][:80] == MYO] = INFARCT
    facts = {"title": "drawn hearts", "licence": "CC0 1.0", "citation": "nobody"}
    about = {**slices.about, "cohorts": {"drawn": facts, "other": facts}}
    return replace(slices, labels=labels, rows=tuple(rows), about=about)


def run(task, slices, folder):
    for _ in train(task, task.recipe.model_copy(update={"images": 8}), slices, folder):
        pass
    return folder / "weights.safetensors"


@pytest.fixture(scope="module")
def first_stage(make_recipe, both, tmp_path_factory):
    recipe = make_recipe(
        family="autoencoder", model={**CODER, "contrasts": CONTRASTS},
        loss={"channels": 4, "layers": 1},
    )  # fmt: skip
    return run(AutoencoderTask(recipe), both, tmp_path_factory.mktemp("first") / "coder")


def latent(make_recipe, start, **model):
    return LatentTask(
        make_recipe(family="latent", model={**UNET, **model}, initialize_from=str(start))
    )


@pytest.fixture(scope="module")
def model(make_recipe, both, first_stage, tmp_path_factory):
    """A model of both, in a folder with its card."""
    folder = tmp_path_factory.mktemp("both") / "both"
    task = latent(make_recipe, first_stage, contrasts=CONTRASTS)
    assert task.words["contrast"] == ("cine", "lge") and task.contrast == ("cine", "lge")
    run(task, both, folder)
    card = draft_card(folder, both)
    write_card(card.model_copy(update={"name": "both", "default_steps": 2}), folder / "card.yaml")
    return zoo.load(folder)


def scan(labels):
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    return Scan(array=labels[None], spacing=(8.0, 1.5, 1.5), affine=affine, name="heart")


def test_the_card_says_what_was_seen_of_what(model):
    known = model.card.conditions
    assert known.contrast == "cine" and known.contrasts == ("cine", "lge")
    seen = {(one.contrast, one.pathology): one.patients for one in model.card.training.combinations}
    assert seen == {("cine", "dcm"): 3, ("lge", "minf"): 4}


def test_the_contrast_is_a_word_that_counts_and_may_be_open(model):
    heart = draw_slice()
    made = {}
    for contrast in ("cine", "lge", None):
        asked = [Condition(mask=heart, contrast=contrast)]
        *_, last = model.generator.sample(asked, seed=0, steps=2)
        assert isinstance(last, Images)
        made[contrast] = last.pixels
    assert np.abs(made["cine"] - made["lge"]).max() > 1e-4
    with pytest.raises(InputError, match="contrast 't2': this model knows cine, lge"):
        next(model.generator.sample([Condition(contrast="t2")], seed=0))


def test_never_seen_in_training_is_on_the_record(model):
    def notes(**asked):
        *_, last = synthesize(scan(draw_slice()), model, Request(**asked))
        return last.record, [n for n in last.record["notes"] if "never seen in training" in n]

    record, new = notes(contrast="lge", pathology="dcm")
    assert record["contrast"] == "lge" and new and "'lge' with pathology 'dcm'" in new[0]
    assert Request.from_record(record).contrast == "lge"
    assert any("RV is left open" in note for note in record["notes"])
    record, new = notes(pathology="dcm")  # cine, where nothing is said
    assert record["contrast"] == "cine" and not new
    assert not notes(contrast="lge")[1]  # no pathology is asked for
    *_, free = synthesize_unconditional(model, Request(contrast="lge", pathology="dcm"))
    assert any("never seen in training" in note for note in free.record["notes"])
    with pytest.raises(InputError, match="contrast 't2': model 'both' makes cine, lge"):
        Request(contrast="t2").check(model.card)


def test_scar_is_wall_in_cine_and_scar_in_late_enhancement(model):
    heart = draw_slice()
    scarred = np.where((heart == MYO) & (np.arange(128) < 64)[:, None], INFARCT, heart)

    def picture(labels, contrast):
        *_, last = synthesize(scan(labels), model, Request(contrast=contrast))
        return last.scan.array

    np.testing.assert_array_equal(picture(scarred, "cine"), picture(heart, "cine"))
    assert np.abs(picture(scarred, "lge") - picture(heart, "lge")).max() > 1e-4


def test_a_latent_model_of_cine_refuses_late_enhancement(make_recipe, slices, tmp_path):
    coder = AutoencoderTask(
        make_recipe(family="autoencoder", model=CODER, loss={"channels": 4, "layers": 1})
    )
    start = run(coder, slices, tmp_path / "coder")
    with pytest.raises(InputError, match="masks of 6 classes, and the autoencoder's have 4"):
        latent(make_recipe, start, contrasts=CONTRASTS)
    run(latent(make_recipe, start), slices, tmp_path / "cine")
    generator = LatentGenerator.load(tmp_path / "cine")
    *_, last = generator.sample([Condition(contrast="cine")], seed=0, steps=2)
    assert isinstance(last, Images)
    with pytest.raises(InputError, match="contrast 'lge': this model knows cine"):
        next(generator.sample([Condition(contrast="lge")], seed=0, steps=2))
    card = draft_card(tmp_path / "cine", replace(slices, about={**slices.about, "cohorts": {}}))
    assert card.conditions.contrasts == () and card.training.combinations == ()
    with pytest.raises(InputError, match="contrast 'lge': model 'tiny' makes cine"):
        Request(contrast="lge").check(card)


def test_the_contrast_is_dropped_as_the_others_are(both):
    batches = Batches(both, augmentation=Augmentation(), seed=0, contrast=("cine", "lge"))
    batch = batches.batch(0, 8)
    told = {c["contrast"] for c in batch.conditions}
    assert told == {"cine", "lge"}
    none = {name: 0.0 for name in Dropping.model_fields}
    for share, left in ((1.0, {None}), (0.0, told)):
        batch = batches.batch(0, 8)
        _, kept = dropped(batch, Dropping(**{**none, "drop_contrast": share}))
        assert {c["contrast"] for c in kept} == left
    alone = Batches(both, augmentation=Augmentation(), seed=0, contrast="lge").batch(0, 4)
    assert all("contrast" not in c for c in alone.conditions)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"contrasts": {"cine": ["LV"], "cinema": ["LV"]}}, "'cinema' is none of cine, lge"),
        ({"contrasts": {"lge": ["LV"]}}, "one alone is no word"),
        ({"contrasts": {"t2": ["LV"], "lge": ["LV"]}}, "'cine' is none of its contrasts"),
        ({"contrasts": CONTRASTS, "structures": ["LV"]}, "structures are named by contrast"),
    ],
    ids=str,
)
def test_contrasts_that_do_not_fit_are_refused(make_recipe, model, says):
    with pytest.raises(InputError, match=says):
        AutoencoderTask(make_recipe(family="autoencoder", model={**CODER, **model}))


def test_a_family_of_one_contrast_says_so(make_recipe):
    with pytest.raises(InputError, match="'model.contrasts'.*'flow' makes one contrast alone"):
        FlowTask(make_recipe(family="flow", model={"contrasts": CONTRASTS}))


def test_the_bundled_recipes_fit_together(make_recipe, first_stage):
    coder = AutoencoderTask(load_recipe("autoencoder-contrasts"))
    recipe = load_recipe("latent-contrasts").model_copy(
        update={"initialize_from": str(first_stage)}
    )
    of = LatentTask(recipe)
    assert of.model.config.contrasts == coder.network.config.contrasts
    assert of.model.config.objective == "diffusion"
