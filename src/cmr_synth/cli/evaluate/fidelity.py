"""`cmr-synth evaluate fidelity`: how near synthetic slices are to those of real patients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmr_synth.cli.console import Json, progress, remark, result
from cmr_synth.cli.evaluate._candidates import (
    Candidate,
    Candidates,
    Cohort,
    Data,
    Out,
    Seed,
    Slices,
    Split,
    Steps,
    candidates_of,
    check_options,
    open_slices,
)

if TYPE_CHECKING:
    from cmr_synth.evaluation.realism.pictures import Pictures
    from cmr_synth.evaluation.sample import Sample


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
    from cmr_synth.evaluation.realism.fidelity import fidelity as measure
    from cmr_synth.evaluation.realism.spaces import open_space
    from cmr_synth.evaluation.sample import real_sample
    from cmr_synth.reports.fidelity import Measured, write_fidelity

    spaces = [open_space(name) for name in dict.fromkeys(features or ["encoder"])]
    opened = open_slices(data, slices, out, complete=True, quiet=as_json)
    held_out = real_sample(opened, split, cohort)
    other = real_sample(opened, "train", cohort)
    made = candidates_of(
        candidates, opened, split=split, cohorts=cohort, seed=seed, steps=steps, quiet=as_json
    )
    if reconstruction:
        made += _reconstructed(candidates, held_out, quiet=as_json)
    measured = []
    for one in made:
        found = []
        for space in spaces:
            with progress(f"{one.name}: {space.name}", quiet=as_json):
                found.append(measure(one.sample, held_out, other, space))
        without = () if two_sample else ("two_sample_auc",)
        seen = _pictures(one, held_out, other, without, quiet=as_json)
        measured.append(Measured(one.name, one.sha256, one.sample, found, seen))
    if any(not one.paired for one in made):
        remark("images of no counterparts have no paired metrics")
    for line in dict.fromkeys(line for one in measured for line in one.remarks):
        remark(line)
    facts, lines, files = write_fidelity(out, held_out, other, measured, split=split, seed=seed)
    result({"folder": str(out), "files": files, **facts}, lines, as_json=as_json)


def _reconstructed(names: list[str], held_out: Sample, *, quiet: bool) -> list[Candidate]:
    """A candidate for each model with an autoencoder."""
    from cmr_synth.errors import InputError
    from cmr_synth.evaluation.realism.reconstruction import has_autoencoder, reconstruction
    from cmr_synth.evaluation.sample import Sample
    from cmr_synth.generators import zoo

    found = []
    for entry in (zoo.find(name) for name in names if "=" not in name):
        model = zoo.load(entry.folder)
        if not has_autoencoder(model.generator):
            continue
        name = f"{entry.name}, reconstruction"
        with progress(name, quiet=quiet) as tell:
            for event in reconstruction(model.generator, held_out, name=name):
                if isinstance(event, Sample):
                    found.append(Candidate(name, model.card.sha256, event, paired=True))
                else:
                    tell(event.step / event.steps, f"{event.step} of {event.steps} slices")
    if not found:
        raise InputError(f"--reconstruction: none of {', '.join(names)} has an autoencoder.")
    return found


def _pictures(
    one: Candidate, held_out: Sample, other: Sample, without: tuple[str, ...], *, quiet: bool
) -> Pictures:
    from cmr_synth.evaluation.realism.pictures import Pictures, pictures

    with progress(f"{one.name}: tell from real", quiet=quiet) as tell:
        event: Any
        for event in pictures(
            one.sample,
            held_out,
            other,
            paired=one.paired,
            masked=one.masked,
            without=without,
        ):
            if isinstance(event, Pictures):
                return event
            tell(event.step / event.steps, "trainings of the classifier")
    raise AssertionError("measuring ends with its result")
