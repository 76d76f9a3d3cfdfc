"""`cmr-synth compare`: several models or recipes, one protocol, one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmr_synth.cli.console import Json, progress, remark, result
from cmr_synth.cli.evaluate._candidates import check_options
from cmr_synth.errors import InputError

if TYPE_CHECKING:
    from cmr_synth.cohorts.slices import SliceSet
    from cmr_synth.evaluation.comparison import Comparison, Row


def compare(
    candidates: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL|RECIPE...",
            help="Models of the zoo or their folders are taken as they are; recipes are trained. "
            "A recipe that starts from another is written FIRST+SECOND.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for models, table, page and figures.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="NAME=PATH", help="A cohort and its folder; may be repeated."
        ),
    ] = None,
    slices: Annotated[
        Path | None, typer.Option(help="A slice set from `cohort prepare`, in place of --data.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Budget of each training, all its stages together.")
    ] = None,
    images: Annotated[
        int | None, typer.Option(help="Budget of each stage in images seen, in place of minutes.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every training.")] = 0,
    split: Annotated[
        str, typer.Option(help="Patients to measure on: test or validation.")
    ] = "test",
    cohort: Annotated[
        list[str] | None,
        typer.Option("--cohort", help="Cohorts to measure on, with all three structures drawn."),
    ] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train a name that is both a model and a recipe.")
    ] = False,
    real: Annotated[
        bool, typer.Option("--real/--no-real", help="Show real pictures on page and sheet.")
    ] = True,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an earlier comparison in --out ended.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train and measure generators on the same patients, budget and seed.

    \b
    Example, the bundled models on patients that none of them has seen:
      cmr-synth compare flow spade-gan cvae --data acdc=ACDC/training --out compared

    \b
    Two families trained for ten minutes each:
      cmr-synth compare ddpm cvae --train --slices prepared --minutes 10 --out compared
    """
    check_options(data, slices, split)
    if minutes is not None and not minutes > 0:
        raise typer.BadParameter("--minutes must be more than 0.")
    if images is not None and images < 1:
        raise typer.BadParameter("--images must be 1 or more.")

    from cmr_synth.generators import zoo

    plans = [_plan(name, train=train, known=[e.name for e in zoo.entries()]) for name in candidates]
    if len({plan[0] for plan in plans}) < len(plans):
        raise InputError("a model or recipe is named twice; name each once.")
    if any(stages for _, stages, _ in plans) and minutes is None and images is None:
        raise InputError("recipes are trained with one budget; give --minutes or --images.")
    if (out / _FIGURES).exists() and not resume:
        raise InputError(
            f"{out}: holds a comparison already; go on with --resume or choose another folder."
        )

    from cmr_synth.cli.cohort import prepare_slices
    from cmr_synth.cohorts.slices import open_slice_set
    from cmr_synth.evaluation.comparison import Comparison
    from cmr_synth.reports.comparison import describe, markdown, write_comparison

    if slices is None:
        slices = out / "slices"
        if not (resume and slices.exists()):
            prepare_slices(data or [], slices, complete=True, quiet=as_json)
    opened = open_slice_set(slices)
    comparison = Comparison(opened, split=split, cohorts=cohort or ["acdc"])
    rows = []
    for name, stages, folder in plans:
        if not stages:
            remark(f"{name}: taken from {folder}")
        else:
            folder = _trained(
                name, stages, opened, out, minutes, images, seed, resume, quiet=as_json
            )
        rows.append(_measured(comparison, folder, name, quiet=as_json))
        files = write_comparison(out, comparison.protocol, rows, show_real=real)
    facts = {
        "folder": str(out),
        "protocol": comparison.protocol.as_dict(),
        "models": [row.as_dict() for row in rows],
        "files": files,
    }
    table = markdown(comparison.protocol, rows).split("\n\n")[0]
    lines = [*table.splitlines(), describe(comparison.protocol).replace("`", "")]
    result(facts, [*lines, f"{out / files['page']}"], as_json=as_json)


_FIGURES = "comparison.json"


def _plan(name: str, *, train: bool, known: list[str]) -> tuple[str, list[str], Path]:
    """Name, the recipes to train (none for a finished model), and the folder of a model."""
    from cmr_synth.generators import zoo
    from cmr_synth.training.recipe import bundled_recipes, load_recipe
    from cmr_synth.training.registry import require_task

    stages = name.split("+")
    is_recipe = all(s.endswith((".yaml", ".yml")) or s in bundled_recipes() for s in stages)
    is_model = name in known or (Path(name) / zoo.CARD).is_file()
    if is_model and not (train and is_recipe):
        entry = zoo.find(name)
        zoo.verify(entry)
        return entry.name, [], entry.folder
    if is_recipe:
        for stage in stages:
            require_task(load_recipe(stage), where=stage)
        return "+".join(Path(stage).stem for stage in stages), stages, Path()
    raise InputError(
        f"{name}: neither a model nor a recipe. Models are {', '.join(known)}; recipes are "
        f"{', '.join(bundled_recipes())}, or YAML files."
    )


def _trained(
    name: str,
    stages: list[str],
    slices: SliceSet,
    out: Path,
    minutes: float | None,
    images: int | None,
    seed: int,
    resume: bool,
    *,
    quiet: bool,
) -> Path:
    """Train a recipe, or one after the other; returns the folder of the last."""
    from cmr_synth.generators.card import draft_card, write_card
    from cmr_synth.training.loop import train
    from cmr_synth.training.recipe import load_recipe
    from cmr_synth.training.registry import make_task

    folder, earlier = Path(), None
    for number, stage in enumerate(stages):
        recipe = load_recipe(stage)
        changes: dict[str, Any] = {"seed": seed}
        if images is not None:
            changes |= {"images": images, "warmup_images": min(recipe.warmup_images, images // 4)}
        if earlier is not None:
            changes["initialize_from"] = str(earlier / "weights.safetensors")
        recipe = recipe.model_copy(update=changes)
        folder = out / "models" / "+".join(Path(s).stem for s in stages[: number + 1])
        earlier = folder
        if resume and (folder / "card.yaml").is_file():
            remark(f"{recipe.name}: was trained before, in {folder}")
            continue
        budget = None if minutes is None else minutes / len(stages)
        steps = train(
            make_task(recipe),
            recipe,
            slices,
            folder,
            minutes=budget,
            resume=resume and (folder / "checkpoint").exists(),
        )
        with progress(f"train {name}", quiet=quiet) as tell:
            for step in steps:
                losses = ", ".join(f"{k} {v:.4f}" for k, v in step.losses.items())
                tell(step.share, f"{step.images_seen} images, {losses}")
        write_card(draft_card(folder, slices, cohorts=recipe.cohorts), folder / "card.yaml")
    return folder


def _measured(comparison: Comparison, folder: Path, name: str, *, quiet: bool) -> Row:
    from cmr_synth.generators.interface import Progress

    with progress(f"measure {name}", quiet=quiet) as tell:
        for event in comparison.rows(folder, name):
            if not isinstance(event, Progress):
                return event
            tell(event.step / event.steps, f"{event.step} of {event.steps} slices")
    raise AssertionError("a measurement ends with its row")
