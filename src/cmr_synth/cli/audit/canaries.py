"""`cmr-synth audit canaries`: epsilon bounded from below by experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, followed, result

app = typer.Typer(help="Bound epsilon from below by planting canaries.", no_args_is_help=True)


@app.callback()
def top() -> None:
    """Bound epsilon from below: plant canaries, train on the set, and measure."""


@app.command()
def plant(
    slices: Annotated[Path, typer.Option(help="A slice set from `cohort prepare`.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the set with canaries.")],
    canaries: Annotated[int, typer.Option(min=2, help="Half of them are trained on.")] = 100,
    each: Annotated[int, typer.Option(min=1, help="Slices of a canary.")] = 2,
    cohort: Annotated[
        list[str] | None, typer.Option("--cohort", help="In which they hide; by default all.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of coins and patterns; by default the machine's entropy.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add made-up patients to a slice set, each let into the training by the toss of a coin.

    \b
    Example:
      cmr-synth audit canaries plant --slices prepared --cohort acdc --out planted
      cmr-synth train cvae-private --slices planted --out model
      cmr-synth audit canaries measure model --slices planted
    """
    from cmr_synth.cohorts.slices import open_slice_set
    from cmr_synth.privacy.canaries import plant as write

    facts = write(
        open_slice_set(slices), out, canaries=canaries, each=each, cohorts=cohort, seed=seed
    )
    lines = [
        f"{out}: {facts['canaries']} canaries of {each} slices, of whom {facts['let_in']} are "
        "trained on; keep the folder private"
    ]
    result({"folder": str(out), **facts}, lines, as_json=as_json)


@app.command()
def measure(
    model: Annotated[str, typer.Argument(help="Name in the zoo, or a folder of `train`.")],
    slices: Annotated[Path, typer.Option(help="The set of `plant` that it was trained on.")],
    guesses: Annotated[
        int | None, typer.Option(min=2, help="Chosen before one looks; by default half of all.")
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Draws of noise at each level.")] = 4,
    delta: Annotated[
        float | None, typer.Option(min=0, max=1, help="By default that of the account, or 0.")
    ] = None,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.9999, help="Of the lower bound.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 2026,
    as_json: Json = False,
) -> None:
    """Guess which canaries a model was trained on; the guesses bound epsilon from below.

    \b
    Example:
      cmr-synth audit canaries measure model --slices planted
    """
    from cmr_synth.cohorts.slices import open_slice_set
    from cmr_synth.evaluation.events import titled
    from cmr_synth.generators import zoo
    from cmr_synth.privacy.canaries import measure as run

    opened = open_slice_set(slices)
    loaded = zoo.load(zoo.find(model).folder)
    account = loaded.card.training.privacy
    at = delta if delta is not None else float((account or {}).get("delta", 0.0))
    events = run(
        loaded.generator,
        opened,
        guesses=guesses,
        delta=at,
        confidence=confidence,
        draws=draws,
        accountant=account,
        seed=seed,
    )
    (found,) = followed(titled("measure", events, of="batches"), quiet=as_json)
    lines = [
        f"{found.right} of {found.guesses} guesses right about {found.canaries} canaries",
        f"lower bound of epsilon {found.epsilon:.3f} at delta {found.delta:g}, "
        f"{found.confidence:.0%} confidence; ceiling with so many canaries {found.ceiling:.3f}",
        found.verdict,
    ]
    result(found.as_dict(), lines, as_json=as_json)
