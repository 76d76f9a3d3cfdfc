"""The one training loop: every family brings its networks and its losses, one value an image."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.errors import InputError
from cmr_synth.files import require_replaceable
from cmr_synth.training.ahead import workers_for
from cmr_synth.training.batches import Batches
from cmr_synth.training.checkpoint import STATE
from cmr_synth.training.journal import Journal
from cmr_synth.training.keeper import Keeper
from cmr_synth.training.memory import is_out_of_memory, largest_that_fits
from cmr_synth.training.parallel import Parallel
from cmr_synth.training.posthoc import FOLDER, Copies, Finished
from cmr_synth.training.private import write_facts
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.step import NotFinite, Stepper
from cmr_synth.training.task import Task


@dataclass(frozen=True)
class Step:
    """Progress of a run."""

    images_seen: int
    share: float  # of the whole run, 0 to 1
    minutes: float  # spent, earlier runs of a resumed training included
    losses: dict[str, float]  # averaged over the last 20 steps at most
    averaged: Callable[[], AbstractContextManager[None]]  # has the averages in the task's networks


class Stopped(Exception):
    """The training was asked to stop, and can be resumed from its checkpoint."""


def train(
    task: Task,
    recipe: Recipe,
    slices: SliceSet | Batches,
    out: Path,
    *,
    minutes: float | None = None,
    resume: bool = False,
    asked: Callable[[], bool] = lambda: False,
) -> Iterator[Step]:
    """Train the networks of `task`; yields after every step, so that a caller can stop it.

    Parameters
    ----------
    slices : SliceSet or Batches
        A set of which the recipe's cohorts and augmentation are taken, or batches of one's own.
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
    if minutes is not None and not minutes > 0:
        raise InputError(f"minutes: {minutes:g} given; a training needs more than 0.")
    if minutes is not None and recipe.privacy is not None:
        raise InputError(
            f"minutes: {minutes:g} given; how long a step takes depends on who takes part in it, "
            "so that the length of a private training is its images alone; leave minutes out."
        )
    batches = slices
    if isinstance(batches, SliceSet):
        batches = batches_of(task, recipe, batches)
    _require_grid(task, recipe, batches)
    finished = _finished_of(task, recipe)
    _require_known(task.words, (batches.slices.rows[i] for i in batches.index))
    if begin := getattr(task, "begin", None):
        begin(batches)
    _make_folder(out)
    parallel = Parallel(recipe)
    stepper = Stepper(task, recipe, batches, parallel)
    keeper = Keeper(out / "checkpoint", recipe, stepper, parallel)
    if resume:
        keeper.resume()
    stepper.prepare(keeper.images_seen, workers=workers_for(parallel.device, parallel.count))
    # losses and pictures of patients are nothing that an account covers
    logged = parallel.is_main and stepper.private is None
    journal = Journal(out, logged=logged, sample_minutes=recipe.sample_minutes)
    copies = Copies(out / FOLDER, stepper.averages, finished)
    if parallel.is_main:
        copies.start(keeper.images_seen, keeper.share(minutes))
    keeper.start_clock()
    memory_error: Exception | None = None
    try:
        while True:
            share = keeper.share(minutes)
            over, stopped = parallel.any(share >= 1, asked())
            if over:
                break
            if stopped:
                keeper.write(time.monotonic())
                keeper.leave()
                parallel.wait()  # the first to leave has the others ended
                raise Stopped
            rate = recipe.learning_rate * _schedule(keeper.images_seen, share, recipe)
            with keeper.changing():
                taken = stepper.take(keeper.images_seen, rate)
                keeper.count_step(recipe.batch_size)
            now = time.monotonic()
            yield Step(
                images_seen=keeper.images_seen,
                share=min(share, 1.0),
                minutes=keeper.minutes(now),
                losses=journal.add(taken, rate=rate, images_seen=keeper.images_seen),
                averaged=stepper.average.in_place,
            )
            keeper.write_if_due(now)
            if parallel.is_main and copies.due(done := keeper.share(minutes)):
                with keeper.changing():
                    copies.write(keeper.images_seen, done)
            if journal.wants_sheet(now):
                with keeper.changing(), stepper.average.in_place():
                    journal.add_sheet(task, batches, images_seen=keeper.images_seen, now=now)
    except NotFinite as error:
        raise keeper.diverged(str(error)) from None
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        memory_error = error.with_traceback(None)  # which holds the tensors that did not fit
        if not keeper.images_seen:
            keeper.leave()  # nothing to keep before the first step
    finally:  # a cancelled run can be resumed, from the last checkpoint if cut short in a step
        stepper.close()
        keeper.close()
        journal.close()
    if memory_error is not None:
        raise InputError(_too_large(recipe, stepper, keeper.images_seen)) from memory_error
    if parallel.is_main:
        stepper.release()
        if copies.due(1.0):  # a budget in minutes ends between two copies
            copies.write(keeper.images_seen, 1.0)
        with stepper.average.in_place():
            task.save(out, images_seen=keeper.images_seen, minutes=keeper.minutes())
        if stepper.private is not None:
            write_facts(out, stepper.private.facts())


def batches_of(task: Task, recipe: Recipe, slices: SliceSet) -> Batches:
    """What a task learns from, of a slice set.

    Raises
    ------
    InputError
        If there is nothing in it.
    """
    if of_its_own := getattr(task, "batches", None):
        made: Batches = of_its_own(slices)
        return made
    return Batches(
        slices,
        augmentation=recipe.augmentation,
        seed=recipe.seed,
        cohorts=recipe.cohorts,
        contrast=getattr(task, "contrast", "cine"),
        phenotypes=getattr(task, "phenotypes", ()),
        covariates=getattr(task, "covariates", ()),
        tissues=getattr(task, "tissues", ()),
    )


def _finished_of(task: Task, recipe: Recipe) -> Finished | None:
    """How a task tells its model's weights, if averages of these are to be kept."""
    if not recipe.averages:
        return None
    finished: Finished | None = getattr(task, "finished", None)
    try:
        if finished is not None:
            finished()
            return finished
    except NotImplementedError:
        pass
    raise InputError(
        f"recipe {recipe.name!r}: field 'averages': the family {recipe.family!r} does not say "
        "which weights are its model's; leave averages out."
    )


def _require_grid(task: Task, recipe: Recipe, batches: Batches) -> None:
    """Refuse slices of another grid than that which a network states in its configuration."""
    spacing = batches.slices.spacing
    for network in task.networks.values():
        config = getattr(network, "config", None)
        shape, pixel = (getattr(config, name, None) for name in ("shape", "spacing_mm"))
        if shape is None or pixel is None:
            continue
        if tuple(shape) != tuple(batches.shape) or abs(pixel - spacing) > 1e-3:
            of_set, of_network = (" x ".join(map(str, side)) for side in (batches.shape, shape))
            raise InputError(
                f"recipe {recipe.name!r}: its network works on {of_network} pixels of {pixel:g} "
                f"mm, and the slices are {of_set} of {spacing:g} mm; prepare them with `cohort "
                f"prepare --shape {shape[0]} {shape[1]} --spacing {pixel:g}`, or set model.shape "
                "and model.spacing_mm in the recipe."
            )


def _require_known(words: Mapping[str, Sequence[str]], rows: Iterable[SliceRow]) -> None:
    for row in rows:
        for name, known in words.items():
            word = getattr(row, name)
            # a cohort without a word of its own is trained on as any other
            if word and word not in known and name != "cohort":
                raise InputError(
                    f"{name} {word!r} of {row.cohort} {row.patient}: the network knows "
                    f"{', '.join(known)}; leave the cohort out or add the word to the "
                    "recipe's model."
                )


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{out}: cannot be made a folder ({error.strerror}); choose another."
        ) from error
    require_replaceable(out / "checkpoint", STATE)


def _schedule(seen: int, share: float, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine to the final rate."""
    warm = min(1.0, (seen + recipe.batch_size) / max(recipe.warmup_images, 1))
    cosine = 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
    return warm * (recipe.final_learning_rate + (1 - recipe.final_learning_rate) * cosine)


def _too_large(recipe: Recipe, stepper: Stepper, seen: int) -> str:
    """The message when memory has run out, with the batch size that does fit."""
    if recipe.privacy is not None:  # takes one patient at a time, however many there are in a step
        return (
            f"field 'privacy': {recipe.privacy.images} images of a patient do not fit into memory; "
            "choose fewer, a smaller model, or a larger machine."
        )
    parallel = stepper.parallel
    fits = parallel.count * largest_that_fits(
        stepper.task,
        stepper.networks,
        stepper.optimizers,
        lambda count: stepper.batch(seen, count),
        parallel.own,
    )
    what = f"field 'batch_size': {recipe.batch_size} images a step do not fit into memory"
    if not fits:
        return f"{what}, and not even one does; choose a smaller model, or a larger machine."
    return f"{what}; {fits} do: start again with batch_size: {fits}."
