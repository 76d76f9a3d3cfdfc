"""`cmr-synth average`: the model of a training with an average of another width."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, result


def average(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a finished training with averages.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the model; must not be there.")],
    width: Annotated[
        float,
        typer.Option(help="Relative to the length of the training, such as 0.05 to 0.15."),
    ],
    as_json: Json = False,
) -> None:
    """Write the model that a training gives when its weights are averaged over another width.

    The recipe has to keep averages, such as `averages: [0.05, 0.1]`; any other width is made of
    their copies (post-hoc EMA). Which one is best is for validation patients to say.

    \b
    Example:
      cmr-synth average runs/flow --width 0.08 --out flow-0.08
      cmr-synth evaluate fidelity flow-0.08 --slices prepared --split validation --out found
    """
    from cmr_synth.training.averaging import write_averaged

    card = write_averaged(run, out, width)
    result(
        {
            "folder": str(out),
            "name": card.name,
            "sha256": card.sha256,
            "width": width,
            "images_seen": card.training.images_seen,
        },
        [f"{out}: {card.name}, averaged with a width of {width:g}; use it with --model {out}"],
        as_json=as_json,
    )
