"""`cmr-synth covariate`: scans at another age or body mass index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cmr_synth.cli.console import Json, progress, remark, result
from cmr_synth.errors import InputError


def covariate(
    scans: Annotated[
        list[Path], typer.Argument(metavar="SCAN", help="NIfTI files, DICOM files or folders.")
    ],
    model: Annotated[
        Path, typer.Option("--model", help="Folder that `train covariate-gan` wrote.")
    ],
    wanted: Annotated[
        list[str],
        typer.Option("--covariate", metavar="NAME=NUMBER", help="Asked for, such as bmi=32."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the scans and their records.")],
    now: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="The person's own, such as bmi=24; by default from height and weight in Info.cfg "
            "beside the scan.",
        ),
    ] = None,
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            help="Mask of each scan, in their order. Without, the bundled segmenter finds where "
            "the heart is."
        ),
    ] = None,
    labels: Annotated[
        str, typer.Option(help="What the masks' numbers mean: acdc, mnms, ukbb, auto.")
    ] = "auto",
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps.")] = None,
    as_json: Json = False,
) -> None:
    """Change scans to another age or body mass index, as far as a network learned what that does.

    What comes out is a real patient's picture that was altered, and is marked so.

    \b
    Example, after `cmr-synth train covariate-gan --slices prepared --out runs/bmi`:
      cmr-synth covariate patient.nii.gz --model runs/bmi --now bmi=24 --covariate bmi=32 --out out
    """
    from cmr_synth.cli.adapt import found_heart
    from cmr_synth.cohorts.covariates import with_bmi
    from cmr_synth.files import staged
    from cmr_synth.generators.covariate_gan.changer import CovariateChanger
    from cmr_synth.imaging.masks import read_mask, unique_stems
    from cmr_synth.imaging.readers import read_scan
    from cmr_synth.synthesis.at_covariates import at_covariates, write_at_covariates
    from cmr_synth.synthesis.requested import body_of

    if mask and len(mask) != len(scans):
        raise InputError(f"--mask: {len(mask)} given for {len(scans)} scans; give one for each.")
    asked, own = (_numbers(given, option) for given, option in
                  ((wanted, "--covariate"), (now or [], "--now")))  # fmt: skip
    changer = CovariateChanger.load(model, device=device or "cpu")
    known = [one.name for one in changer.config.covariates]
    facts: list[dict[str, Any]] = []
    lines: list[str] = []
    told: set[str] = set()
    with progress("covariate", quiet=as_json) as tell, staged(out) as folder:
        for number, (path, stem) in enumerate(zip(scans, unique_stems(scans), strict=True)):
            scan = read_scan(path)
            beside = {name: v for name, v in with_bmi(body_of(path)).items() if name in known}
            if mask:
                read = read_mask(mask[number], convention=None if labels == "auto" else labels)
                heart, whose = read.scan, read.labels
            else:
                heart, whose = found_heart(scan, str(changer.device))
            made = at_covariates(scan, heart, changer, now={**beside, **own}, wanted=asked)
            for note in (*scan.notes, *made.record["notes"]):
                if note not in told:
                    remark(note)
                told.add(note)
            name = "_".join([stem, *(f"{one}{value:g}" for one, value in asked.items())])
            about = {"file_of_scan": str(path), "mask": {"labels": whose}}
            facts.append(write_at_covariates(made, folder, name, facts=about))
            lines.append(str(out / f"{name}.nii.gz"))
            tell((number + 1) / len(scans), f"{number + 1} of {len(scans)}")
    result({"altered": facts}, lines, as_json=as_json)


def _numbers(given: list[str], option: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in given:
        name, equals, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not equals or value != value:
            raise InputError(f"{option} {text!r}: write NAME=NUMBER, such as bmi=32.")
        if name.strip().lower() in found:
            raise InputError(f"{option}: {name} is given twice; name each once.")
        found[name.strip().lower()] = value
    return found
