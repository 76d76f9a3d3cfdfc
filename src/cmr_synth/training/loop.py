"""The one training loop: every family brings its networks and its losses, one value an image."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.errors import InputError
from cmr_synth.files import require_replaceable
from cmr_synth.generators.weights import set_state, state_of
from cmr_synth.training.batches import Batch, Batches
from cmr_synth.training.checkpoint import STATE, load_checkpoint, save_checkpoint
from cmr_synth.training.recipe import Recipe


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


def train(
    task: Task,
    recipe: Recipe,
    slices: SliceSet,
    out: Path,
    *,
    minutes: float | None = None,
    resume: bool = False,
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

    Raises
    ------
    InputError
        If recipe, slices or folder do not do, or the loss is no longer finite. The checkpoint
        is that of the last whole step that was kept.
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
    for name in plain:
        task.networks[name], optimizers[name] = accelerator.prepare(plain[name], optimizers[name])

    log = SummaryWriter(str(out / "log")) if accelerator.is_main_process else None
    start = last_checkpoint = last_sheet = time.monotonic()
    sums: dict[str, list[float]] = {}
    whole = True  # networks, averages and `seen` are those of the same step

    def checkpoint(now: float) -> None:
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
                },
            )

    try:
        while True:
            elapsed = spent + (time.monotonic() - start) / 60
            share = seen / recipe.images
            if minutes is not None:
                share = max(share, elapsed / minutes)
            if _stop_together(accelerator, share >= 1):
                break
            batch = batches.batch(seen + rank * own, own)
            rate = recipe.learning_rate * _schedule(seen, share, recipe)
            whole = False
            with accelerator.autocast():
                for name, per_image in task.losses(_on(batch, accelerator.device)):
                    optimizer = optimizers[name]
                    for group in optimizer.param_groups:
                        group["lr"] = rate * task.rates[name]
                    optimizer.zero_grad(set_to_none=True)
                    accelerator.backward(per_image.mean())
                    norm = accelerator.clip_grad_norm_(
                        plain[name].parameters(), recipe.gradient_norm
                    )
                    loss = float(per_image.detach().mean())
                    # every process has the same gradient, so that all of them stop
                    if not (math.isfinite(loss) and math.isfinite(norm)):
                        raise InputError(
                            f"step {seen // recipe.batch_size + 1}: the loss of {name!r} is "
                            f"{loss:g} and its gradient {float(norm):g}; train with a learning "
                            f"rate lower than {recipe.learning_rate:g}."
                        )
                    optimizer.step()
                    _average(averages[name], plain[name], recipe.ema, seen // recipe.batch_size)
                    sums.setdefault(name, []).append(loss)
            seen += recipe.batch_size
            whole = True
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
    finally:  # a cancelled run can be resumed, from the last checkpoint if cut short in a step
        if whole:
            checkpoint(time.monotonic())
        if log is not None:
            log.close()
    if accelerator.is_main_process:
        task.networks.update(plain)
        with _averaged(plain, averages):
            task.save(out, images_seen=seen, minutes=spent + (time.monotonic() - start) / 60)


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


def _stop_together(accelerator: Any, wanted: bool) -> bool:
    """Whether any process wants to stop: a budget in minutes must end all of them at one step."""
    if accelerator.num_processes == 1:
        return wanted
    flag = torch.tensor([float(wanted)], device=accelerator.device)
    return bool(accelerator.reduce(flag, reduction="sum").item() > 0)


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
    for key, value in state_of(network).items():
        if value.dtype.is_floating_point:
            average[key].lerp_(value.float(), 1 - decay)
        else:
            average[key].copy_(value)


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


def _on(batch: Batch, device: torch.device) -> Batch:
    return Batch(
        batch.images.to(device),
        batch.labels.to(device),
        batch.covered.to(device),
        batch.conditions,
        batch.draws,
    )


@torch.no_grad()
def _write_sheet(task: Task, batches: Batches, log: Any, out: Path, seen: int) -> None:
    from PIL import Image

    sheet = task.sheet(batches.batch(0, 8))
    (out / "samples").mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.uint8(np.clip(sheet, 0, 1) * 255))
    picture.save(out / "samples" / f"{seen:08d}.png")
    log.add_image("samples", sheet[None], seen)
