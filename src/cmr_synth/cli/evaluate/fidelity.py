"""`cmr-synth evaluate fidelity`: how near synthetic slices are to those of real patients."""

from __future__ import annotations

from itertools import chain
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


def fidelity(
    candidates: Candidates,
    out: Out,
    data: Data = None,
    slices: Slices = None,
    split: Split = "test",
    cohort: Cohort = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            "--features",
            help="encoder, segmenter, radiomics, an encoder's folder, or InceptionV3's weights "
            "as .safetensors; may be repeated.",
        ),
    ] = None,
    two_sample: Annotated[
        bool, typer.Option(help="Train a classifier to tell synthetic from real.")
    ] = True,
    null: Annotated[
        bool,
        typer.Option(
            help="Let every model make its slices twice and compare them with each other: what no "
            "difference reads as. Takes as long as making them."
        ),
    ] = True,
    reconstruction: Annotated[
        bool,
        typer.Option(
            "--reconstruction",
            help="Judge what the autoencoders of latent models make of real slices, too.",
        ),
    ] = False,
    seed: Seed = 2026,
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Distribution metrics, image metrics and a two-sample test against held-out patients.

    \b
    Example, two models on patients that neither has seen:
      cmr-synth evaluate fidelity flow ddpm --slices prepared --cohort acdc --out fidelity

    \b
    Images of another program, with the masks they were made from:
      cmr-synth evaluate fidelity folder=made --slices prepared --out fidelity
    """
    check_options(data, slices, split)
    from cmr_synth.evaluation.candidates import candidates as made_by
    from cmr_synth.evaluation.candidates import reconstructions
    from cmr_synth.evaluation.protocol import Protocol
    from cmr_synth.evaluation.realism.spaces import open_space
    from cmr_synth.evaluation.setting import Setting
    from cmr_synth.reports.fidelity import fidelity_content

    spaces = [open_space(name) for name in dict.fromkeys(features or ["encoder"])]
    opened = open_slices(data, slices, out, complete=True, quiet=as_json)
    setting = Setting(slices=opened, split=split, cohorts=cohort, seed=seed, steps=steps, null=null)
    asked = made_by(candidates, setting)
    if reconstruction:
        asked = chain(asked, reconstructions(candidates, setting))
    without = () if two_sample else ("two_sample_auc",)
    protocol = Protocol(setting=setting, spaces=spaces, without=without)
    measured = list(followed(protocol.fidelity(asked), quiet=as_json))
    if any(one.pictures.paired is None for one in measured):
        remark("images of no counterparts have no paired metrics")
    content = fidelity_content(setting.held_out, setting.training, measured, split=split, seed=seed)
    report(content, out, as_json=as_json, show_page=True)
