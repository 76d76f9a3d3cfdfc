"""`cmr-synth archive`: the real slices that nothing synthetic may be too close to."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmr_synth.cli.console import Json, followed, result
from cmr_synth.cli.options import Data, Slices, check_source
from cmr_synth.errors import InputError

if TYPE_CHECKING:
    from cmr_synth.cohorts.slices import SliceSet
    from cmr_synth.privacy.archive import Archive

app = typer.Typer(
    help="Reference archives of real slices: build, change, check.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Argument(metavar="ARCHIVE", help="Folder of an archive.")]
Split = Annotated[
    str, typer.Option(help="Patients to archive: train, as generators were trained on.")
]
Cohort = Annotated[list[str] | None, typer.Option("--cohort", help="Cohorts; by default all.")]
KeyFile = Annotated[
    Path | None,
    typer.Option(help="File with a secret: identifiers become keyed hashes (HMAC-SHA-256)."),
]


@app.command()
def build(
    out: Annotated[Path, typer.Option("--out", help="Folder for the archive.")],
    data: Data = None,
    slices: Slices = None,
    split: Split = "train",
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            "--held-out",
            help="Splits whose distances calibrate p-values; by default all others.",
        ),
    ] = None,
    cohort: Cohort = None,
    pixels: Annotated[
        bool, typer.Option("--pixels/--no-pixels", help="Keep the slices, or descriptors alone.")
    ] = True,
    key_file: KeyFile = None,
    as_json: Json = False,
) -> None:
    """Build an archive; only its owner may read the files.

    Under `accelerate launch` the processes share the work.

    \b
    Example:
      cmr-synth archive build --slices prepared --out archive
      cmr-synth archive build --data folder=patients --out archive
    """
    check_source(data, slices)
    from cmr_synth.privacy.archive_of import archive_of
    from cmr_synth.processes import EndedElsewhere
    from cmr_synth.processes import joined as launched

    key = _key(key_file)
    try:
        with (
            launched() as group,
            _opened(data, slices, out, alone=group.count == 1, quiet=as_json) as opened,
        ):
            events = archive_of(
                opened,
                out,
                split=split,
                held_out=held_out,
                cohorts=cohort,
                pixels=pixels,
                key=key,
                group=group,
            )
            quiet = as_json or not group.is_main
            made = list(followed(events, quiet=quiet))
    except EndedElsewhere:
        sys.exit(1)
    for archive in made:  # one, on the process that writes
        _tell(archive, as_json)


@app.command()
def add(
    folder: Folder,
    data: Data = None,
    slices: Slices = None,
    split: Split = "train",
    cohort: Cohort = None,
    key_file: KeyFile = None,
    as_json: Json = False,
) -> None:
    """Let patients in, and calibrate again; those who are there already are replaced.

    \b
    Example:
      cmr-synth archive add archive --slices prepared-2026
    """
    check_source(data, slices)
    from cmr_synth.evaluation.events import titled
    from cmr_synth.evaluation.sample import real_sample
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive import open_archive
    from cmr_synth.privacy.archive_writer import add as write

    archive = open_archive(folder)
    with _opened(data, slices, folder, alone=True, quiet=as_json) as opened:
        real = real_sample(opened, split, cohort)
        events = write(archive, real, CopyDetector.load(), key=_key(key_file))
        (archive,) = followed(titled("add", events), quiet=as_json)
    _tell(archive, as_json)


@app.command()
def remove(
    folder: Folder,
    patients: Annotated[
        list[str], typer.Argument(metavar="PATIENT...", help="As `slices.csv` names them.")
    ],
    key_file: KeyFile = None,
    as_json: Json = False,
) -> None:
    """Let patients out, and calibrate again without them.

    Principal components are fitted again where the archive holds pixels; otherwise it says that
    those who left are still part of them.

    \b
    Example:
      cmr-synth archive remove archive "acdc patient001"
    """
    from cmr_synth.privacy.archive import open_archive
    from cmr_synth.privacy.archive_writer import remove as write

    _tell(write(open_archive(folder), patients, key=_key(key_file)), as_json)


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
    facts = _facts(archive) | {
        "near_identical": [
            {"patients": [one, other], "distance": round(apart, 4)} for one, other, apart in pairs
        ],
    }
    lines = [f"{folder}: {len(archive)} slices of {len(archive.starts)} patients, files intact"]
    lines += [f"near-identical: {one} and {other} ({apart:.3f})" for one, other, apart in pairs]
    lines += [] if pairs else ["no near-identical slices under different patients"]
    lines += [f"note: {words}" for words in archive.remarks]
    result(facts, lines, as_json=as_json)


def _key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a readable file.") from (
            error
        )
    if len(key) < 16:
        raise InputError(f"{path}: holds {len(key)} bytes; a secret has 16 at least.")
    return key


@contextmanager
def _opened(
    data: list[str] | None, slices: Path | None, out: Path, *, alone: bool, quiet: bool
) -> Iterator[SliceSet]:
    """The slice set given, or one prepared from --data, which is gone at the end."""
    from cmr_synth.cli.cohort import prepare_slices
    from cmr_synth.cohorts.slices import open_slice_set

    if slices is not None:
        yield open_slice_set(slices)
        return
    if not alone:
        raise InputError("--data cannot be shared; run `cmr-synth cohort prepare`, give --slices.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=out.parent, prefix=".partial-")
    except OSError as error:
        raise InputError(
            f"{out.parent}: cannot be written ({error.strerror}); choose another folder."
        ) from error
    with scratch as folder:
        prepare_slices(data or [], Path(folder) / "slices", complete=True, quiet=quiet)
        yield open_slice_set(Path(folder) / "slices")


def _facts(archive: Archive) -> dict[str, object]:
    return {
        "folder": str(archive.folder),
        "slices": len(archive),
        "patients": len(archive.starts),
        "held_out_patients": archive.calibration.count if archive.calibration else 0,
        "sha256": archive.hash,
        "remarks": list(archive.remarks),
    }


def _tell(archive: Archive, as_json: bool) -> None:
    facts = _facts(archive)
    lines = [
        f"{archive.folder}: {len(archive)} slices of {len(archive.starts)} patients, calibrated on "
        f"{facts['held_out_patients']} held-out patients",
        *(f"note: {words}" for words in archive.remarks),
    ]
    result(facts, lines, as_json=as_json)
