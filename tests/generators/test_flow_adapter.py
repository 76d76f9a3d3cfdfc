"""Adapters: merged they are the changed network; without their base they are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.generators import zoo
from cmr_synth.generators.flow.adapter import AdaptedFlow, load_flow
from cmr_synth.generators.flow.generator import DEFAULT_STEPS, FlowGenerator
from cmr_synth.generators.flow.network import AdapterOf
from cmr_synth.generators.interface import Condition, Progress
from cmr_synth.networks.weights import save_weights, state_of


def adapter_of(folder: Path, **fields) -> AdapterOf:
    stated = {"base": "tiny", "sha256": sha256(folder / "weights.safetensors"), "rank": 2}
    return AdapterOf(**{**stated, **fields})


def changed(folder: Path, **fields) -> AdaptedFlow:
    """An adapted flow whose change is not zero."""
    torch.manual_seed(1)
    adapted = AdaptedFlow(load_flow(folder), adapter_of(folder, **fields))
    for parameter in adapted.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return adapted


def write(folder: Path, adapted: AdaptedFlow) -> Path:
    folder.mkdir()
    save_weights(folder / "weights.safetensors", state_of(adapted), bits=16)
    about = {"family": "flow", "config": adapted.config.model_dump(mode="json")}
    (folder / "config.json").write_text(json.dumps(about))
    return folder


def estimate(network, size=1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    noisy = torch.randn(size, 1, 64, 64, generator=generator)
    mask = torch.zeros(size, 4, 64, 64)
    mask[:, 1, 20:40, 20:40] = 1
    with torch.no_grad():
        return network(noisy, torch.zeros(size), mask, [{"vendor": "ge", "z": 0.5}] * size)


def final(steps) -> np.ndarray:
    *_, images = steps
    return images.pixels


def test_a_new_adapter_changes_nothing(tiny_model):
    base = load_flow(tiny_model)
    adapted = AdaptedFlow(base, adapter_of(tiny_model))
    assert torch.equal(estimate(adapted), estimate(load_flow(tiny_model)))


def test_merged_weights_are_the_changed_network(tiny_model):
    adapted = changed(tiny_model)
    merged = adapted.merged().eval()
    torch.testing.assert_close(estimate(merged), estimate(adapted), atol=1e-4, rtol=1e-4)
    plain = load_flow(tiny_model)
    assert (estimate(plain) - estimate(adapted)).abs().mean() > 1e-3
    for name, weight in adapted.base.named_parameters():  # the base stays
        assert torch.equal(weight, dict(plain.named_parameters())[name])


def test_only_the_change_is_a_part_of_it_and_it_is_small(tiny_model):
    base = load_flow(tiny_model)
    sizes = [
        sum(p.numel() for p in AdaptedFlow(base, adapter_of(tiny_model, rank=r)).parameters())
        for r in (1, 2)
    ]
    assert sizes[0] < sizes[1] < sum(p.numel() for p in base.parameters())


def test_the_base_gets_no_gradient_and_the_change_does(tiny_model):
    adapted = changed(tiny_model)
    adapted(
        torch.randn(1, 1, 64, 64), torch.zeros(1), torch.zeros(1, 4, 64, 64), [{"vendor": "ge"}]
    ).sum().backward()
    assert all(p.grad is None for p in adapted.base.parameters())
    assert sum(p.grad.abs().sum() for p in adapted.up.parameters()) > 0
    assert sum(p.grad.abs().sum() for p in adapted.whole.parameters()) > 0


def test_the_base_moves_along(tiny_model):
    adapted = changed(tiny_model).to(torch.float64)
    assert {p.dtype for p in adapted.base.parameters()} == {torch.float64}


@pytest.mark.parametrize("place", ["beside", "zoo"])
def test_it_is_loaded_with_its_base(place, tiny_model, tmp_path):
    adapted = changed(tiny_model)
    folder = write(tmp_path / "student", adapted)
    if place == "beside":
        shutil.copytree(tiny_model, tmp_path / "tiny")
    else:
        zoo.add(tiny_model)
    loaded = FlowGenerator.load(folder)
    # half precision on disk, through a few dozen layers
    torch.testing.assert_close(estimate(loaded.network), estimate(adapted), atol=0.05, rtol=0.02)
    student, base = (
        final(g.sample([Condition(vendor="ge")], seed=0, steps=1))
        for g in (loaded, FlowGenerator.load(tiny_model))
    )
    assert np.abs(student - base).mean() > 1e-3


def test_a_student_takes_its_own_steps_and_no_more(tiny_model, tmp_path):
    shutil.copytree(tiny_model, tmp_path / "tiny")
    student = FlowGenerator.load(write(tmp_path / "student", changed(tiny_model, steps=2)))

    def taken(generator, steps):
        run = generator.sample([Condition()], seed=0, steps=steps)
        return sum(isinstance(step, Progress) for step in run)

    assert [taken(student, steps) for steps in (None, 1, 2, 5)] == [2, 1, 2, 2]
    teacher = FlowGenerator.load(tiny_model)
    assert [taken(teacher, steps) for steps in (None, 5)] == [DEFAULT_STEPS, 5]


def test_without_its_base_it_is_refused(tiny_model, tmp_path):
    folder = write(tmp_path / "student", changed(tiny_model))
    with pytest.raises(InputError, match="weights of model 'tiny' .*which is not here; get that"):
        FlowGenerator.load(folder)


def test_another_version_of_its_base_is_refused(own_tiny_model, tiny_model, tmp_path):
    folder = write(own_tiny_model.parent / "student", changed(tiny_model, sha256="0" * 64))
    with pytest.raises(InputError, match=r"SHA-256 0{16}\.\.\.\), the one in .* is another versi"):
        FlowGenerator.load(folder)


def test_an_adapter_is_no_base(tiny_model, tmp_path):
    middle = write(tmp_path / "middle", changed(tiny_model))
    adapter = {"base": "middle", "sha256": sha256(middle / "weights.safetensors")}
    folder = write(tmp_path / "student", changed(tiny_model, **adapter))
    with pytest.raises(InputError, match="middle: changes another model's weights itself"):
        FlowGenerator.load(folder)


def test_weights_of_another_rank_are_refused(tiny_model, tmp_path):
    shutil.copytree(tiny_model, tmp_path / "tiny")
    folder = write(tmp_path / "student", changed(tiny_model, rank=3))
    about = json.loads((folder / "config.json").read_text())
    about["config"]["adapter"]["rank"] = 2
    (folder / "config.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="these weights do not fit this network"):
        FlowGenerator.load(folder)
