"""`cmr-synth audit neighbours`: synthetic slices beside the patients of an archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, progress, result
from cmr_synth.cli.evaluate._candidates import (
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


def neighbours(
    candidates: Candidates,
    archive: Annotated[Path, typer.Option(help="From `archive build`.")],
    out: Out,
    data: Data = None,
    slices: Slices = None,
    split: Split = "test",
    cohort: Cohort = None,
    copies: Annotated[
        int, typer.Option(min=20, help="Copies of each kind planted to prove the audit.")
    ] = 100,
    counterfactuals: Annotated[
        int,
        typer.Option(min=0, help="Other pictures made of the masks of the nearest slices."),
    ] = 9,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Show the nearest patients' slices in the report.")
    ] = False,
    seed: Seed = 2026,
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Look for copies of archived patients, and prove what would have been found.

    \b
    Example:
      cmr-synth archive build --slices prepared --out archive
      cmr-synth audit neighbours flow --archive archive --slices prepared --out audit
    """
    check_options(data, slices, split)
    from cmr_synth.generators import zoo
    from cmr_synth.privacy.archive import open_archive
    from cmr_synth.privacy.audit import Certificate, NeighbourAudit, audit_neighbours, certify
    from cmr_synth.privacy.copy_detector import CopyDetector
    from cmr_synth.privacy.counterfactual import explain
    from cmr_synth.reports.privacy import write_neighbours

    opened = open_archive(archive)
    detector = CopyDetector.load()
    opened.require_detector(detector)
    real = open_slices(data, slices, out, complete=True, quiet=as_json)
    made = candidates_of(
        candidates, real, split=split, cohorts=cohort, seed=seed, steps=steps, quiet=as_json
    )
    certificate = None
    if opened.calibration is not None and opened.pixels is not None:
        with progress("plant copies", quiet=as_json) as tell:
            for event in certify(opened, opened.calibration, detector, copies=copies):
                if isinstance(event, Certificate):
                    certificate = event
                else:
                    tell(event.step / event.steps, f"{event.step} of {event.steps} kinds")
    audits = []
    for name, one in zip(candidates, made, strict=True):
        with progress(f"{one.name}: search", quiet=as_json):
            found = audit_neighbours(one.sample, opened, detector, certificate, sha256=one.sha256)
        if counterfactuals and one.sha256 is not None and one.masked:
            model = zoo.load(zoo.find(name).folder)
            with progress(f"{one.name}: other pictures", quiet=as_json) as tell:
                for step in explain(
                    found,
                    opened,
                    detector,
                    model.generator,
                    count=counterfactuals,
                    seed=seed,
                    steps=steps or model.card.default_steps,
                ):
                    if isinstance(step, NeighbourAudit):
                        found = step
                    else:
                        tell(step.step / step.steps, f"{step.step} of {step.steps} slices")
        audits.append(found)
    facts, lines, files = write_neighbours(out, opened, audits, certificate, pictures=pictures)
    result({"folder": str(out), "files": files, **facts}, lines, as_json=as_json)
