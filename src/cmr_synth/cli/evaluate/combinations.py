"""`cmr-synth evaluate combinations`: contrast x pathology, those never seen in training too."""

from __future__ import annotations

from typing import Annotated

import typer

from cmr_synth.cli.console import Json, followed
from cmr_synth.cli.options import Data, Out, Seed, Slices, Split, Steps, check_options, open_slices
from cmr_synth.cli.report import report


def combinations(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...", help="Of the zoo, or folders, trained on several contrasts."
        ),
    ],
    out: Out,
    data: Data = None,
    slices: Slices = None,
    ask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONTRAST:PATHOLOGY", help="Such as lge:dcm; by default all. May be repeated."
        ),
    ] = None,
    pictures: Annotated[int, typer.Option(help="Of each combination, from its words alone.")] = 24,
    split: Split = "test",
    seed: Seed = 2026,
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Contrast x pathology asked for, and what judges say: also what training never had.

    \b
    Example, after `cmr-synth train latent-contrasts --slices both --out runs/contrasts`:
      cmr-synth evaluate combinations runs/contrasts --slices both --ask lge:dcm --out asked
    """
    check_options(data, slices, split)
    asked = [_pair(one) for one in ask or []]
    from cmr_synth.evaluation.combinations import combinations_asked
    from cmr_synth.evaluation.events import titled
    from cmr_synth.generators import zoo
    from cmr_synth.judges.segmenter import Segmenter
    from cmr_synth.reports.combinations import combinations_content

    loaded = [zoo.load(name) for name in models]
    opened = open_slices(data, slices, out, complete=False, quiet=as_json)
    segmenter = Segmenter.load()
    found = {}
    for model in loaded:
        events = combinations_asked(
            model.generator,
            model.card,
            opened,
            asked=asked,
            split=split,
            pictures=pictures,
            seed=seed,
            steps=steps or model.card.default_steps,
            segmenter=segmenter,
        )
        name = model.card.name
        (answers,) = followed(titled(name, events, of="pictures"), quiet=as_json)
        found[name] = (model.card, answers)
    content = combinations_content(found, split=split, seed=seed, segmenter=segmenter.hash)
    report(content, out, as_json=as_json, show_page=True)


def _pair(text: str) -> tuple[str, str]:
    contrast, colon, pathology = text.lower().partition(":")
    if not (colon and contrast and pathology):
        raise typer.BadParameter(f"--ask {text!r}: write CONTRAST:PATHOLOGY, such as lge:dcm.")
    return contrast, pathology
