"""`cmr-synth reconstruct`: pictures from under-sampled k-space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cmr_synth.cli.console import Json, progress, remark, result
from cmr_synth.errors import InputError


def reconstruct(
    scans: Annotated[
        list[Path],
        typer.Argument(
            metavar="SCAN",
            help="Magnitude scans (NIfTI, DICOM), which are measured again in simulation; or raw "
            "data (ISMRMRD, .h5).",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the scans and their records.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="zero-filled, compressed-sensing, or a model trained by `train reccgan`, by its "
            "folder or its name in the zoo; may be repeated. By default compressed-sensing.",
        ),
    ] = None,
    acceleration: Annotated[
        float | None,
        typer.Option(
            help="All samples over those measured; by default 4. Raw data are taken as measured, "
            "unless it is given."
        ),
    ] = None,
    sampling: Annotated[
        str | None, typer.Option(help="cartesian (the default) or radial, on the grid.")
    ] = None,
    coils: Annotated[int | None, typer.Option(help="Of the simulated scanner; default 4.")] = None,
    noise: Annotated[
        float | None,
        typer.Option(help="Of each simulated coil, the brightest pixel being 1; default 0.01."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of phases, coils, noise and samples.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps, for models.")] = None,
    as_json: Json = False,
) -> None:
    """Reconstruct under-sampled k-space, simulated from a scan or measured by a scanner.

    What is made of a real patient's scan is marked as altered, and says beside its record how near
    to the fully sampled scan it is.

    \b
    Example:
      cmr-synth reconstruct patient.nii.gz --acceleration 4 --sampling radial --out faster

    \b
    Three ways side by side, after `cmr-synth train reccgan --slices prepared --out runs/reccgan`:
      cmr-synth reconstruct patient.nii.gz --model zero-filled --model compressed-sensing \\
          --model runs/reccgan --acceleration 8 --out faster
    """
    from cmr_synth.files import require_path, staged
    from cmr_synth.imaging.ismrmrd import is_raw, read_raw
    from cmr_synth.imaging.masks import is_synthetic, unique_stems
    from cmr_synth.imaging.readers import read_scan
    from cmr_synth.reconstruction.acquisition import COILS, NOISE, Scanner
    from cmr_synth.reconstruction.methods import open_method
    from cmr_synth.reconstruction.sampling import Sampling
    from cmr_synth.reconstruction.scans import (
        Reconstructed,
        reconstruct_raw,
        reconstruct_scan,
        write_reconstructed,
    )

    how = Sampling(pattern=sampling or "cartesian", acceleration=acceleration or 4.0)
    scanner = Scanner(
        coils=COILS if coils is None else coils, noise=NOISE if noise is None else noise
    )
    methods = [open_method(name, device=device) for name in model or ["compressed-sensing"]]
    if len({method.name for method in methods}) < len(methods):
        raise InputError(
            "--model: two have one name; give models whose cards have different names."
        )
    facts: list[dict[str, Any]] = []
    lines: list[str] = []
    with progress("reconstruct", quiet=as_json) as tell, staged(out) as folder:
        for number, (path, stem) in enumerate(zip(scans, unique_stems(scans), strict=True)):
            require_path(path)
            if is_raw(path):
                if coils is not None or noise is not None or (sampling and acceleration is None):
                    raise InputError(
                        f"{path}: is raw data, whose coils, noise and samples are the scanner's; "
                        "leave out --coils, --noise, and --sampling without --acceleration."
                    )
                raw = read_raw(path)
                notes = raw.notes
                steps = reconstruct_raw(raw, methods, how if acceleration else None, seed=seed)
            else:
                scan = read_scan(path)
                notes = scan.notes
                steps = reconstruct_scan(
                    scan, methods, how, scanner, seed=seed, synthetic=is_synthetic(path)
                )
            for note in notes:
                remark(note)
            names = iter(methods)
            for step in steps:
                if not isinstance(step, Reconstructed):
                    done = (number + step.step / step.steps) / len(scans)
                    tell(done, f"{number + 1} of {len(scans)}")
                    continue
                name = f"{stem}_{next(names).name}"
                about = {"file_of_scan": str(path)}
                record = write_reconstructed(step, folder, name, facts=about)
                facts.append(record)
                lines.append(_line(out / f"{name}.nii.gz", record))
    result({"reconstructed": facts}, lines, as_json=as_json)


def _line(path: Path, record: dict[str, Any]) -> str:
    near = record.get("beside_fully_sampled")
    if not near:
        return str(path)
    figures = [f"NMSE {near['nmse']:.4f}", f"PSNR {near['psnr_db']:.1f} dB"]
    return f"{path}: {', '.join(figures)}, SSIM {near['ssim']:.3f} beside the fully sampled"
