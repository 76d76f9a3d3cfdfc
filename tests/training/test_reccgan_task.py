"""RecCGAN: it learns in seconds, keeps what was measured, and is asked by its folder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from cmr_synth.errors import InputError
from cmr_synth.generators.card import draft_card, write_card
from cmr_synth.networks.folder import save_model
from cmr_synth.reconstruction.methods import open_method
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.reccgan import ReccganTask
from cmr_synth.training.recipe import Augmentation

SMALL = {
    "filters": [8, 16, 16], "cascades": 1, "coils": 1, "accelerations": [4], "noise": 0.0,
    "patterns": ["cartesian"],
}  # fmt: skip


def task(make_recipe, loss=None, **model) -> ReccganTask:
    stated = {"family": "reccgan", "model": {**SMALL, **model}}
    return ReccganTask(make_recipe(**stated, loss={"channels": 4, "layers": 1, **(loss or {})}))


def batches(slices) -> Batches:
    """Without grain, which nobody can tell from what was not measured."""
    smooth = gaussian_filter(np.asarray(slices.images), (0, 1.5, 1.5))
    without = replace(slices, images=smooth)
    return Batches(without, augmentation=Augmentation(share=0, shift=0), seed=0)


def error(of: ReccganTask, batch) -> tuple[float, float]:
    """NMSE of the network and of zero-filling."""
    with torch.no_grad():
        acquired, truth = of._scanned(batch)
        power = truth.abs().square().sum()
        made = [of.network(acquired), acquired.zero_filled()]
        found = [float((one.abs() - truth.abs()).square().sum() / power) for one in made]
    return found[0], found[1]


@pytest.fixture(scope="module")
def trained(make_recipe, slices) -> ReccganTask:
    of, source = task(make_recipe), batches(slices)
    optimizers = {n: torch.optim.Adam(x.parameters(), 3e-3) for n, x in of.networks.items()}
    for k in range(40):
        for name, loss in of.losses(source.batch(4 * k, 4)):
            optimizers[name].zero_grad()
            loss.mean().backward()
            optimizers[name].step()
    return of


def test_untrained_it_is_zero_filling(make_recipe, slices):
    made, zero = error(task(make_recipe), batches(slices).batch(400, 4))
    assert made == pytest.approx(zero, rel=1e-3) and zero > 0.002


def test_it_learns_in_seconds(trained, slices):
    made, zero = error(trained, batches(slices).batch(400, 4))
    assert made < 0.85 * zero


def test_what_was_measured_is_kept_or_as_far_as_is_learned(trained, make_recipe, slices):
    batch = batches(slices).batch(400, 2)
    with torch.no_grad():
        acquired, _ = trained._scanned(batch)
        made = acquired.seen(trained.network(acquired))
    kept = acquired.measured.expand_as(made)
    torch.testing.assert_close(made[kept], acquired.kspace[kept], atol=1e-4, rtol=0)
    soft = task(make_recipe, consistency="soft")
    soft.network.load_state_dict(trained.network.state_dict())
    with torch.no_grad():
        soft.network.shares.fill_(0.0)
        soft.network.eval()
        made = acquired.seen(soft.network(acquired))
    assert (made - acquired.kspace)[kept].abs().max() > 0.01


def test_each_loss_counts(make_recipe, slices):
    batch = batches(slices).batch(0, 2)

    def losses(**loss):
        of = task(make_recipe, loss)
        with torch.no_grad():
            return dict(of.losses(type(batch)(**{**vars(batch), "draws": draws()})))

    def draws():
        return tuple(np.random.default_rng(k) for k in range(2))

    nothing = {"spatial": 0, "kspace": 0, "matching": 0, "adversarial": 0}
    assert losses(**nothing)["reccgan"].abs().max() == 0
    for name in ("spatial", "kspace"):
        assert losses(**{**nothing, name: 1})["reccgan"].min() > 0
    assert losses(**nothing).keys() == {"reccgan"}
    both = losses(**{**nothing, "adversarial": 0.5, "matching": 1})
    assert both.keys() == {"reccgan", "discriminator"} and both["reccgan"].abs().max() > 0


def test_a_model_reconstructs_any_size_and_is_what_its_card_says(trained, tmp_path, slices):
    config, weights = trained.finished()
    facts = {"config": config, "weights": weights, "recipe": trained.recipe, "bits": 16}
    cohort = {"title": "drawn", "licence": "CC0 1.0", "citation": "nobody"}
    about = {**slices.about, "cohorts": {"drawn": cohort}}
    for family in ("reccgan", "cvae"):
        folder = tmp_path / family
        folder.mkdir()
        save_model(folder, family=family, images_seen=1, minutes=0.1, **facts)
        write_card(draft_card(folder, replace(slices, about=about)), folder / "card.yaml")
    method = open_method(str(tmp_path / "reccgan"))
    acquired, _ = trained._scanned(batches(slices).batch(0, 1))
    odd = type(acquired)(*(p[..., :101, :90] for p in (vars(acquired).values())))
    assert method.run(odd).shape == (1, 101, 90)
    assert method.facts["learned"] is True
    assert method.facts["model"]["family"] == "reccgan"
    with pytest.raises(InputError, match="is of the family 'cvae', not 'reccgan'"):
        open_method(str(tmp_path / "cvae"))
    with pytest.raises(InputError, match="device 'abacus' cannot be used"):
        open_method(str(tmp_path / "reccgan"), device="abacus")
    (tmp_path / "reccgan" / "config.json").write_text("{}")
    with pytest.raises(InputError, match="its card says"):
        open_method(str(tmp_path / "reccgan"))


def test_a_recipe_that_does_not_fit_is_one_line(make_recipe):
    with pytest.raises(InputError, match="field 'model.patterns.0': Input should be 'cartesian'"):
        task(make_recipe, patterns=["spiral"])
    with pytest.raises(InputError, match="field 'loss.k_space'"):
        task(make_recipe, {"k_space": 1})
