"""`cmr-synth audit membership`: can it be told whom a model was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, followed
from cmr_synth.cli.options import Cohort, Data, Out, Slices, check_source, open_slices
from cmr_synth.cli.report import report


def membership(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Models of the zoo or their folders.")
    ],
    out: Out,
    data: Data = None,
    slices: Slices = None,
    members: Annotated[
        str, typer.Option(help="Split of the patients that the models were trained on.")
    ] = "train",
    others: Annotated[
        list[str] | None,
        typer.Option("--others", help="Splits of other patients; by default all that remain."),
    ] = None,
    cohort: Cohort = None,
    references: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Calibrate difficulty by two small models trained on halves of these persons: "
            "about 20 minutes of one core, once; they are kept here for all models.",
        ),
    ] = None,
    reference_images: Annotated[
        int, typer.Option(min=8, help="Images seen in the training of each reference.")
    ] = 10_000,
    reference: Annotated[
        str | None,
        typer.Option(
            help="A model trained on none of these persons; without --references, difficulty is "
            "calibrated by it."
        ),
    ] = None,
    per_patient: Annotated[int, typer.Option(min=1, help="Slices of a person, evenly spread.")] = 6,
    draws: Annotated[int, typer.Option(min=1, help="Draws of noise at each level.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the noise and the resampling.")] = 2026,
    as_json: Json = False,
) -> None:
    """Attack models: are persons that they were trained on told from others?

    \b
    Example:
      cmr-synth audit membership flow --slices prepared --references refs --out membership

    Without --references or --reference, what is found may be the difficulty of slices, and the
    verdict claims no memory.
    """
    check_source(data, slices)
    from cmr_synth.evaluation.events import titled
    from cmr_synth.evaluation.sample import joined, real_sample, splits_besides
    from cmr_synth.generators import zoo
    from cmr_synth.privacy.membership.attack import Membership, attack, spread_over
    from cmr_synth.privacy.membership.references import References, train_references
    from cmr_synth.privacy.membership.units import units_of
    from cmr_synth.reports.membership import membership_content

    opened = open_slices(data, slices, out, complete=True, quiet=as_json)
    remaining = others or splits_besides(opened, members)
    inside = spread_over(real_sample(opened, members, cohort), per_patient)
    parts = [real_sample(opened, split, cohort) for split in remaining]
    outside = spread_over(joined(parts, name="others"), per_patient)
    second = zoo.load(reference).generator if reference is not None else None
    units_of(inside, outside)  # refuses before anything is trained
    pair: References | None = None
    if references is not None:
        training = train_references(
            opened,
            references,
            members=members,
            others=remaining,
            cohorts=cohort,
            images=reference_images,
        )
        titled_training = titled("train references", training, of="images")
        (pair,) = followed(titled_training, quiet=as_json)
    found: list[Membership] = []
    for name in models:
        entry = zoo.find(name)
        model = zoo.load(entry.folder)
        events = attack(
            model.generator,
            inside,
            outside,
            name=entry.name,
            sha256=model.card.sha256,
            references=pair,
            reference=second,
            draws=draws,
            seed=seed,
        )
        found += followed(titled(f"attack {entry.name}", events), quiet=as_json)
    report(membership_content(found), out, as_json=as_json)
