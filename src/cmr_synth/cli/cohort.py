"""`cmr-synth cohort`: data sets of patients, looked over and prepared for training."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmr_synth.cli.cines import prepare_cines
from cmr_synth.cli.console import Interrupted, Json, fail, progress, remark, result
from cmr_synth.errors import InputError

if TYPE_CHECKING:
    from cmr_synth.cohorts.preparing import Preparing
    from cmr_synth.processes import Processes

_NOTHING = "interrupted; nothing was done yet."


class Normalisation(str, Enum):
    """Names of the engine, which is not imported for help; a test compares them."""

    percentile = "percentile"
    percentile_2_98 = "percentile-2-98"
    minmax = "minmax"
    zscore = "zscore"
    n4 = "n4"
    around_heart = "around-heart"


app = typer.Typer(help="Patient data sets: list, check, prepare.", no_args_is_help=True)

Sources = Annotated[
    list[str],
    typer.Argument(metavar="NAME=PATH", help="A cohort and its folder; several may follow."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with code 1 if anything is left out.")]


@app.command("list")
def list_cohorts(as_json: Json = False) -> None:
    """List the data sets that can be read.

    \b
    Example:
      cmr-synth cohort list
    """
    from cmr_synth.cohorts.registry import cohorts, load_cohort

    facts: list[dict[str, Any]] = []
    lines = []
    for name in cohorts():
        try:
            cohort = load_cohort(name)
        except InputError as error:  # one broken package must not hide the others
            facts.append({"name": name, "problem": str(error)})
            lines.append(f"{name:<12} {error}")
            continue
        fields = ("title", "vendor", "licence", "citation", "asked_for")
        facts.append({"name": name} | {field: getattr(cohort, field) for field in fields})
        lines.append(f"{name:<12} {cohort.title} ({cohort.licence})")
    result({"cohorts": facts}, lines, as_json=as_json)


@app.command()
def check(
    sources: Sources,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for a page, all numbers, and a contact sheet of every patient."
        ),
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Print a row for every examination, too.")
    ] = False,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Read every examination and report what is there, left out, and unusual.

    \b
    Example, on ACDC as its authors publish it:
      cmr-synth cohort check acdc=ACDC/training --out looked-over
    """
    from cmr_synth.cohorts.check import Checked
    from cmr_synth.cohorts.check import check as check_cohort
    from cmr_synth.cohorts.registry import parse_sources
    from cmr_synth.reports.cohort import (
        PatientSheets,
        cohort_content,
        cohort_data,
        examinations_table,
    )
    from cmr_synth.reports.output import write_report
    from cmr_synth.reports.text import aligned, lines_of

    checked: dict[str, Checked] = {}
    with progress("check", quiet=as_json) as tell:
        for name, root in parse_sources(sources):
            sheets = PatientSheets(out / "sheets" / name) if out is not None else None
            checked[f"{name} in {root}"] = check_cohort(
                name,
                root,
                progress=lambda line: tell(None, line),
                show=sheets.add if sheets is not None else None,
            )
            if sheets is not None:
                sheets.close()
    content = cohort_content(checked)
    lines = lines_of(content)
    if table:
        for one in checked.values():
            lines += ["", *aligned(examinations_table(one.examinations))]
    if out is not None:
        lines.append(str(out / write_report(out, content, name="cohort")["page"]))
    result(cohort_data(checked), lines, as_json=as_json)
    if strict and any(one.left_out for one in checked.values()):
        fail("files are left out, see above; mend or move them, or do without --strict.")


@app.command()
def prepare(
    sources: Sources,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the slice set; replaced if there.")
    ],
    complete: Annotated[
        bool,
        typer.Option(help="Let the bundled segmenter fill in structures that were not drawn."),
    ] = True,
    seed: Annotated[int, typer.Option(help="Of the split into training and test patients.")] = 0,
    normalisation: Annotated[
        Normalisation,
        typer.Option(
            help="What grey values mean: percentiles, range or z-score of the volume, percentiles "
            "after the bias field is taken out (n4), or hearts of all scanners alike "
            "(around-heart)."
        ),
    ] = Normalisation.around_heart,
    shape: Annotated[
        tuple[int, int], typer.Option(help="Rows and columns of the networks to be trained.")
    ] = (128, 128),
    spacing: Annotated[float, typer.Option(help="Pixel size in mm.")] = 1.5,
    central: Annotated[
        int | None,
        typer.Option(help="Take so many slices in the middle of each heart; without it, all."),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 1,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Put every labelled slice on one grid, split by patient, ready for training.

    What was interrupted goes on with the same command. Under `accelerate launch` the processes
    share the work.

    \b
    Example, on ACDC as its authors publish it:
      cmr-synth cohort prepare acdc=ACDC/training --out slices
    """
    from cmr_synth.cohorts.prepare import unfinished
    from cmr_synth.cohorts.preparing import Preparing
    from cmr_synth.processes import EndedElsewhere, joined
    from cmr_synth.training.recipe import checked

    stated = {
        "normalisation": normalisation.value,
        "shape": shape,
        "spacing_mm": spacing,
        "central": central,
    }
    choices = checked(Preparing, stated, where="cohort prepare")
    try:
        with joined() as group:
            facts = prepare_slices(
                sources,
                out,
                choices=choices,
                complete=complete,
                seed=seed,
                strict=strict,
                jobs=jobs,
                group=group,
                quiet=as_json or not group.is_main,
            )
    except EndedElsewhere:
        sys.exit(1)
    except (Interrupted, KeyboardInterrupt):
        kept = unfinished(out)
        fail(f"interrupted; the same command goes on from {kept}." if kept.exists() else _NOTHING)
    if not facts:
        return
    counts = ", ".join(f"{count} {split}" for split, count in facts["slices"].items())
    result(facts, [f"{out}: {counts} slices"], as_json=as_json)


def prepare_slices(
    sources: list[str],
    out: Path,
    *,
    complete: bool,
    choices: Preparing | None = None,
    seed: int = 0,
    strict: bool = False,
    jobs: int = 1,
    group: Processes | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Prepare a slice set, tell what was left out, and count the slices by split.

    Of processes launched together all come to it, and the first one has something to tell.
    """
    from cmr_synth.cohorts.examination import LeftOut
    from cmr_synth.cohorts.prepare import prepare as run
    from cmr_synth.cohorts.reading import told
    from cmr_synth.cohorts.registry import parse_sources
    from cmr_synth.cohorts.slices import open_slice_set
    from cmr_synth.cohorts.splits import SPLITS
    from cmr_synth.judges.completion import completed
    from cmr_synth.processes import ALONE

    group = group or ALONE
    with progress("prepare", quiet=quiet) as tell:
        completion = completed if complete else None
        for line in run(
            parse_sources(sources),
            out,
            choices=choices,
            complete=completion,
            seed=seed,
            strict=strict,
            jobs=jobs,
            group=group,
        ):
            tell(None, line)
    if not group.is_main:
        return {}
    slices = open_slice_set(out)
    for name, facts in slices.about["cohorts"].items():
        for line in told(LeftOut(**one) for one in facts["left_out"]):
            remark(f"{name}: {line}")
    counts = {split: len(slices.where(split=split, contrast=None)) for split in SPLITS}
    empty = [split for split, count in counts.items() if not count]
    if empty:
        patients = len({(row.cohort, row.patient) for row in slices.rows})
        remark(f"no slice is for {' and '.join(empty)}: {patients} patients in all are too few.")
    return {"folder": str(out), "slices": counts, "cohorts": slices.about["cohorts"]}


app.command("prepare-cines")(prepare_cines)
