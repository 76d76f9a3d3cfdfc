"""`cmr-synth calibrate`: a model whose pictures have the spectra of the scans it learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, followed, result


def calibrate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name or folder of a model.")],
    slices: Annotated[Path, typer.Option("--slices", help="The slice set that it was trained on.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the model; must not be there.")],
    most: Annotated[
        int, typer.Option(min=3, help="Slices of a vendor that are made and measured.")
    ] = 180,
    seed: Annotated[int, typer.Option(help="Of the pictures.")] = 0,
    as_json: Json = False,
) -> None:
    """Write a model again, with each spatial frequency as strong as in scans of the vendor.

    Its pictures of training masks are compared with the real slices, ring of frequency by ring, and
    whatever it makes afterwards goes through the gains that come out. A network that draws no
    detail gets none by this; test and validation patients are not looked at.

    \b
    Example:
      cmr-synth calibrate runs/flow-few-step --slices prepared --out runs/flow-calibrated
      python benchmarks/vendors.py runs/flow-few-step runs/flow-calibrated --slices prepared
    """
    from cmr_synth.cohorts.slices import open_slice_set
    from cmr_synth.errors import InputError
    from cmr_synth.evaluation.calibration import measure_transfer, write_calibrated
    from cmr_synth.evaluation.events import titled
    from cmr_synth.generators import zoo

    if out.exists():  # before minutes of work
        raise InputError(f"{out}: is there already; choose another folder.")
    loaded = zoo.load(model)
    measured = measure_transfer(loaded, open_slice_set(slices), most=most, seed=seed)
    (transfer,) = followed(titled(f"calibrate {loaded.card.name}", measured), quiet=as_json)
    card = write_calibrated(model, out, transfer)
    lines = [
        f"{vendor or 'pictures'}: gains of {min(gains):.2f} to {max(gains):.2f}, from "
        f"{transfer.slices[vendor]} slices of {transfer.patients[vendor]} patients"
        for vendor, gains in transfer.gains.items()
    ]
    lines.append(f"{out}: {card.name}, calibrated; use it with --model {out}")
    facts = {"folder": str(out), "name": card.name, "config_sha256": card.config_sha256}
    result(facts | transfer.model_dump(mode="json"), lines, as_json=as_json)
