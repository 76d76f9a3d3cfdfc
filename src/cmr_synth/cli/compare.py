"""`cmr-synth compare`: several models or recipes, one protocol, one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, followed, remark, result
from cmr_synth.cli.options import Slices, Split, TrainingData, check_options
from cmr_synth.errors import InputError


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
    data: TrainingData = None,
    slices: Slices = None,
    minutes: Annotated[
        float | None, typer.Option(help="Budget of each training, all its stages together.")
    ] = None,
    images: Annotated[
        int | None, typer.Option(help="Budget of each stage in images seen, in place of minutes.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every training.")] = 0,
    split: Split = "test",
    cohort: Annotated[
        list[str] | None,
        typer.Option("--cohort", help="Cohorts to measure on, with all three structures drawn."),
    ] = None,
    training_patients: Annotated[
        int | None,
        typer.Option(help="Train on so few patients of the cohorts measured; by default on all."),
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

    \b
    The same when data are few:
      cmr-synth compare ddpm cvae --train --slices prepared --minutes 10 --training-patients 10 \\
        --out few
    """
    check_options(data, slices, split)
    if minutes is not None and not minutes > 0:
        raise typer.BadParameter("--minutes must be more than 0.")
    if images is not None and images < 1:
        raise typer.BadParameter("--images must be 1 or more.")

    from cmr_synth.comparison.entrants import Budget, entrants, trained

    found = entrants(candidates, train=train)
    if any(one.stages for one in found) and minutes is None and images is None:
        raise InputError("recipes are trained with one budget; give --minutes or --images.")
    if training_patients is not None and not any(one.stages for one in found):
        raise InputError(
            "--training-patients: every model named is finished; name recipes to train, with "
            "--train where a model has the same name."
        )
    if (out / _FIGURES).exists() and not resume:
        raise InputError(
            f"{out}: holds a comparison already; go on with --resume or choose another folder."
        )

    from cmr_synth.cli.cohort import prepare_slices
    from cmr_synth.cohorts.fewer import fewer_patients
    from cmr_synth.cohorts.slices import open_slice_set
    from cmr_synth.comparison.protocol import Comparison, Row
    from cmr_synth.reports.comparison import brief, write_comparison

    if slices is None:
        slices = out / "slices"
        if not (resume and slices.exists()):
            prepare_slices(data or [], slices, complete=True, quiet=as_json)
    opened = open_slice_set(slices)
    cohorts = cohort or ["acdc"]
    few = opened
    if training_patients is not None:
        few = fewer_patients(opened, training_patients, cohorts=cohorts, seed=seed)
    comparison = Comparison(opened, split=split, cohorts=cohorts, trained_on=few)
    budget = Budget(minutes=minutes, images=images, seed=seed)
    rows: list[Row] = []
    for one in found:
        folder = one.folder
        if folder is None:
            events = trained(one, few, out, budget, resume=resume)
            (folder,) = followed(events, quiet=as_json)
        else:
            remark(f"{one.name}: taken from {folder}")
        rows += followed(comparison.rows(folder, one.name), quiet=as_json)
        files = write_comparison(out, comparison.basis, rows, show_real=real)
    facts = {
        "folder": str(out),
        "protocol": comparison.basis.as_dict(),
        "models": [row.as_dict() for row in rows],
        "files": files,
    }
    lines = [*brief(comparison.basis, rows), f"{out / files['page']}"]
    result(facts, lines, as_json=as_json)


_FIGURES = "comparison.json"
