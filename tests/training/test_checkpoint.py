"""Checkpoints: everything comes back bit for bit, and a damaged one is one line."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from cmr_synth.errors import InputError
from cmr_synth.networks.weights import state_of
from cmr_synth.training.average import Average, ramped
from cmr_synth.training.checkpoint import (
    forget_previous,
    load_checkpoint,
    restore_previous,
    save_checkpoint,
)
from cmr_synth.training.recipe import Augmentation, Recipe


def parts(seed, width=3):
    """A network with a buffer, its average, and an optimizer that has taken a step."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    network(torch.randn(4, 2)).square().mean().backward()
    optimizer.step()
    averages = {kind: Average({"a": network}, ramped(0.9)) for kind in ("average", "average-0.1")}
    for average in averages.values():
        average.states["a"] = {k: torch.randn_like(v) for k, v in average.states["a"].items()}
    return {
        "networks": {"a": network},
        "averages": averages,
        "optimizers": {"a": optimizer},
    }


@pytest.fixture
def checkpoint(tmp_path):
    """A written checkpoint."""
    save_checkpoint(tmp_path / "c", **parts(0), state={"images_seen": 8, "minutes": 0.5})
    return tmp_path / "c"


def test_everything_comes_back(checkpoint):
    written, read = parts(0), parts(1)
    assert load_checkpoint(checkpoint, **read) == {"images_seen": 8, "minutes": 0.5}
    pairs = [tuple(state_of(p["networks"]["a"]) for p in (written, read))]
    pairs += [
        (one.states["a"], read["averages"][kind].states["a"])
        for kind, one in written["averages"].items()
    ]
    assert len(pairs) == 3
    for own, theirs in pairs:
        assert own.keys() == theirs.keys()
        for key, value in own.items():
            torch.testing.assert_close(theirs[key], value, rtol=0, atol=0)
    moments = [p["optimizers"]["a"].state_dict()["state"] for p in (written, read)]
    for i, state in moments[0].items():
        for key, value in state.items():
            torch.testing.assert_close(moments[1][i][key], value, rtol=0, atol=0)


def test_no_pickle_is_written(checkpoint):
    assert sorted(p.name for p in checkpoint.iterdir()) == ["state.json", "state.safetensors"]
    assert json.loads((checkpoint / "state.json").read_text())["images_seen"] == 8


def without(*prefixes):
    """Damage: tensors left out of a checkpoint that does not tell their number."""

    def damage(folder):
        kept = load_file(folder / "state.safetensors")
        kept = {k: v for k, v in kept.items() if not k.startswith(prefixes)}
        save_file(kept, folder / "state.safetensors")
        state = json.loads((folder / "state.json").read_text())
        del state["tensors"]
        (folder / "state.json").write_text(json.dumps(state))

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        without("average/"),
        without("average/a/0.weight"),
        without("optimizer/"),
        without("optimizer/a/0/exp_avg"),
        lambda c: (c / "state.json").write_text("{}"),
        lambda c: (c / "state.json").write_text("[]"),
        lambda c: (c / "state.json").write_text('{"images_seen": null, "minutes": 1}'),
    ],
    ids=["averages", "an average", "moments", "a moment", "no state", "a list", "no number"],
)
def test_a_checkpoint_that_lacks_something_is_one_line(damage, checkpoint):
    damage(checkpoint)
    with pytest.raises(InputError, match="this checkpoint cannot be resumed") as caught:
        load_checkpoint(checkpoint, **parts(1))
    assert "\n" not in str(caught.value)


def test_a_tensor_too_few_is_noticed(checkpoint):
    kept = load_file(checkpoint / "state.safetensors")
    save_file(
        {k: v for k, v in kept.items() if not k.startswith("optimizer/a/0/")},
        checkpoint / "state.safetensors",
    )
    with pytest.raises(InputError, match="is not the one that state.json was written with"):
        load_checkpoint(checkpoint, **parts(1))


def test_numbers_that_are_none_leave_the_older_one(checkpoint):
    ruined = parts(2)
    ruined["averages"]["average"].states["a"]["0.weight"][0, 0] = float("nan")
    with pytest.raises(InputError, match="'average/a/0.weight' holds NaN .*lower learning rate"):
        save_checkpoint(checkpoint, **ruined, state={"images_seen": 16, "minutes": 1})
    assert load_checkpoint(checkpoint, **parts(1))["images_seen"] == 8


RECIPE = Recipe(name="a", family="a", images=8, model={"channels": (8, 8)})


@pytest.fixture
def with_recipe(tmp_path):
    state = {"images_seen": 8, "minutes": 1, "recipe": RECIPE.model_dump(mode="json")}
    save_checkpoint(tmp_path / "c", **parts(0), state=state)
    return tmp_path / "c"


@pytest.mark.parametrize(
    "change", [{}, {"images": 16}, {"checkpoint_minutes": 1.0}, {"sample_minutes": 1.0}], ids=str
)
def test_the_length_may_change(change, with_recipe):
    assert load_checkpoint(with_recipe, **parts(1), recipe=RECIPE.model_copy(update=change))


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"model": {"channels": (8, 4)}}, {"augmentation": Augmentation(gamma=0.5)}],
    ids=str,
)
def test_another_recipe_is_one_line(change, with_recipe):
    (field,) = change
    with pytest.raises(InputError, match=f"cannot be resumed .*field '{field}' of the recipe was"):
        load_checkpoint(with_recipe, **parts(1), recipe=RECIPE.model_copy(update=change))


def test_a_checkpoint_from_before_recipes_were_kept_is_resumed(checkpoint):
    assert load_checkpoint(checkpoint, **parts(1), recipe=RECIPE)["images_seen"] == 8


def test_a_newer_one_replaces_it(checkpoint):
    save_checkpoint(checkpoint, **parts(2), state={"images_seen": 16, "minutes": 1})
    assert load_checkpoint(checkpoint, **parts(1))["images_seen"] == 16
    assert [p.name for p in checkpoint.parent.iterdir()] == ["c"]


def truncate(folder):
    data = (folder / "state.safetensors").read_bytes()
    (folder / "state.safetensors").write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        lambda c: (c / "state.safetensors").write_bytes(b""),
        lambda c: (c / "state.safetensors").write_text("not tensors"),
        lambda c: (c / "state.safetensors").unlink(),
        lambda c: (c / "state.json").write_text("{"),
        lambda c: (c / "state.json").unlink(),
        shutil.rmtree,
    ],
    ids=["truncated", "empty", "text", "no tensors", "half a state", "no state", "no folder"],
)
def test_a_damaged_checkpoint_is_one_line(damage, checkpoint):
    damage(checkpoint)
    with pytest.raises(InputError, match="this checkpoint cannot be resumed") as caught:
        load_checkpoint(checkpoint, **parts(1))
    assert "\n" not in str(caught.value) and "--resume" in str(caught.value)


def test_another_networks_checkpoint_is_one_line(checkpoint):
    with pytest.raises(InputError, match=r"cannot be resumed \(these weights do not fit"):
        load_checkpoint(checkpoint, **parts(1, width=5))


def test_another_familys_checkpoint_names_both(with_recipe):
    other = RECIPE.model_copy(update={"name": "b", "family": "b"})
    with pytest.raises(InputError, match="it is of the family 'a' and the recipe is of 'b'"):
        load_checkpoint(with_recipe, **parts(1), recipe=other)


def test_the_one_before_is_kept_until_it_is_forgotten(checkpoint):
    save_checkpoint(checkpoint, **parts(2), state={"images_seen": 16, "minutes": 1}, keep=True)
    assert load_checkpoint(checkpoint, **parts(1))["images_seen"] == 16
    restore_previous(checkpoint)
    assert load_checkpoint(checkpoint, **parts(1))["images_seen"] == 8
    save_checkpoint(checkpoint, **parts(2), state={"images_seen": 16, "minutes": 1}, keep=True)
    forget_previous(checkpoint)
    restore_previous(checkpoint)  # nothing is there
    assert load_checkpoint(checkpoint, **parts(1))["images_seen"] == 16
    assert [p.name for p in checkpoint.parent.iterdir()] == ["c"]


def test_the_one_before_serves_if_the_new_one_never_took_its_place(checkpoint):
    save_checkpoint(checkpoint, **parts(2), state={"images_seen": 16, "minutes": 1}, keep=True)
    shutil.rmtree(checkpoint)
    assert load_checkpoint(checkpoint, **parts(1))["images_seen"] == 8


@pytest.fixture(params=["size of files", "file system"])
def small_disk(request, tmp_path):
    """A folder with room for one checkpoint of `parts` and not for two, nor for a wider one."""
    if request.param == "file system":
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=32k", "none", tmp_path], capture_output=True
        )
        if done.returncode:
            pytest.skip("only the administrator of a Linux machine can mount a small file system")
        yield tmp_path
        subprocess.run(["umount", tmp_path], check=True)
        return
    resource = pytest.importorskip("resource", reason="no such limit on Windows")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, before[1]))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("keep", [False, True])
def test_a_full_disk_keeps_the_earlier_one_and_says_what_is_needed(keep, small_disk):
    folder = small_disk / "c"
    save_checkpoint(folder, **parts(0), state={"images_seen": 8, "minutes": 1})
    large = parts(0, width=2000)
    with pytest.raises(InputError, match=r"a checkpoint needs 0\.\d MiB and \d+\.\d MiB") as caught:
        save_checkpoint(folder, **large, state={"images_seen": 16, "minutes": 1}, keep=keep)
    assert "\n" not in str(caught.value) and ".partial" not in str(caught.value)
    assert str(caught.value).startswith(f"{folder}: cannot be written, there is no room")
    assert "The earlier checkpoint there, of 8 images seen, is kept." in str(caught.value)
    assert [path.name for path in small_disk.iterdir()] == ["c"]
    assert load_checkpoint(folder, **parts(1))["images_seen"] == 8


def test_a_full_disk_without_an_earlier_one_leaves_nothing(small_disk):
    with pytest.raises(InputError, match=r"make room and continue with --resume\.$"):
        save_checkpoint(small_disk / "c", **parts(0, width=2000), state={"images_seen": 8})
    assert list(small_disk.iterdir()) == []
