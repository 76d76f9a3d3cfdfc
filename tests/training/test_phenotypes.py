"""Phenotypes as conditions: measured on the set, learned by the flow, asked for, and refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.template import draw_stack
from cmr_synth.cohorts.phenotypes import slice_phenotypes
from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.phenotypes import asked_and_measured
from cmr_synth.generators import zoo
from cmr_synth.generators.card import draft_card, write_card
from cmr_synth.generators.flow.generator import FlowGenerator
from cmr_synth.generators.interface import Condition
from cmr_synth.networks.weights import save_weights, state_of
from cmr_synth.synthesis.request import Request
from cmr_synth.synthesis.unconditional import run_unconditional
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.flow import FlowTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation

UNET = {
    "channels": [8, 8], "attention": [False, False], "head_width": 4, "groups": 4,
    "shape": [32, 32], "spacing_mm": 6.0, "vendors": ["siemens", "ge"],
}  # fmt: skip
APART = 10.0


@pytest.fixture(scope="module")
def beating() -> SliceSet:
    """Twelve people with stacks of four slices at both phases, on pixels of 6 mm."""
    labels, rows = [], []
    for p in range(12):
        for phase, scale in (("ED", 0.9 + 0.04 * p), ("ES", 0.75 + 0.02 * p)):
            stack = draw_stack(
                slices=4, shape=(40, 40), spacing=(APART, 6 / scale, 6 / scale), seed=p
            )
            labels += list(stack)
            rows += [
                SliceRow(
                    cohort="drawn", patient=f"p{p}", split="train" if p < 6 else "test",
                    vendor=("siemens", "ge")[p % 2], phase=phase, pathology="", slice=k, z=k / 3,
                    completed=False, between_mm=APART,
                )
                for k in range(4)
            ]  # fmt: skip
    drawn = np.stack(labels).astype(np.uint8)
    images = np.array([60, 220, 90, 200], np.uint8)[drawn]
    about = {"spacing_mm": 6.0, "networks_shape": [32, 32], "cohorts": {}}
    return SliceSet(images, drawn, np.ones_like(drawn), tuple(rows), about)


def task(make_recipe, *names: str, **fields) -> FlowTask:
    model = {**UNET, "phenotypes": list(names)}
    return FlowTask(make_recipe(family="flow", model=model, **fields))


def test_a_set_is_measured_person_by_person(beating):
    index = beating.where(split="train")
    found = slice_phenotypes(beating, index)
    assert found.keys() == set(index.tolist())
    assert all(found[i] == found[i + 4] for i in index if beating.rows[i].phase == "ED")
    edv = [found[8 * p]["edv"] for p in range(6)]
    ml = (beating.labels[0:4] == 1).sum() * APART * 36 / 1000
    assert edv[0] == pytest.approx(ml) and len(set(edv)) == 6


@pytest.mark.parametrize("change", [{"between_mm": 0.0}, {"slice": 7}], ids=str)
def test_a_stack_that_is_not_whole_is_not_measured(beating, change):
    rows = list(beating.rows)
    rows[1] = replace(rows[1], **change)
    found = slice_phenotypes(replace(beating, rows=tuple(rows)), np.array([0, 8]))
    assert "edv" not in found[0] and "edv" in found[8]


def test_batches_tell_them_but_not_of_bent_hearts(beating):
    plain = Batches(beating, augmentation=Augmentation(share=0), seed=0, phenotypes=("ef", "edv"))
    assert all(one["phenotypes"].keys() == {"ef", "edv"} for one in plain.batch(0, 4).conditions)
    bent = Augmentation(share=1, shapes=1)
    changed = Batches(beating, augmentation=bent, seed=0, phenotypes=("ef", "edv")).batch(0, 24)
    assert any("phenotypes" not in one for one in changed.conditions)
    without = Batches(beating, augmentation=Augmentation(share=0), seed=0).batch(0, 4)
    assert all("phenotypes" not in one for one in without.conditions)


def test_the_scale_is_that_of_the_training_patients(make_recipe, beating, tmp_path):
    of = task(make_recipe, "edv", "ef", images=4, batch_size=2)
    list(train(of, of.recipe, beating, tmp_path / "run"))
    generator = FlowGenerator.load(tmp_path / "run")
    edv, ef = generator.config.phenotypes
    own = slice_phenotypes(beating, beating.where(split="train"))
    values = sorted({one["edv"] for one in own.values()})
    assert (edv.low, edv.high, edv.patients) == (values[0], values[-1], 6)
    assert edv.mean == pytest.approx(np.mean(values)) and ef.name == "ef"
    assert edv.sd == pytest.approx(np.std(values, ddof=1))
    assert generator.network.conditions.measures.phenotypes == (edv, ef)


def test_a_phenotype_moves_the_loss_it_explains(make_recipe, beating):
    """Trained for seconds, the network without a mask is better with own than others' numbers."""
    loss = {"drop_mask": 0.0, "drop_mask_alone": 1.0, "drop_phenotype": 0.0, "time_mean": -4.0}
    of = task(make_recipe, "edv", "rv_edv", loss={**loss, "drop_all_phenotypes": 0.0})
    batches = Batches(
        beating, augmentation=Augmentation(share=0, shift=0), seed=0, phenotypes=of.phenotypes
    )
    of.begin(batches)
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(of.network.parameters(), 4e-3)

    def step(first: int, exchanged: bool = False) -> torch.Tensor:
        batch = batches.batch(first, 16)
        if exchanged:
            others = [one["phenotypes"] for one in batch.conditions][::-1]
            told = tuple(
                {**one, "phenotypes": o} for one, o in zip(batch.conditions, others, strict=True)
            )
            batch = replace(batch, conditions=told)
        ((_, found),) = of.losses(batch)
        return found.mean()

    for k in range(120):
        optimizer.zero_grad()
        step(16 * k).backward()
        optimizer.step()
    with torch.no_grad():
        own, other = (sum(float(step(16 * k, b)) for k in range(200, 206)) for b in (False, True))
    assert own < 0.97 * other


def test_a_flow_learns_phenotypes_on_top_of_what_it_knew(make_recipe, tmp_path):
    before = FlowTask(make_recipe(family="flow", model=UNET))
    path = tmp_path / "weights.safetensors"
    save_weights(path, state_of(before.network), bits=16)
    grown = task(make_recipe, "ef", initialize_from=str(path))
    given = torch.randn(2, 1, 32, 32), torch.full((2,), 0.5), torch.zeros(2, 4, 32, 32)
    with torch.no_grad():
        expected = before.network.eval()(*given, [{}] * 2)
        asked = [{"phenotypes": {"ef": 1.0}}, {}]
        torch.testing.assert_close(grown.network.eval()(*given, asked), expected, atol=2e-2, rtol=0)


def test_a_network_without_them_has_the_weights_it_had():
    names = state_of(FlowTask.__init__.__globals__["FlowNetwork"]()).keys()
    assert not [name for name in names if "measures" in name]


def test_what_nobody_measured_is_one_line(make_recipe, beating):
    of = task(make_recipe, "ef")
    rows = tuple(replace(row, between_mm=0.0) for row in beating.rows)
    batches = Batches(
        replace(beating, rows=rows), augmentation=Augmentation(), seed=0, phenotypes=of.phenotypes
    )
    with pytest.raises(InputError, match="^phenotype 'ef': measured on 0 of the training patients"):
        of.begin(batches)
    with pytest.raises(InputError, match="'model.phenotypes.0.name': phenotype 'luck': nobody"):
        task(make_recipe, "luck")
    assert "patients' own numbers" in of.unaccounted()


@pytest.fixture(scope="module")
def model(make_recipe, beating, tmp_path_factory):
    """A model that knows edv and ef, with weights under which every condition shows."""
    of = task(make_recipe, "edv", "ef", images=2, batch_size=2)
    folder = tmp_path_factory.mktemp("model") / "tiny"
    list(train(of, of.recipe, beating, folder))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in of.network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    of.save(folder, images_seen=2, minutes=0.0)
    write_card(draft_card(folder, beating), folder / "card.yaml")
    return folder


def test_a_phenotype_shows_and_an_unknown_one_is_refused(model):
    generator = FlowGenerator.load(model)

    def made(**phenotypes):
        *_, images = generator.sample([Condition(phenotypes=phenotypes)], seed=0)
        return images.pixels

    assert np.abs(made(ef=30.0) - made(ef=60.0)).max() > 1e-4
    assert np.abs(made(ef=30.0) - made()).max() > 1e-4
    with pytest.raises(InputError, match="phenotype 'mass': this model knows edv, ef; choose"):
        made(mass=100.0)


def test_a_request_says_what_is_beyond_and_is_told_again(model, tmp_path):
    card = zoo.load(model).card
    low = card.conditions.phenotypes[0].low
    request = Request(model=str(model), device="cpu", phenotypes=(("edv", low - 1), ("ef", 40.0)))
    *_, (record,) = run_unconditional(tmp_path / "out", request)
    assert record["phenotypes"] == {"edv": low - 1, "ef": 40.0}
    assert "edv" in record["notes"][0] and "below all that the model" in record["notes"][0]
    assert Request.from_record(record).phenotypes == request.phenotypes
    with pytest.raises(
        InputError, match="^phenotype 'wall': model 'tiny' was trained with edv, ef"
    ):
        Request(phenotypes=(("wall", 9.0),)).check(card)
    with pytest.raises(InputError, match="asked for twice"):
        Request(phenotypes=(("ef", 9.0), ("ef", 8.0)))


def test_asked_is_ranked_with_what_the_pictures_show(beating):
    """A painter that draws what is asked for ranks as the patients do; open, with nothing."""

    class Painter:
        config = type("C", (), {"phenotypes": [type("P", (), {"name": "edv"})], "spacing_mm": 1.0})

        def sample(self, conditions, *, seed, indices, steps):
            from cmr_synth.generators.interface import Images

            y, x = np.mgrid[:64, :64] - 32
            sides = [(c.phenotypes or {"edv": 80})["edv"] ** 0.5 for c in conditions]
            discs = [(np.hypot(y, x) < side).astype(np.float32) for side in sides]
            yield Images(np.stack(discs))

    class Reader:
        def segment(self, pictures):
            return (pictures > 0.5).astype(np.uint8)

    *_, (ranks,) = asked_and_measured(Painter(), beating, segmenter=Reader())
    assert (ranks.name, ranks.patients) == ("edv", 6)
    assert ranks.asked[0] > 0.95 and np.isnan(ranks.left_open[0])
    with pytest.raises(InputError, match="0 patients of the validation split|no .*validation"):
        list(asked_and_measured(Painter(), beating, split="validation", segmenter=Reader()))
