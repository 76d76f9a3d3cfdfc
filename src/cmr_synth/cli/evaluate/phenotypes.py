"""`cmr-synth evaluate phenotypes`: does a model draw the heart that its phenotypes ask for."""

from __future__ import annotations

from typing import Annotated

import typer

from cmr_synth.cli.console import Json, followed
from cmr_synth.cli.options import (
    Cohort,
    Data,
    Out,
    Seed,
    Slices,
    Split,
    Steps,
    check_options,
    open_slices,
)
from cmr_synth.cli.report import report


def phenotypes(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Of the zoo, or folders, trained with phenotypes."),
    ],
    out: Out,
    data: Data = None,
    slices: Slices = None,
    split: Split = "test",
    cohort: Cohort = None,
    seed: Seed = 2026,
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Phenotypes asked against measured, on pictures that no mask guides.

    \b
    Example, after `cmr-synth train flow-phenotypes --slices prepared --out runs/phenotypes`:
      cmr-synth evaluate phenotypes runs/phenotypes --slices prepared --out phenotypes
    """
    check_options(data, slices, split)
    from cmr_synth.evaluation.events import titled
    from cmr_synth.evaluation.phenotypes import asked_and_measured
    from cmr_synth.generators import zoo
    from cmr_synth.judges.segmenter import Segmenter
    from cmr_synth.reports.phenotypes import phenotypes_content

    loaded = [zoo.load(name) for name in models]
    opened = open_slices(data, slices, out, complete=False, quiet=as_json)
    segmenter = Segmenter.load()
    found = {}
    for model in loaded:
        events = asked_and_measured(
            model.generator,
            opened,
            split=split,
            cohorts=cohort,
            seed=seed,
            steps=steps or model.card.default_steps,
            segmenter=segmenter,
        )
        name = model.card.name
        (found[name],) = followed(titled(name, events, of="pictures"), quiet=as_json)
    content = phenotypes_content(found, split=split, seed=seed, segmenter=segmenter.hash)
    report(content, out, as_json=as_json, show_page=True)
