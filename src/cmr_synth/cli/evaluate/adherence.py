"""`cmr-synth evaluate adherence`: do synthetic slices show the heart that their masks asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, followed, remark
from cmr_synth.cli.options import (
    Candidates,
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


def adherence(
    candidates: Candidates,
    out: Out,
    data: Data = None,
    slices: Slices = None,
    split: Split = "test",
    cohort: Cohort = None,
    seed: Seed = 2026,
    steps: Steps = None,
    every_vendor: Annotated[
        bool,
        typer.Option(
            "--every-vendor",
            help="All masks in the style of every vendor too: a table by pathology and phase.",
        ),
    ] = False,
    segmenter: Annotated[
        Path | None,
        typer.Option(help="Folder of a segmenter to judge by, such as one of late enhancement."),
    ] = None,
    as_json: Json = False,
) -> None:
    """What the segmenter finds against the mask, and the anatomy of both populations.

    Only drawn structures count, so give cohorts with all three drawn, such as ACDC. Scar needs a
    segmenter that tells it from the wall; the recipe segmenter-lge trains one.

    \b
    Example:
      cmr-synth evaluate adherence flow --data acdc=ACDC/training --out adherence
    """
    check_options(data, slices, split)
    from cmr_synth.evaluation.candidates import candidates as made_by
    from cmr_synth.evaluation.protocol import Protocol
    from cmr_synth.evaluation.setting import Setting
    from cmr_synth.reports.adherence import adherence_content

    if every_vendor and segmenter is not None:
        raise typer.BadParameter("--every-vendor is judged by the bundled segmenter alone.")
    opened = open_slices(data, slices, out, complete=False, quiet=as_json)
    setting = Setting(slices=opened, split=split, cohorts=cohort, seed=seed, steps=steps)
    if any(row.completed for row in setting.held_out.rows):
        remark(
            "some masks were completed by the segmenter that now judges them; for figures without "
            "that, name cohorts with all structures drawn"
        )
    protocol = Protocol(setting=setting, every_vendor=every_vendor, segmenter_folder=segmenter)
    events = protocol.adherence(made_by(candidates, setting))
    found = list(followed(events, quiet=as_json))
    content = adherence_content(setting.held_out, found, split=split, seed=seed)
    report(content, out, as_json=as_json, show_page=True)
