"""What is evaluated: a model of the zoo, or a folder of somebody's synthetic images and masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmr_synth.cli.console import progress
from cmr_synth.errors import InputError

if TYPE_CHECKING:
    from cmr_synth.cohorts.slices import SliceSet
    from cmr_synth.evaluation.sample import Sample

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


@dataclass(frozen=True, eq=False)
class Candidate:
    """A candidate and its synthetic slices.

    Parameters
    ----------
    name : str
    sha256 : str or None
        Of a model's weights.
    paired : bool
        Whether every slice is the counterpart of the held-out slice of the same number.
    masked : bool
        Whether the slices follow masks.
    """

    name: str
    sha256: str | None
    sample: Sample
    paired: bool
    masked: bool = True


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


def candidates_of(
    names: list[str],
    slices: SliceSet,
    *,
    split: str,
    cohorts: list[str] | None,
    seed: int,
    steps: int | None,
    quiet: bool,
) -> list[Candidate]:
    """Make or read the synthetic slices of every candidate.

    Raises
    ------
    InputError
        If a name is given twice, is neither a model nor data, or a file is at fault.
    """
    if len(set(names)) < len(names):
        raise InputError("a candidate is named twice; name each once.")
    return [
        _read(name, quiet=quiet)
        if "=" in name
        else _make(name, slices, split, cohorts, seed, steps, quiet=quiet)
        for name in names
    ]


def _read(source: str, *, quiet: bool) -> Candidate:
    from cmr_synth.cohorts.registry import parse_sources
    from cmr_synth.evaluation.sample import read_sample

    ((cohort, folder),) = parse_sources([source])
    with progress(f"read {folder.name}", quiet=quiet) as tell:
        for event in read_sample(cohort, folder):
            if isinstance(event, str):
                tell(None, event)
            else:
                return Candidate(folder.name, None, event, paired=False)
    raise AssertionError("reading ends with a sample")


def _make(
    name: str,
    slices: SliceSet,
    split: str,
    cohorts: list[str] | None,
    seed: int,
    steps: int | None,
    *,
    quiet: bool,
) -> Candidate:
    from cmr_synth.evaluation.held_out import follows_masks
    from cmr_synth.evaluation.sample import Sample, counterparts_of
    from cmr_synth.generators import zoo

    entry = zoo.find(name)
    model = zoo.load(entry.folder)
    index = slices.where(split=split, cohorts=cohorts)
    if not len(index):
        raise InputError(f"the slice set has no {split} slices of {cohorts or 'any cohort'}.")
    masked = follows_masks(model.generator)
    with progress(f"make {entry.name}", quiet=quiet) as tell:
        for event in counterparts_of(
            model.generator,
            slices,
            index,
            name=entry.name,
            seed=seed,
            steps=steps or model.card.default_steps,
        ):
            if isinstance(event, Sample):
                return Candidate(entry.name, model.card.sha256, event, masked, masked)
            tell(event.step / event.steps, f"{event.step} of {event.steps} slices")
    raise AssertionError("making ends with a sample")
