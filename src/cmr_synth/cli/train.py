"""`cmr-synth train`: a recipe and patients' data become a model folder."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmr_synth.cli.console import Interrupted, Json, fail, progress, remark, result
from cmr_synth.cli.options import Slices, TrainingData
from cmr_synth.errors import InputError

if TYPE_CHECKING:
    from cmr_synth.processes import Processes
    from cmr_synth.training.recipe import Recipe

ECHO_SECONDS = 3.0
REMARK_SECONDS = 60.0  # where nobody watches a bar, one line of progress each


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A YAML file, or the name of a bundled recipe.")
    ],
    data: TrainingData = None,
    slices: Slices = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for model, checkpoint, log and samples.")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Weights of an earlier stage to start from."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Budget, more than 0; the schedule ends with it.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the checkpoint in --out.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the whole recipe and train nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a model, and write it as a folder that `zoo add` and `--model` accept.

    \b
    Example, on ACDC as its authors publish it:
      cmr-synth train flow --data acdc=ACDC/training --out one --minutes 60

    \b
    A second stage starts from the weights of the first:
      cmr-synth train flow-few-step --from one/weights.safetensors --slices one/slices --out two

    Ctrl-C ends the training after the step at hand, to be continued with --resume.
    """
    if data and slices:
        raise typer.BadParameter("give either --data or --slices, not both.")
    if not dry_run and out is None:
        raise typer.BadParameter("missing --out, the folder for the model.")
    if not dry_run and not (data or slices):
        raise typer.BadParameter("missing --data NAME=PATH, or --slices.")
    if minutes is not None and not minutes > 0:
        raise typer.BadParameter("--minutes must be more than 0.")

    from cmr_synth.processes import EndedElsewhere, joined
    from cmr_synth.training.recipe import load_recipe
    from cmr_synth.training.registry import require_task

    resolved = load_recipe(recipe)
    require_task(resolved, where=recipe)
    if start is not None:
        if not start.is_file():
            raise InputError(f"{start}: no such file; give the weights of an earlier stage.")
        resolved = resolved.model_copy(update={"initialize_from": str(start)})
    if dry_run:
        _print_recipe(resolved, as_json)
        return
    assert out is not None
    if (out / "checkpoint").exists() and not resume:
        raise InputError(
            f"{out}: holds a training already; continue it with --resume or choose another folder."
        )
    try:
        with joined() as group, group.collective():
            facts = _run(resolved, data or [], slices, out, minutes, resume, group, quiet=as_json)
    except EndedElsewhere:
        sys.exit(1)
    except (Interrupted, KeyboardInterrupt):
        fail(f"interrupted; continue with --resume if {out}/checkpoint is there.")
    if facts:
        result(
            facts,
            [
                f"{facts['folder']}: {facts['images_seen']} images in {facts['minutes']} minutes",
                *_privacy(facts["privacy"]),
                f"use it with --model {facts['folder']}, keep it with `cmr-synth zoo add`",
            ],
            as_json=as_json,
        )


def _privacy(facts: dict[str, Any] | None) -> list[str]:
    if facts is None:
        return []
    return [
        f"differential privacy: epsilon {facts['epsilon']:.3g} at delta {facts['delta']:g} for "
        f"each of {facts['patients']} patients, after {facts['steps']} steps "
        f"({facts['accountant']}); it covers {facts['covers']}"
    ]


def _print_recipe(recipe: Recipe, as_json: bool) -> None:
    import yaml

    stated = recipe.model_dump(mode="json")
    text = yaml.safe_dump(stated, sort_keys=False, allow_unicode=True)
    result(stated, [text.rstrip()], as_json=as_json)


def _run(
    recipe: Recipe,
    data: list[str],
    slices: Path | None,
    out: Path,
    minutes: float | None,
    resume: bool,
    group: Processes,
    *,
    quiet: bool,
) -> dict[str, Any]:
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    from cmr_synth.cli.cohort import prepare_slices
    from cmr_synth.cohorts.preparing import Preparing
    from cmr_synth.cohorts.slices import open_slice_set
    from cmr_synth.generators.card import draft_card, write_card
    from cmr_synth.training.loop import Stopped
    from cmr_synth.training.loop import train as run
    from cmr_synth.training.registry import make_task

    task = make_task(recipe)
    # without the flag, processes launched on CPUs would not know of each other
    PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    if slices is None:
        slices = out / "slices"
        if group.is_main and not (resume and slices.exists()):
            # the segmenter learns from what was drawn, not from its predecessor; and where it is
            # used no heart is known yet that could set the brightness
            finds = recipe.family == "segmenter"
            choices = Preparing(normalisation="percentile") if finds else None
            prepare_slices(data, slices, complete=not finds, choices=choices, quiet=quiet)
        group.gather([])  # the others wait for the slices
    opened = open_slice_set(slices)
    if group.is_main:
        for line in getattr(task, "remarks", lambda slices: ())(opened):
            remark(line)
    last, said = None, time.monotonic()
    shown = group.is_main and not quiet
    title = recipe.name
    with _asked_to_end(group) as ending:
        steps: Any = run(task, recipe, opened, out, minutes=minutes, resume=resume, asked=ending)
        with closing(steps), progress(title, quiet=not shown) as tell:
            try:
                for last in steps:
                    losses = ", ".join(f"{name} {x:.4f}" for name, x in last.losses.items())
                    words = f"{last.images_seen} images, {losses}"
                    tell(last.share, words)
                    now = time.monotonic()
                    if shown and not sys.stderr.isatty() and now - said > REMARK_SECONDS:
                        remark(f"{last.share:.1%}, {last.minutes:.1f} minutes, {words}")
                        said = now
            except Stopped:
                raise Interrupted from None
    if not group.is_main:
        return {}
    card = draft_card(out, opened, cohorts=recipe.cohorts)
    write_card(card, out / "card.yaml")
    return {
        "folder": str(out),
        "name": card.name,
        "sha256": card.sha256,
        "images_seen": card.training.images_seen,
        "minutes": card.training.minutes,
        "privacy": card.training.privacy,
    }


@contextmanager
def _asked_to_end(group: Processes) -> Iterator[Callable[[], bool]]:
    """Let a first Ctrl-C wait for the step at hand, and a second one cut it short.

    Further ones change nothing, so that what is being tidied up is tidied up.
    """
    asked: list[float] = []

    def ask(number: int, frame: FrameType | None) -> None:
        # a launcher passes on the Ctrl-C that each process has had from the terminal already
        if group.count > 1 and asked and time.monotonic() - asked[0] < ECHO_SECONDS:
            return
        asked.append(time.monotonic())
        if len(asked) == 2:
            raise Interrupted

    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, ask) for number in signals}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
