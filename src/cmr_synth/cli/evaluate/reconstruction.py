"""`cmr-synth evaluate reconstruction`: pictures from less k-space, beside the fully sampled."""

from __future__ import annotations

from typing import Annotated

import typer

from cmr_synth.cli.console import Json, followed
from cmr_synth.cli.options import Cohort, Data, Out, Seed, Slices, Split, check_options, open_slices
from cmr_synth.cli.report import report


def reconstruction(
    out: Out,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="Folders of models trained by `train reccgan`; zero-filling and compressed "
            "sensing stand beside them.",
        ),
    ] = None,
    data: Data = None,
    slices: Slices = None,
    split: Split = "test",
    cohort: Cohort = None,
    acceleration: Annotated[
        list[float] | None,
        typer.Option("--acceleration", help="May be repeated; by default 4 and 8."),
    ] = None,
    sampling: Annotated[
        list[str] | None,
        typer.Option("--sampling", help="cartesian or radial; may be repeated."),
    ] = None,
    coils: Annotated[int, typer.Option(help="Of the simulated scanner.")] = 4,
    noise: Annotated[float, typer.Option(help="Of each coil, the brightest pixel being 1.")] = 0.01,
    per_patient: Annotated[
        int | None, typer.Option(help="Slices of each patient; by default all.")
    ] = None,
    seed: Seed = 2026,
    as_json: Json = False,
) -> None:
    """NMSE, PSNR, SSIM, Fréchet distance and Dice of reconstructions from less k-space.

    \b
    Example, after `cmr-synth train reccgan --slices prepared --out runs/reccgan`:
      cmr-synth evaluate reconstruction runs/reccgan --slices prepared --out reconstructed
    """
    check_options(data, slices, split)
    from cmr_synth.evaluation.events import titled
    from cmr_synth.evaluation.undersampled import undersampled
    from cmr_synth.judges.encoder import Encoder
    from cmr_synth.judges.segmenter import Segmenter
    from cmr_synth.reconstruction.acquisition import Scanner
    from cmr_synth.reconstruction.methods import CLASSICAL, open_method
    from cmr_synth.reconstruction.sampling import Sampling
    from cmr_synth.reports.undersampled import undersampled_content

    ways = [
        Sampling(pattern=pattern, acceleration=fold)
        for pattern in sampling or ["cartesian"]
        for fold in acceleration or [4.0, 8.0]
    ]
    scanner = Scanner(coils=coils, noise=noise)
    methods = [open_method(name) for name in [*CLASSICAL, *(models or [])]]
    opened = open_slices(data, slices, out, complete=False, quiet=as_json)
    segmenter, encoder = Segmenter.load(), Encoder.load()
    events = undersampled(
        opened,
        methods,
        ways,
        scanner,
        split=split,
        cohorts=cohort,
        per_patient=per_patient,
        seed=seed,
        segmenter=segmenter,
        encoder=encoder,
    )
    found = list(followed(titled("reconstruct", events, of="reconstructions"), quiet=as_json))
    content = undersampled_content(
        found,
        split=split,
        scanner={"coils": coils, "noise": noise},
        methods=[method.facts for method in methods],
        seed=seed,
        judges={"Segmenter": segmenter.hash, "Encoder": encoder.hash},
    )
    report(content, out, as_json=as_json, show_page=True)
