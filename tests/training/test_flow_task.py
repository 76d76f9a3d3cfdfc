"""The few-step stage of the flow: what is judged by an error, and what by the discriminator."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from cmr_synth.errors import InputError
from cmr_synth.generators.flow.network import start_of
from cmr_synth.networks.weights import load_weights, save_weights, state_of
from cmr_synth.training.adversarial import Discriminator
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.flow import FlowTask, mixed
from cmr_synth.training.recipe import Augmentation, load_recipe

SMALL = {"channels": [32, 32], "attention": [False, True], "vendors": ["siemens", "philips", "ge"]}


def task(make_recipe, **adversarial) -> FlowTask:
    """A small network in its few-step stage."""
    settings = {"weight": 0.7, "channels": 4, "layers": 1, **adversarial}
    return FlowTask(make_recipe(family="flow", model=SMALL, loss={"adversarial": settings}))


def test_cohorts_can_be_added_to_a_trained_network(make_recipe, tmp_path):
    """New words start without a say; what the network did before, it does still."""
    before = task(make_recipe)
    path = tmp_path / "weights.safetensors"
    save_weights(path, state_of(before.network), bits=16)
    grown = FlowTask(
        make_recipe(
            family="flow", model={**SMALL, "cohorts": ["drawn", "other"]}, initialize_from=str(path)
        )
    )
    given = torch.randn(2, 1, 128, 128), torch.full((2,), 0.5), torch.zeros(2, 4, 128, 128)
    asked = [{"vendor": "ge", "cohort": "drawn"}, {"cohort": "other"}]
    plain = [{k: v for k, v in one.items() if k != "cohort"} for one in asked]
    with torch.no_grad():
        for network in (before.network, grown.network):
            network.eval()
        expected = before.network(*given, plain)
        torch.testing.assert_close(grown.network(*given, asked), expected, atol=2e-2, rtol=0)
        grown.network.conditions.tables["cohort"].weight[1] = 1.0
        assert not torch.allclose(grown.network(*given, asked)[0], expected[0], atol=0.05)


def test_pathologies_can_be_added_behind_those_that_were_known(make_recipe, tmp_path):
    before = FlowTask(make_recipe(family="flow", model={**SMALL, "pathologies": ["dcm", "hcm"]}))
    path = tmp_path / "weights.safetensors"
    save_weights(path, state_of(before.network), bits=16)
    more = {**SMALL, "pathologies": ["dcm", "hcm", "ihd"]}
    grown = FlowTask(make_recipe(family="flow", model=more, initialize_from=str(path)))
    old, new = (t.network.conditions.tables["pathology"].weight for t in (before, grown))
    torch.testing.assert_close(new[:3], old, atol=1e-2, rtol=1e-2)
    assert (new[3] == 0).all()


def test_a_head_can_be_added_to_a_trained_network_and_changes_nothing_at_first(
    make_recipe, slices, tmp_path
):
    before = FlowTask(make_recipe(family="flow", model=SMALL))
    path = tmp_path / "weights.safetensors"
    save_weights(path, state_of(before.network), bits=16)
    grown = FlowTask(
        make_recipe(family="flow", model={**SMALL, "head": 8}, initialize_from=str(path))
    )
    given = torch.randn(2, 1, 128, 128), torch.full((2,), 0.5), torch.zeros(2, 4, 128, 128)
    asked = [{"vendor": "ge"}, {}]
    with torch.no_grad():
        expected, found = (t.network.eval()(*given, asked) for t in (before, grown))
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=0)
    losses = dict(grown.losses(Batches(slices, augmentation=Augmentation(), seed=0).batch(0, 4)))
    losses["flow"].mean().backward()
    head = grown.network.head
    assert head.leave.weight.grad.abs().sum() > 0
    with torch.no_grad():
        head.leave.weight.normal_(std=0.1)
        head.look.weight.normal_(std=0.1)
        changed = grown.network(*given, asked)
    assert not torch.allclose(changed, expected, atol=0.02)
    with torch.no_grad():
        assert not torch.allclose(changed, grown.network(*given, [{}, {}]), atol=1e-4)


def test_slices_of_a_cohort_without_a_word_are_trained_on(make_recipe, slices):
    of = FlowTask(make_recipe(family="flow", model={**SMALL, "cohorts": ["drawn"]}))
    assert all(torch.isfinite(loss).all() for loss in losses(of, slices).values())


def losses(of: FlowTask, slices, size: int = 16) -> dict[str, torch.Tensor]:
    batch = Batches(slices, augmentation=Augmentation(), seed=0).batch(0, size)
    return {name: loss.detach() for name, loss in of.losses(batch)}


def test_without_the_adversarial_force_the_sampler_s_own_states_cost_nothing(make_recipe, slices):
    """A squared error there would pull every sample to the mean of all of them."""
    nearly_none = {"weight": 1e-12}
    alone = losses(task(make_recipe, own_inputs=0.0, **nearly_none), slices)["flow"]
    mixed = losses(task(make_recipe, own_inputs=1.0, **nearly_none), slices)["flow"]
    assert (alone > 1e-3).all()
    own = mixed.abs() < 1e-6
    assert 0 < own.sum() < len(own)  # a start from noise is no own state
    torch.testing.assert_close(mixed[~own], alone[~own])


def test_both_networks_learn(make_recipe, slices):
    of = task(make_recipe)
    for name, loss in of.losses(Batches(slices, augmentation=Augmentation(), seed=0).batch(0, 4)):
        of.networks[name].zero_grad()
        loss.mean().backward()
        norms = [p.grad.norm() for p in of.networks[name].parameters() if p.grad is not None]
        assert sum(norms) > 0, name


@pytest.mark.parametrize("damage", ["dimmed", "offset", "grain"])
def test_the_discriminator_sees_brightness_contrast_and_grain(damage):
    """Instance norm alone would hide the first two, the average over 4 x 4 the third."""
    torch.manual_seed(0)
    network = Discriminator(6, channels=8, layers=2).eval()
    seen = functional.avg_pool2d(torch.rand(1, 6, 256, 256), 4)  # smooth, as pictures are
    other = seen.clone()
    picture = seen[:, :1]
    grain = 0.2 * torch.tensor([1.0, -1.0]).repeat(32)
    other[:, :1] = {"dimmed": 0.5 * picture, "offset": picture + 0.3, "grain": picture + grain}[
        damage
    ]
    with torch.no_grad():
        texture, layout = (
            float((a - b).abs().mean()) for a, b in zip(network(seen), network(other), strict=True)
        )
    assert (texture if damage == "grain" else layout) > 1e-3


def test_a_discriminator_that_knows_nothing_has_no_force(make_recipe, slices):
    """With all scores zero the loss of the flow is that of the squared error alone."""
    of = task(make_recipe, own_inputs=0.0)
    with torch.no_grad():
        for parameter in of.networks["discriminator"].parameters():
            parameter.zero_()
    found = losses(of, slices)
    alone = losses(task(make_recipe, own_inputs=0.0, weight=1e-12), slices)
    torch.testing.assert_close(found["flow"], alone["flow"])
    torch.testing.assert_close(found["discriminator"], torch.full((16,), 2.0))


@pytest.mark.parametrize(
    "stage", [{}, {"adversarial": {"weight": 0.7, "channels": 4, "layers": 1}}]
)
def test_a_direct_flow_learns_from_where_it_will_start(make_recipe, slices, stage):
    """A network that returns its input has the loss of the start, which the noise decides."""

    class Returns(torch.nn.Module):
        def forward(self, noisy, time, mask, conditions):
            self.noisy, self.time, self.mask = noisy, time, mask
            return noisy * self.one

    loss = {"time_mean": -20.0, "time_sd": 0.1, **stage}  # at the start
    if stage:
        loss["adversarial"] = {**stage["adversarial"], "steps": 1}
    spread = {}
    for source in ("noise", "condition"):
        model = {**SMALL, "source": source, "shade_noise": 0.01}
        of = FlowTask(make_recipe(family="flow", model=model, loss=loss))
        seen = of.networks["flow"] = Returns()
        seen.one = torch.nn.Parameter(torch.ones(()))
        losses(of, slices)
        assert (seen.time < 1e-6).all()
        expected = start_of(of.network.config, torch.zeros_like(seen.noisy), seen.mask)
        spread[source] = (seen.noisy - expected).std().item()
    assert spread["noise"] == pytest.approx(1.0, rel=0.05)
    assert spread["condition"] == pytest.approx(0.01, rel=0.05)


def test_an_adapter_is_trained_by_its_own_family(make_recipe):
    adapter = {"base": "flow", "sha256": "0" * 64, "rank": 2}
    with pytest.raises(InputError, match="'model.adapter': .*'flow-student' trains adapters"):
        FlowTask(make_recipe(family="flow", model={**SMALL, "adapter": adapter}))


def test_the_direct_recipe_differs_from_the_other_in_its_source_alone():
    direct, plain = (load_recipe(name).model_dump() for name in ("flow-direct", "flow"))
    assert direct["model"].pop("source") == "condition"
    assert {**direct, "name": "flow"} == plain


def test_what_is_saved_lies_between_start_and_end(make_recipe, tmp_path):
    """At the share that the recipe states; where it states none, at the end."""
    start = {"a": torch.zeros(3), "b": torch.ones(2, dtype=torch.float16)}
    end = {"a": torch.ones(3), "b": torch.zeros(2)}
    between = mixed(start, end, 0.3)
    torch.testing.assert_close(between["a"], torch.full((3,), 0.7))
    torch.testing.assert_close(between["b"], torch.full((2,), 0.3))

    def saved(share: float) -> dict[str, torch.Tensor]:
        of = task(make_recipe, initial_share=share)
        with torch.no_grad():
            for parameter in of.network.parameters():
                parameter.fill_(1.0)
        of.recipe = of.recipe.model_copy(update={"initialize_from": str(begin)})
        of.save(tmp_path, images_seen=1, minutes=1.0)
        return load_weights(tmp_path / "weights-fp16.safetensors")

    begin = tmp_path / "begin.safetensors"
    zeros = {k: torch.zeros_like(v) for k, v in state_of(task(make_recipe).network).items()}
    save_weights(begin, zeros, bits=16)
    for share in (0.0, 0.25):
        for value in saved(share).values():
            torch.testing.assert_close(value.float(), torch.full_like(value.float(), 1 - share))
