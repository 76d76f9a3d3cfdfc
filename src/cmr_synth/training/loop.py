"""The one training loop: every family brings its networks and its losses, one value an image."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.errors import InputError
from cmr_synth.files import require_replaceable, write_file
from cmr_synth.networks.weights import set_state, state_of
from cmr_synth.training.batches import Batch, Batches
from cmr_synth.training.checkpoint import (
    STATE,
    forget_previous,
    load_checkpoint,
    mark_diverged,
    restore_previous,
    save_checkpoint,
)
from cmr_synth.training.memory import is_out_of_memory, largest_that_fits
from cmr_synth.training.private import PrivateTraining, write_facts
from cmr_synth.training.recipe import Recipe

PROOF_STEPS = 20  # with finite losses after which a checkpoint counts as good


class Task(Protocol):
    """What a family gives to the loop.

    `networks` are trained; their keys name them in logs and checkpoints. `losses` yields, in
    order, the name of a network to update and its loss for every image of the batch; the loop
    steps that network before it asks for the next loss. `words` are the conditions that the
    networks know, such as {"vendor": ("siemens", "ge")}; empty if they take none.
    """

    networks: dict[str, nn.Module]
    rates: dict[str, float]  # factor on the recipe's learning rate, by network
    words: Mapping[str, Sequence[str]]

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]: ...

    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """A picture of what the networks make of a batch, (rows, columns) in [0, 1]."""
        ...

    def save(self, folder: Path, *, images_seen: int, minutes: float) -> None:
        """Write the finished model, with the averaged weights already in `networks`."""
        ...


@dataclass(frozen=True)
class Step:
    """Progress of a run."""

    images_seen: int
    share: float  # of the whole run, 0 to 1
    minutes: float  # spent, earlier runs of a resumed training included
    losses: dict[str, float]  # averaged over the last 20 steps at most


class Stopped(Exception):
    """The training was asked to stop, and can be resumed from its checkpoint."""


def train(
    task: Task,
    recipe: Recipe,
    slices: SliceSet,
    out: Path,
    *,
    minutes: float | None = None,
    resume: bool = False,
    asked: Callable[[], bool] = lambda: False,
) -> Iterator[Step]:
    """Train the networks of `task`; yields after every step, so that a caller can stop it.

    Parameters
    ----------
    out : Path
        Folder for `checkpoint/`, `log/` (TensorBoard) and `samples/`.
    minutes : float, optional
        Budget of the whole training, earlier parts of a resumed one included.
    resume : bool
        Continue from `out/checkpoint`. The result equals that of an uninterrupted run as long
        as the length is counted in images; with a budget in minutes the schedule follows time.
    asked : callable
        Whether to stop after the step at hand; if any process is asked, all of them stop there.

    Raises
    ------
    Stopped
        If it was asked to; the checkpoint is that of the last step.
    InputError
        If recipe, slices or folder do not do, the loss is no longer finite, memory runs out or
        the disk is full. The checkpoint is that of the last whole step that was kept.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from torch.utils.tensorboard import SummaryWriter

    if minutes is not None and not minutes > 0:
        raise InputError(f"minutes: {minutes:g} given; a training needs more than 0.")
    batches = Batches(
        slices, augmentation=recipe.augmentation, seed=recipe.seed, cohorts=recipe.cohorts
    )
    _require_known(task.words, (slices.rows[i] for i in batches.index))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{out}: cannot be made a folder ({error.strerror}); choose another."
        ) from error
    require_replaceable(out / "checkpoint", STATE)

    AcceleratorState._reset_state()  # of an earlier training at another precision
    accelerator = Accelerator(mixed_precision=_precision(recipe.precision))
    ranks, rank = accelerator.num_processes, accelerator.process_index
    if recipe.batch_size % ranks:
        raise InputError(
            f"field 'batch_size': {recipe.batch_size} images cannot be dealt to {ranks} processes "
            f"evenly; choose a multiple of {ranks}."
        )
    own = recipe.batch_size // ranks

    optimizers: dict[str, Any] = {}
    for name, network in task.networks.items():
        network.to(accelerator.device)
        # faster convolutions; torch's annotations do not know this overload
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizers[name] = torch.optim.AdamW(
            network.parameters(),
            lr=recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )
    private = None
    if recipe.privacy is not None:
        if ranks > 1:
            raise InputError(
                f"recipe {recipe.name!r}: field 'privacy': {ranks} processes; train it in one."
            )
        private = PrivateTraining(task, recipe, batches)
    plain = dict(task.networks)
    averages = {
        name: {k: v.detach().clone().float() for k, v in state_of(network).items()}
        for name, network in plain.items()
    }
    seen, spent = 0, 0.0
    if resume:
        state = load_checkpoint(
            out / "checkpoint",
            networks=plain,
            averages=averages,
            optimizers=optimizers,
            recipe=recipe,
        )
        seen, spent = state["images_seen"], state["minutes"]
        if private is not None:
            private.restore(state.get("privacy"))
    for name in plain:
        if private is not None:
            optimizers[name] = private.wrap(optimizers[name])
            continue
        task.networks[name], optimizers[name] = accelerator.prepare(plain[name], optimizers[name])

    # losses and pictures of patients are nothing that an account covers
    logged = accelerator.is_main_process and private is None
    log = SummaryWriter(str(out / "log")) if logged else None
    start = last_checkpoint = last_sheet = time.monotonic()
    sums: dict[str, list[float]] = {}
    whole = True  # networks, averages and `seen` are those of the same step
    proof = PROOF_STEPS  # steps since the last checkpoint
    memory_error: Exception | None = None
    batch: Batch | None = None

    def checkpoint(now: float) -> None:
        nonlocal whole, proof
        whole = False  # in vain once is enough
        if accelerator.is_main_process:
            save_checkpoint(
                out / "checkpoint",
                networks=plain,
                averages=averages,
                optimizers=optimizers,
                state={
                    "images_seen": seen,
                    "minutes": spent + (now - start) / 60,
                    "recipe": recipe.model_dump(mode="json"),
                    **({} if private is None else {"privacy": private.state()}),
                },
                keep=proof >= PROOF_STEPS,
            )
        whole, proof = True, 0

    def diverged(what: str) -> InputError:
        if accelerator.is_main_process:
            restore_previous(out / "checkpoint")  # else none was put aside: this one is good
        accelerator.wait_for_everyone()
        kept = mark_diverged(out / "checkpoint") if accelerator.is_main_process else None
        there = "there is no checkpoint yet; start again with"
        if kept is not None:
            there = (
                f"the last good checkpoint, of {kept} images seen, is kept in "
                f"{out / 'checkpoint'}; go on from it with --resume and"
            )
        return InputError(f"{what}; {there} a learning rate lower than {recipe.learning_rate:g}.")

    try:
        while True:
            elapsed = spent + (time.monotonic() - start) / 60
            share = seen / recipe.images
            if minutes is not None:
                share = max(share, elapsed / minutes)
            over, stopped = _any_process(accelerator, share >= 1, asked())
            if over:
                break
            if stopped:
                checkpoint(time.monotonic())
                whole = False  # written
                accelerator.wait_for_everyone()  # the first to leave has the others ended
                raise Stopped
            rate = recipe.learning_rate * _schedule(seen, share, recipe)
            whole = False
            with accelerator.autocast():
                if private is None:
                    batch = batches.batch(seen + rank * own, own).to(accelerator.device)
                    losses_of_step = task.losses(batch)
                else:
                    losses_of_step = private.losses(task, accelerator.device)
                for name, per_image in losses_of_step:
                    optimizer = optimizers[name]
                    for group in optimizer.param_groups:
                        group["lr"] = rate * task.rates[name]
                    if private is None:
                        optimizer.zero_grad(set_to_none=True)
                        accelerator.backward(per_image.mean())
                        norm = accelerator.clip_grad_norm_(
                            plain[name].parameters(), recipe.gradient_norm
                        )
                    else:
                        norm = private.norm  # clipped patient by patient
                    loss = float(per_image.detach().mean())
                    finite = math.isfinite(loss) and math.isfinite(norm)
                    if any(_any_process(accelerator, not finite)):
                        raise diverged(
                            f"step {seen // recipe.batch_size + 1}: the loss of {name!r} is "
                            f"{loss:g} and its gradient {float(norm):g}"
                        )
                    # private steps clip and sum gradients, which half precision would round
                    with torch.autocast(accelerator.device.type, enabled=False):
                        optimizer.step()
                    _average(averages[name], plain[name], recipe.ema, seen // recipe.batch_size)
                    sums.setdefault(name, []).append(loss)
            seen += recipe.batch_size
            whole = True
            proof += 1
            if proof == PROOF_STEPS and accelerator.is_main_process:
                forget_previous(out / "checkpoint")
            now = time.monotonic()
            losses = {name: float(np.mean(values)) for name, values in sums.items()}
            if len(next(iter(sums.values()))) >= 20:
                sums.clear()
                if log is not None:
                    for name, loss in losses.items():
                        log.add_scalar(f"loss/{name}", loss, seen)
                    log.add_scalar("learning_rate", rate, seen)
            yield Step(
                images_seen=seen,
                share=min(share, 1.0),
                minutes=spent + (now - start) / 60,
                losses=losses,
            )
            if now - last_checkpoint > 60 * recipe.checkpoint_minutes:
                checkpoint(now)
                last_checkpoint = now
            if log is not None and now - last_sheet > 60 * recipe.sample_minutes:
                whole = False
                with _averaged(plain, averages):
                    _write_sheet(task, batches, log, out, seen)
                whole = True
                last_sheet = now
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        memory_error = error.with_traceback(None)  # which holds the tensors that did not fit
        whole = whole and seen > 0  # nothing to keep before the first step
    finally:  # a cancelled run can be resumed, from the last checkpoint if cut short in a step
        if whole:
            checkpoint(time.monotonic())
        if accelerator.is_main_process:
            forget_previous(out / "checkpoint")
        if log is not None:
            with suppress(OSError):  # a full disk; what else failed matters more
                log.close()
    if memory_error is not None:
        batch = None
        fits = ranks * largest_that_fits(
            task,
            plain,
            optimizers,
            lambda count: batches.batch(seen + rank * own, count).to(accelerator.device),
            own,
        )
        raise InputError(_too_large(recipe, fits)) from memory_error
    if accelerator.is_main_process:
        task.networks.update(plain)
        with _averaged(plain, averages):
            task.save(out, images_seen=seen, minutes=spent + (time.monotonic() - start) / 60)
        if private is not None:
            write_facts(out, private.facts())


def _too_large(recipe: Recipe, fits: int) -> str:
    what = f"field 'batch_size': {recipe.batch_size} images a step do not fit into memory"
    if not fits:
        return f"{what}, and not even one does; choose a smaller model, or a larger machine."
    return f"{what}; {fits} do: start again with batch_size: {fits}."


def _require_known(words: Mapping[str, Sequence[str]], rows: Iterable[SliceRow]) -> None:
    for row in rows:
        for name, known in words.items():
            word = getattr(row, name)
            if word and word not in known:
                raise InputError(
                    f"{name} {word!r} of {row.cohort} {row.patient}: the network knows "
                    f"{', '.join(known)}; leave the cohort out or add the word to the "
                    "recipe's model."
                )


def _any_process(accelerator: Any, *wanted: bool) -> list[bool]:
    """What any process wants: a budget in minutes, or Ctrl-C, must end all of them at one step."""
    if accelerator.num_processes == 1:
        return list(wanted)
    flags = torch.tensor([float(flag) for flag in wanted], device=accelerator.device)
    return [bool(n > 0) for n in accelerator.reduce(flags, reduction="sum").tolist()]


def _precision(wanted: str) -> str:
    """The autocast precision: bf16 only where it is computed natively, else it is far slower."""
    if wanted != "auto":
        return "no" if wanted == "fp32" else "bf16"
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return "bf16" if native else "no"


def _schedule(seen: int, share: float, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine to the final rate."""
    warm = min(1.0, (seen + recipe.batch_size) / max(recipe.warmup_images, 1))
    cosine = 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
    return warm * (recipe.final_learning_rate + (1 - recipe.final_learning_rate) * cosine)


@torch.no_grad()
def _average(average: dict[str, Tensor], network: nn.Module, decay: float, step: int) -> None:
    decay = min(decay, (1 + step) / (10 + step))
    state = state_of(network)
    moving = [key for key, value in state.items() if value.dtype.is_floating_point]
    # all tensors in one call: one at a time costs more than the arithmetic
    torch._foreach_lerp_(
        [average[key] for key in moving], [state[key].float() for key in moving], 1 - decay
    )
    for key in state.keys() - set(moving):
        average[key].copy_(state[key])


class _averaged:
    """Swap the moving averages into the networks for the length of a block."""

    def __init__(self, networks: dict[str, nn.Module], averages: dict[str, dict[str, Tensor]]):
        self.networks, self.averages = networks, averages

    def __enter__(self) -> None:
        self.kept = {
            name: {k: v.detach().clone() for k, v in state_of(network).items()}
            for name, network in self.networks.items()
        }
        for name, network in self.networks.items():
            set_state(network, self.averages[name])
            network.eval()

    def __exit__(self, *_: object) -> None:
        for name, network in self.networks.items():
            set_state(network, self.kept[name])
            network.train()


@torch.no_grad()
def _write_sheet(task: Task, batches: Batches, log: Any, out: Path, seen: int) -> None:
    from PIL import Image

    sheet = task.sheet(batches.batch(0, 8))
    (out / "samples").mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.uint8(np.clip(sheet, 0, 1) * 255))
    with write_file(out / "samples" / f"{seen:08d}.png") as temporary:
        picture.save(temporary)
    log.add_image("samples", sheet[None], seen)
