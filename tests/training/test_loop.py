"""The loop: resumed equals uninterrupted, and processes share the work without changing it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.networks.weights import load_weights
from cmr_synth.training import keeper, loop
from cmr_synth.training.families.flow import FlowTask
from cmr_synth.training.families.segmenter import SegmenterTask
from cmr_synth.training.loop import Step, train
from tests.training.conftest import drawn_slices, recipe

SMALL_FLOW = {
    "channels": (16, 16), "attention": (False, True), "layers": 1, "head_width": 8, "groups": 8
}  # fmt: skip
ADVERSARIAL = {"weight": 0.1, "channels": 4, "layers": 1, "own_inputs": 0.5}
TASKS = {
    "two networks": (None, {}),
    "flow": (FlowTask, {"model": SMALL_FLOW}),
    "few-step flow": (
        FlowTask,
        {"model": SMALL_FLOW, "loss": {"adversarial": ADVERSARIAL}},
    ),
    "segmenter": (SegmenterTask, {"model": {"filters": (4, 8, 8)}}),
}


@pytest.fixture(params=sorted(TASKS))
def make(request, make_recipe, tiny_task):
    """`make(images=...)`: a fresh task of every family and its recipe."""
    family, fields = TASKS[request.param]

    def build(**more):
        of_recipe = make_recipe(batch_size=2, **{"images": 8, **fields, **more})
        return (family or tiny_task)(of_recipe), of_recipe

    return build


def tensors(out):
    return load_file(out / "checkpoint" / "state.safetensors")


def test_a_resumed_run_equals_an_uninterrupted_one(make, slices, tmp_path):
    task, recipe = make()
    steps = list(train(task, recipe, slices, tmp_path / "whole"))
    assert [s.images_seen for s in steps] == [2, 4, 6, 8]
    task, recipe = make()
    running = train(task, recipe, slices, tmp_path / "parts")
    next(running), next(running)
    running.close()  # cancelled: what is done is kept
    assert not (tmp_path / "parts" / "weights.safetensors").exists()
    task, recipe = make()
    rest = list(train(task, recipe, slices, tmp_path / "parts", resume=True))
    assert [s.images_seen for s in rest] == [6, 8]
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for key, value in whole.items():
        assert torch.equal(value, parts[key]), key
    weights = [(tmp_path / n / "weights.safetensors").read_bytes() for n in ("whole", "parts")]
    assert weights[0] == weights[1]


def test_training_changes_every_network(make, slices, tmp_path):
    task, recipe = make(images=4)
    before = {
        (name, key): value.detach().clone()
        for name, network in task.networks.items()
        for key, value in network.named_parameters()
    }
    list(train(task, recipe, slices, tmp_path))
    for name in task.networks:
        moved = [
            not torch.equal(value, before[name, key])
            for key, value in task.networks[name].named_parameters()
        ]
        assert np.mean(moved) > 0.5, name


def test_a_sheet_is_a_picture(make, slices):
    from cmr_synth.training.batches import Batches

    task, recipe = make()
    batch = Batches(slices, augmentation=recipe.augmentation, seed=0).batch(0, 2)
    with torch.no_grad():
        sheet = task.sheet(batch)
    assert sheet.ndim == 2 and np.isfinite(sheet).all()


@pytest.fixture
def run_tiny(make_recipe, tiny_task, slices, tmp_path):
    """Train the small task; the steps, and the tensors of its checkpoint."""

    def run(out="out", *, options=None, **fields):
        of_recipe = make_recipe(**fields)
        task = tiny_task(of_recipe)
        steps = list(train(task, of_recipe, slices, tmp_path / out, **(options or {})))
        return steps, tensors(tmp_path / out)

    return run


def test_it_learns(run_tiny):
    steps, _ = run_tiny(images=160, learning_rate=2e-2)
    assert steps[-1].share == pytest.approx(1, abs=0.05)
    assert steps[-2].losses["tiny"] < 0.5 * steps[0].losses["tiny"]


def test_the_same_twice(run_tiny):
    _, one = run_tiny("a")
    _, two = run_tiny("b")
    assert all(torch.equal(value, two[key]) for key, value in one.items())


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"learning_rate": 1e-3},
        {"final_learning_rate": 1.0},
        {"warmup_images": 0},
        {"weight_decay": 0.5},
        {"betas": (0.5, 0.9)},
        {"gradient_norm": 1e-4},
        {"batch_size": 8},
        {"cohorts": ("drawn",)},
    ],
    ids=str,
)
def test_every_option_changes_the_result(change, run_tiny):
    _, plain = run_tiny("plain")
    _, other = run_tiny("other", **change)
    key = "network/tiny/0.weight"
    assert not torch.equal(plain[key], other[key])


def test_the_average_lags_behind(run_tiny):
    _, quick = run_tiny("quick", ema=0.0)
    _, slow = run_tiny("slow", ema=0.9)
    network, average = "network/tiny/0.weight", "average/tiny/0.weight"
    assert torch.equal(quick[network], quick[average])
    assert torch.equal(slow[network], quick[network])
    assert not torch.equal(slow[network], slow[average])


def test_finished_weights_are_the_average(run_tiny, tmp_path):
    _, state = run_tiny()
    written = load_weights(tmp_path / "out" / "weights.safetensors")
    expected = state["average/tiny/0.weight"].half().float()
    torch.testing.assert_close(written["0.weight"], expected, rtol=0, atol=0)


def test_a_budget_in_minutes_ends_the_run(run_tiny):
    steps, _ = run_tiny(images=10**9, options={"minutes": 0.01})
    assert 0 < len(steps) < 10**4
    assert steps[-1].minutes < 0.5


def test_a_finished_run_resumed_does_nothing_more(run_tiny):
    _, before = run_tiny()
    steps, after = run_tiny(options={"resume": True})
    assert steps == []
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_steps_count_up(run_tiny):
    steps, _ = run_tiny()
    assert all(isinstance(step, Step) for step in steps)
    assert [s.images_seen for s in steps] == [4, 8, 12, 16]
    assert all(set(s.losses) == {"tiny", "judge"} for s in steps)
    assert [s.minutes for s in steps] == sorted(s.minutes for s in steps)


def test_log_and_samples_are_written(run_tiny, tmp_path):
    run_tiny(images=100, sample_minutes=1e-6, checkpoint_minutes=1e-6)
    assert list((tmp_path / "out" / "log").glob("events*"))
    assert (tmp_path / "out" / "samples" / "00000004.png").stat().st_size > 0


def test_sheets_do_not_change_the_result(run_tiny):
    """Drawing one swaps the average in and puts the network in evaluation mode."""
    _, plain = run_tiny("plain")
    _, drawn = run_tiny("drawn", sample_minutes=1e-6)
    assert all(torch.equal(value, drawn[key]) for key, value in plain.items())


def test_nothing_to_resume_is_one_line(run_tiny):
    with pytest.raises(InputError, match="this checkpoint cannot be resumed"):
        run_tiny(options={"resume": True})


def stopped_inside(task, step):
    """Make the task fail at a step after its first network was updated."""
    losses, calls = task.losses, []

    def failing(batch):
        calls.append(batch)
        for k, loss in enumerate(losses(batch)):
            if len(calls) == step and k == 1:
                raise KeyboardInterrupt
            yield loss

    task.losses = failing


def test_an_interrupt_within_a_step_leaves_the_last_whole_one(
    make_recipe, tiny_task, slices, tmp_path
):
    recipe = make_recipe(checkpoint_minutes=1e-9)  # after every step
    task = tiny_task(recipe)
    stopped_inside(task, 3)
    with pytest.raises(KeyboardInterrupt):
        list(train(task, recipe, slices, tmp_path / "cut"))
    state = json.loads((tmp_path / "cut" / "checkpoint" / "state.json").read_text())
    assert state["images_seen"] == 8
    list(train(tiny_task(recipe), recipe, slices, tmp_path / "cut", resume=True))
    list(train(tiny_task(recipe), recipe, slices, tmp_path / "whole"))
    whole = tensors(tmp_path / "whole")
    assert all(torch.equal(v, whole[k]) for k, v in tensors(tmp_path / "cut").items())


def test_an_interrupt_within_the_first_step_leaves_nothing(
    make_recipe, tiny_task, slices, tmp_path
):
    task = tiny_task(make_recipe())
    stopped_inside(task, 1)
    with pytest.raises(KeyboardInterrupt):
        list(train(task, make_recipe(), slices, tmp_path / "out"))
    assert not (tmp_path / "out" / "checkpoint").exists()


def test_a_loss_that_is_no_number_stops_the_training(make_recipe, tiny_task, slices, tmp_path):
    recipe = make_recipe(checkpoint_minutes=1e-9)
    task = tiny_task(recipe)
    running = train(task, recipe, slices, tmp_path / "out")
    next(running), next(running)
    losses = task.losses
    task.losses = lambda batch: ((name, loss * float("nan")) for name, loss in losses(batch))
    with pytest.raises(InputError, match=r"step 3: the loss of 'tiny' is nan .*learning rate"):
        next(running)
    kept = tensors(tmp_path / "out")
    assert all(torch.isfinite(value).all() for value in kept.values())
    state = json.loads((tmp_path / "out" / "checkpoint" / "state.json").read_text())
    assert state["images_seen"] == 8


def test_losses_are_reported_at_every_step(run_tiny):
    steps, _ = run_tiny(images=41 * 2, batch_size=2)
    assert len(steps) == 41
    assert all(set(step.losses) == {"tiny", "judge"} for step in steps)


def test_precisions_may_follow_one_another(run_tiny):
    _, one = run_tiny("one", precision="fp32")
    _, two = run_tiny("two", precision="bf16")
    _, three = run_tiny("three", precision="fp32")
    key = "optimizer/tiny/0/exp_avg"
    assert torch.equal(one[key], three[key]) and not torch.equal(one[key], two[key])


@pytest.mark.parametrize("minutes", [0, -1.0, float("nan")])
def test_no_time_is_one_line(minutes, run_tiny):
    with pytest.raises(InputError, match="minutes: .* given; a training needs more than 0"):
        run_tiny(options={"minutes": minutes})


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_file_in_the_way_is_one_line(out, run_tiny, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match="cannot be made a folder"):
        run_tiny(out)
    assert (tmp_path / "file").read_text() == "kept"


def test_something_else_called_checkpoint_is_one_line(run_tiny, tmp_path):
    (tmp_path / "out" / "checkpoint").mkdir(parents=True)
    (tmp_path / "out" / "checkpoint" / "mine").write_text("kept")
    with pytest.raises(InputError, match="holds other files"):
        run_tiny()


def test_another_recipe_is_not_resumed(run_tiny):
    run_tiny(images=4)
    with pytest.raises(InputError, match="field 'learning_rate' of the recipe was 0.0004"):
        run_tiny(options={"resume": True}, learning_rate=1e-3)
    steps, _ = run_tiny(options={"resume": True}, images=8)
    assert [step.images_seen for step in steps] == [8]


def test_a_word_the_network_does_not_know_is_one_line(slices, make_recipe, tmp_path):
    rows = tuple(replace(row, vendor=row.vendor and "toshiba") for row in slices.rows)
    strange = SliceSet(slices.images, slices.labels, slices.covered, rows, slices.about)
    recipe = make_recipe(model=SMALL_FLOW)
    with pytest.raises(InputError, match=r"vendor 'toshiba' of other p0: the network knows siem"):
        list(train(FlowTask(recipe), recipe, strange, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("family", "fields", "message"),
    [
        (FlowTask, {"model": {"chanels": [8]}}, "'model.chanels': .*; known fields are shape,"),
        (FlowTask, {"model": {"channels": [32, 64]}}, "'model': channels has 2 levels"),
        (FlowTask, {"loss": {"drop_z": 1.5}}, "'loss.drop_z': .*less than or equal to 1"),
        (FlowTask, {"loss": {"drop_mask": -0.1}}, "'loss.drop_mask'"),
        (FlowTask, {"loss": {"adversarial": {"steps": 0}}}, "'loss.adversarial.steps'"),
        (SegmenterTask, {"model": {"filters": "many"}}, "'model.filters'"),
        (SegmenterTask, {"model": {"filters": [8]}}, "'model.filters': .*at least 3"),
        (SegmenterTask, {"loss": {"dices": 1}}, "'loss.dices': .*known fields are partial"),
        (SegmenterTask, {"loss": {"dice": 1}}, "'loss.dice': Input should be 'picture' or 'batch'"),
    ],
)
def test_wrong_settings_of_a_family_are_one_line(family, fields, message, make_recipe):
    with pytest.raises(InputError, match=f"recipe 'tiny': field {message}") as caught:
        family(make_recipe(**fields))
    assert "\n" not in str(caught.value)


WORKER = """
import runpy, sys
from pathlib import Path
from accelerate import PartialState
from cmr_synth.training.loop import train

own = runpy.run_path(sys.argv[1])
recipe = own["recipe"](images=12, batch_size=int(sys.argv[4]), learning_rate=1e-2)
task = own["TinyTask"](recipe)
task.networks["tiny"][1] = own["nn"].Identity()  # a batch norm sees its process's share only
list(train(task, recipe, own["drawn_slices"](), Path(sys.argv[2])))
assert PartialState().num_processes == int(sys.argv[3])
"""


def in_processes(count, out, batch_size=4):
    """Train the small task in so many processes over gloo; how each of them ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    conftest = Path(__file__).with_name("conftest.py")
    running = []
    for rank in range(count):
        own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port}
        environment = {
            **os.environ,
            "ACCELERATE_USE_CPU": "true",
            "MASTER_ADDR": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
            **({k: str(v) for k, v in own.items()} if count > 1 else {}),
        }
        command = [sys.executable, "-c", WORKER, str(conftest), str(out), str(count)]
        command.append(str(batch_size))
        running.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    return [(process.communicate(timeout=240)[1], process.returncode) for process in running]


@pytest.mark.skipif(sys.platform == "win32", reason="gloo needs an extra library on Windows")
def test_two_processes_train_what_one_does(tmp_path):
    """The batch is dealt out; gradients are averaged, so that only rounding differs."""
    for count, name in ((1, "one"), (2, "two")):
        for errors, code in in_processes(count, tmp_path / name):
            assert code == 0, errors
    one, two = tensors(tmp_path / "one"), tensors(tmp_path / "two")
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-3, atol=1e-5, msg=key)


@pytest.mark.skipif(sys.platform == "win32", reason="gloo needs an extra library on Windows")
def test_a_batch_that_cannot_be_dealt_evenly_is_refused(tmp_path):
    for errors, code in in_processes(2, tmp_path / "out", batch_size=3):
        assert code != 0
        assert "InputError: field 'batch_size': 3 images cannot be dealt to 2" in errors


def ruined_from(task, step):
    """Make the loss of the first network no number from a step on."""
    losses, calls = task.losses, []

    def failing(batch):
        calls.append(batch)
        for name, loss in losses(batch):
            yield name, loss * (float("nan") if len(calls) >= step else 1.0)

    task.losses = failing


def test_a_ruined_checkpoint_gives_way_to_the_one_before(
    make_recipe, tiny_task, slices, tmp_path, monkeypatch
):
    """Weights may be finite and the next losses not: a checkpoint is good when steps follow it."""
    monkeypatch.setattr(keeper, "PROOF_STEPS", 3)
    recipe = make_recipe(images=400, checkpoint_minutes=1e9)
    task = tiny_task(recipe)
    ruined_from(task, 7)
    running = train(task, recipe, slices, tmp_path / "out")
    state = tmp_path / "out" / "checkpoint" / "state.json"
    last = loop.time.monotonic()
    clock = [last]
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    for step in range(1, 7):
        if step in (2, 6):  # a checkpoint is due after steps 1 and 5
            clock[0] += 1e12
        next(running)
    with pytest.raises(InputError) as caught:
        next(running)
    assert "step 7: the loss of 'tiny' is nan" in str(caught.value)
    assert f"checkpoint, of 8 images seen, is kept in {state.parent}; go on" in str(caught.value)
    assert json.loads(state.read_text())["images_seen"] == 8
    assert [path.name for path in state.parents[1].glob(".*")] == []


def test_after_a_loss_that_is_no_number_the_rate_may_be_lowered(
    make_recipe, tiny_task, slices, tmp_path
):
    recipe = make_recipe(checkpoint_minutes=1e-9)
    task = tiny_task(recipe)
    ruined_from(task, 3)
    with pytest.raises(InputError, match=r"of 8 images seen, is kept .* --resume and a learning"):
        list(train(task, recipe, slices, tmp_path / "out"))
    for rate, allowed in ((1e-3, False), (1e-5, True)):
        other = make_recipe(learning_rate=rate)
        running = train(tiny_task(other), other, slices, tmp_path / "out", resume=True)
        if allowed:
            assert [step.images_seen for step in running] == [12, 16]
        else:
            with pytest.raises(InputError, match="field 'learning_rate' of the recipe was"):
                next(running)
    with pytest.raises(InputError, match="field 'learning_rate' of the recipe was 1e-05"):
        run = make_recipe(learning_rate=1e-6)  # that was for once
        next(train(tiny_task(run), run, slices, tmp_path / "out", resume=True))


def test_a_first_loss_that_is_no_number_says_that_there_is_no_checkpoint(
    make_recipe, tiny_task, slices, tmp_path
):
    task = tiny_task(make_recipe())
    ruined_from(task, 1)
    with pytest.raises(InputError, match="no checkpoint yet; start again with a learning rate"):
        list(train(task, make_recipe(), slices, tmp_path / "out"))
    assert not (tmp_path / "out" / "checkpoint").exists()


def test_one_that_is_asked_to_stop_does_so_after_the_step_and_is_resumed(
    make_recipe, tiny_task, slices, run_tiny, tmp_path
):
    asked = []
    recipe = make_recipe()
    running = train(
        tiny_task(recipe), recipe, slices, tmp_path / "parts", asked=lambda: bool(asked)
    )
    next(running), asked.append(True)
    with pytest.raises(loop.Stopped):  # noqa: PT011 - it carries no message
        next(running)
    _, parts = run_tiny("parts", options={"resume": True})
    _, whole = run_tiny("whole")
    assert all(torch.equal(value, parts[key]) for key, value in whole.items())


LIMITED = """
import resource, runpy, sys
from pathlib import Path
from cmr_synth.training.loop import train

own = runpy.run_path(sys.argv[1])
slices = own["drawn_slices"]()
def run(size, out):
    recipe = own["recipe"](images=2 * size, batch_size=size)
    list(train(own["TinyTask"](recipe), recipe, slices, Path(sys.argv[2]) / out))
run(1, "warm")  # so that everything is loaded that is going to be
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200 * 2**20,) * 2)
run(int(sys.argv[3]), "out")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_out_of_memory_says_which_batch_size_fits_and_it_does(tmp_path):
    def run(size):
        conftest = Path(__file__).with_name("conftest.py")
        return subprocess.run(
            [sys.executable, "-c", LIMITED, str(conftest), str(tmp_path / str(size)), str(size)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=240,
        )

    line = run(512).stderr.splitlines()[-1]
    assert "field 'batch_size': 512 images a step do not fit into memory; " in line
    fits = int(line.rpartition(" ")[2].rstrip("."))
    assert 1 <= fits < 512 and line.endswith(f"{fits} do: start again with batch_size: {fits}.")
    assert not (tmp_path / "512" / "out" / "checkpoint").exists()
    done = run(fits)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / str(fits) / "out" / "weights.safetensors").is_file()


def test_slices_of_another_grid_than_the_network_s_are_refused(tmp_path):
    for model, message in (
        ({**SMALL_FLOW, "spacing_mm": 0.75}, "pixels of 0.75 mm.*slices are 128 x 128 of 1.5 mm"),
        ({**SMALL_FLOW, "shape": [256, 256]}, "works on 256 x 256 pixels"),
    ):
        task = FlowTask(recipe(family="flow", model=model))
        with pytest.raises(InputError, match=message):
            next(train(task, task.recipe, drawn_slices(), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_fine_grid_trains_and_samples(tmp_path):
    """256 x 256 at 0.75 mm, end to end."""
    from cmr_synth.generators.flow.generator import FlowGenerator
    from cmr_synth.generators.interface import Condition, Images

    coarse = drawn_slices(4)
    fine = replace(
        coarse,
        **{
            name: np.kron(getattr(coarse, name), np.ones((1, 2, 2), np.uint8))
            for name in ("images", "labels", "covered")
        },
        about={"spacing_mm": 0.75, "networks_shape": [256, 256]},
    )
    model = {**SMALL_FLOW, "shape": [256, 256], "spacing_mm": 0.75}
    task = FlowTask(recipe(family="flow", images=4, model=model))
    assert list(train(task, task.recipe, fine, tmp_path / "run"))[-1].images_seen == 4
    generator = FlowGenerator.load(tmp_path / "run")
    _, labels = fine.crop(np.array([0]))
    *_, made = generator.sample([Condition(mask=labels[0])], seed=0, steps=1)
    assert isinstance(made, Images) and made.pixels.shape == (1, 256, 256)
