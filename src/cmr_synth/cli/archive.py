"""`cmr-synth archive`: the real slices that nothing synthetic may be too close to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, progress, result
from cmr_synth.errors import InputError

app = typer.Typer(help="Reference archives of real slices: build, check.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="ARCHIVE", help="Folder of an archive.")]


@app.command()
def build(
    slices: Annotated[Path, typer.Option(help="A slice set from `cohort prepare`.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the archive.")],
    split: Annotated[
        str, typer.Option(help="Patients to archive: train, as generators were trained on.")
    ] = "train",
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            "--held-out",
            help="Splits whose distances calibrate p-values; by default all others.",
        ),
    ] = None,
    cohort: Annotated[
        list[str] | None, typer.Option("--cohort", help="Cohorts; by default all.")
    ] = None,
    pixels: Annotated[
        bool, typer.Option("--pixels/--no-pixels", help="Keep the slices, or descriptors alone.")
    ] = True,
    key_file: Annotated[
        Path | None,
        typer.Option(help="File with a secret: identifiers become keyed hashes (HMAC-SHA-256)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Build an archive; only its owner may read the files.

    \b
    Example:
      cmr-synth archive build --slices prepared --out archive
    """
    from cmr_synth.cohorts.slices import open_slice_set
    from cmr_synth.evaluation.sample import joined, real_sample
    from cmr_synth.privacy.archive import Archive
    from cmr_synth.privacy.archive import build as write
    from cmr_synth.privacy.copy_detector import CopyDetector

    key = None
    if key_file is not None:
        key = key_file.read_bytes().strip()
        if len(key) < 16:
            raise InputError(f"{key_file}: holds {len(key)} bytes; a secret has 16 at least.")
    opened = open_slice_set(slices)
    real = real_sample(opened, split, cohort)
    others = held_out or sorted({row.split for row in opened.rows} - {split})
    parts = [real_sample(opened, name, cohort) for name in others]
    with progress("build", quiet=as_json) as tell:
        for event in write(
            real,
            out,
            CopyDetector.load(),
            held_out=joined(parts, name="the held-out patients") if parts else None,
            pixels=pixels,
            key=key,
        ):
            if isinstance(event, Archive):
                archive = event
            else:
                tell(event.step / event.steps, f"{event.step} of {event.steps} slices")
    count = archive.calibration.count if archive.calibration else 0
    facts = {
        "folder": str(out),
        "slices": len(archive),
        "patients": len(archive.starts),
        "held_out_patients": count,
        "sha256": archive.hash,
    }
    lines = [
        f"{out}: {len(archive)} slices of {len(archive.starts)} patients, calibrated on {count} "
        "held-out patients"
    ]
    result(facts, lines, as_json=as_json)


@app.command()
def check(folder: Folder, as_json: Json = False) -> None:
    """Compare every file with its hash, and look for one person under two names.

    \b
    Example:
      cmr-synth archive check archive
    """
    from cmr_synth.privacy.archive import near_duplicates, open_archive

    archive = open_archive(folder)
    pairs = near_duplicates(archive)
    facts = {
        "folder": str(folder),
        "slices": len(archive),
        "patients": len(archive.starts),
        "near_identical": [
            {"patients": [one, other], "distance": round(apart, 4)} for one, other, apart in pairs
        ],
    }
    lines = [f"{folder}: {len(archive)} slices of {len(archive.starts)} patients, files intact"]
    lines += [f"near-identical: {one} and {other} ({apart:.3f})" for one, other, apart in pairs]
    lines += [] if pairs else ["no near-identical slices under different patients"]
    result(facts, lines, as_json=as_json)
