"""Options that several verbs have: whose slices are judged, on which patients, and where to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cmr_synth.cohorts.slices import SliceSet

Candidates = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL|NAME=PATH...",
        help="Models of the zoo or their folders make counterparts of the held-out slices; "
        "folder=PATH takes synthetic images and masks as they are.",
    ),
]
Data = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="NAME=PATH", help="Real patients; may be repeated."),
]
TrainingData = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="NAME=PATH", help="A cohort and its folder; may be repeated."),
]
Slices = Annotated[
    Path | None, typer.Option(help="A slice set from `cohort prepare`, in place of --data.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder for page, figures and JSON.")]
Split = Annotated[str, typer.Option(help="Patients to measure on: test or validation.")]
Cohort = Annotated[
    list[str] | None,
    typer.Option("--cohort", help="Cohorts to measure on; by default all of the split."),
]
Seed = Annotated[int, typer.Option(help="Of the synthetic slices.")]
Steps = Annotated[
    int | None, typer.Option(help="Network evaluations a slice; by default those of the card.")
]


def check_source(data: list[str] | None, slices: Path | None) -> None:
    """Refuse both or neither, before anything heavy is imported."""
    if bool(data) == bool(slices):
        raise typer.BadParameter("give either --data NAME=PATH or --slices.")


def check_options(data: list[str] | None, slices: Path | None, split: str) -> None:
    """Refuse wrong usage before anything heavy is imported."""
    check_source(data, slices)
    if split not in ("test", "validation"):
        raise typer.BadParameter("--split is test or validation.")


def open_slices(
    data: list[str] | None, slices: Path | None, out: Path, *, complete: bool, quiet: bool
) -> SliceSet:
    """The slice set given, or one prepared from --data into the folder."""
    from cmr_synth.cli.cohort import prepare_slices
    from cmr_synth.cohorts.slices import open_slice_set

    if slices is None:
        slices = out / "slices"
        if not slices.exists():
            prepare_slices(data or [], slices, complete=complete, quiet=quiet)
    return open_slice_set(slices)
