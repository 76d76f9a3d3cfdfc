"""`cmr-synth evaluate utility`: what a segmenter learns from synthetic slices."""

from __future__ import annotations

from typing import Annotated

import typer

from cmr_synth.cli.console import Json, followed
from cmr_synth.cli.options import Data, Out, Slices, Split, check_options, open_slices
from cmr_synth.cli.report import report
from cmr_synth.errors import InputError


def utility(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Models of the zoo or their folders.")
    ],
    out: Out,
    data: Data = None,
    slices: Slices = None,
    split: Split = "test",
    train_on: Annotated[
        list[str] | None,
        typer.Option("--train-on", help="Cohorts whose training patients give slices and masks."),
    ] = None,
    training_patients: Annotated[
        int | None,
        typer.Option(help="Give so few training patients' slices and masks; by default all."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Trainings of each kind; of fewer than 5 nothing is said.")
    ] = 5,
    ratio: Annotated[
        list[int] | None,
        typer.Option("--ratio", help="k of real + k x synthetic; may be repeated (1)."),
    ] = None,
    mixtures: Annotated[
        bool, typer.Option(help="Train on real and synthetic slices together, too.")
    ] = True,
    rivals: Annotated[
        bool,
        typer.Option(help="Train on real slices in other styles and of other vendors, too."),
    ] = True,
    new_hearts: Annotated[
        bool,
        typer.Option("--new-hearts", help="Train on slices of sampled and dialled hearts, too."),
    ] = False,
    images: Annotated[
        int, typer.Option(help="Real slices seen by every training; others come on top.")
    ] = 9600,
    seed: Annotated[int, typer.Option(help="Of the synthetic slices.")] = 2026,
    jobs: Annotated[int, typer.Option(help="Trainings at once, each in a process.")] = 1,
    as_json: Json = False,
) -> None:
    """Train the same segmenter on real, synthetic, and real + k x synthetic slices.

    Beside them on real slices in random styles and on those of the other vendors: what is to be had
    without a generator. With --new-hearts on as many synthetic slices of sampled and dialled hearts
    as there are training masks: what new anatomy is worth. All that have real slices see as many of
    them. Tested on the held-out patients of every cohort, in all of which only what was drawn
    counts. Runs go seed by seed; what is in --out already is not made again, so an interrupted call
    goes on where it was.

    \b
    Example, trained on ACDC and tested on three vendors:
      cmr-synth evaluate utility flow --train-on acdc --data acdc=ACDC/training \\
        --data chla=CHLA --data sunnybrook=SUNNYBROOK --out utility
    """
    check_options(data, slices, split)
    if seeds < 1 or images < 1 or jobs < 1:
        raise typer.BadParameter("--seeds, --images and --jobs must be 1 or more.")
    ratios = tuple(ratio or (1,)) if mixtures else ()
    if any(k < 1 for k in ratios):
        raise typer.BadParameter("--ratio must be 1 or more.")

    from cmr_synth.cohorts.fewer import fewer_patients
    from cmr_synth.evaluation.utility.results import Findings
    from cmr_synth.evaluation.utility.study import Protocol, Study
    from cmr_synth.generators import zoo
    from cmr_synth.reports.utility import utility_content

    entries = [zoo.find(name) for name in models]
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        raise InputError("a model is named twice; name each once.")
    opened = open_slices(data, slices, out, complete=False, quiet=as_json)
    protocol = Protocol(
        trained_on=tuple(train_on or ["acdc"]),
        split=split,
        seeds=seeds,
        ratios=ratios,
        rivals=rivals,
        new_hearts=new_hearts,
        images=images,
        seed=seed,
    )
    if training_patients is not None:
        opened = fewer_patients(opened, training_patients, cohorts=protocol.trained_on, seed=0)
    study = Study(opened, out / "runs", protocol)
    found = {}
    for entry in entries:
        model = zoo.load(entry.folder)
        (runs,) = followed(study.runs(entry.name, model, jobs=jobs), quiet=as_json)
        found[entry.name] = Findings.of(runs, protocol.trained_on)
    hashes = {entry.name: zoo.card_of(entry).sha256 for entry in entries}
    report(utility_content(protocol, found, hashes), out, as_json=as_json, show_page=True)
