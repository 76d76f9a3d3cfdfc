"""`cmr-synth evaluate reader-study`: make a blinded study, and score what its readers said."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, followed, remark, result
from cmr_synth.cli.options import (
    Cohort,
    Data,
    Seed,
    Slices,
    Split,
    Steps,
    check_options,
    open_slices,
)
from cmr_synth.cli.report import report

app = typer.Typer(
    help="Can readers tell synthetic slices from real ones? Read a study in the app.",
    no_args_is_help=True,
)


@app.command("make")
def make(
    candidate: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|NAME=PATH", help="Model of the zoo, its folder, or images and masks."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="New folder for the study.")],
    data: Data = None,
    slices: Slices = None,
    images: Annotated[int, typer.Option(help="Half of them real; even.")] = 60,
    split: Split = "test",
    cohort: Cohort = None,
    seed: Seed = 2026,
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Write a balanced, blinded set of pictures, and its key beside it.

    Give readers the folder and keep the key. As many real as synthetic pictures of every vendor,
    and no patient's mask behind both kinds.

    \b
    Example:
      cmr-synth evaluate reader-study make flow --data acdc=ACDC/training --out study
    """
    check_options(data, slices, split)
    from cmr_synth.evaluation.readers.making import study_of
    from cmr_synth.evaluation.setting import Setting

    beside = out.with_name(f"{out.name}-data")
    opened = open_slices(data, slices, beside, complete=True, quiet=as_json)
    setting = Setting(slices=opened, split=split, cohorts=cohort, seed=seed, steps=steps)
    (counts,) = followed(study_of(candidate, setting, out, images=images), quiet=as_json)
    lines = [
        f"{out}: {counts['images']} pictures, "
        + ", ".join(
            f"{sum(kinds.values())} {vendor}" for vendor, kinds in counts["vendors"].items()
        ),
        f"{counts['key']}: which is which; keep it from the readers",
        "read it in the app: Plugins > CMR Synth > Reader study",
    ]
    result(counts, lines, as_json=as_json)


@app.command("score")
def score(
    study: Annotated[Path, typer.Argument(help="Folder of the study, with its answers.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for page, figures and JSON.")],
    key: Annotated[
        Path | None, typer.Option(help="Key of the study; by default beside its folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Accuracy, detectability and agreement of the readers, overall and by vendor."""
    from cmr_synth.evaluation.readers.study import score_study
    from cmr_synth.reports.reader_study import reader_study_content

    found = score_study(study, key)
    if found.shared < found.images:
        remark(f"all readers have read {found.shared} of {found.images} pictures so far")
    report(reader_study_content(found), out, as_json=as_json, show_page=True)
