"""`cmr-synth audit neighbours`: synthetic slices beside the patients of an archive."""

from __future__ import annotations

from typing import Annotated

import typer

from cmr_synth.cli.audit._archive import ArchiveFolder, Copies, certificate_of
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
    archive: ArchiveFolder,
    out: Out,
    data: Data = None,
    slices: Slices = None,
    split: Split = "test",
    cohort: Cohort = None,
    copies: Copies = 100,
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
    from cmr_synth.privacy.archive import open_with_detector
    from cmr_synth.privacy.audit import NeighbourAudit, audit_neighbours
    from cmr_synth.privacy.explain import explain
    from cmr_synth.reports.privacy import write_neighbours

    opened, detector = open_with_detector(archive)
    real = open_slices(data, slices, out, complete=True, quiet=as_json)
    made = candidates_of(
        candidates, real, split=split, cohorts=cohort, seed=seed, steps=steps, quiet=as_json
    )
    certificate = certificate_of(opened, detector, copies, quiet=as_json)
    audits = []
    for name, one in zip(candidates, made, strict=True):
        with progress(f"{one.name}: search", quiet=as_json):
            found = audit_neighbours(one.sample, opened, detector, certificate, sha256=one.sha256)
        if counterfactuals and one.sha256 is not None and one.masked:
            model = zoo.load(zoo.find(name).folder)
            with progress(f"{one.name}: other pictures", quiet=as_json) as tell:
                for event in explain(
                    found,
                    opened,
                    detector,
                    model.generator,
                    count=counterfactuals,
                    seed=seed,
                    steps=steps or model.card.default_steps,
                ):
                    if isinstance(event, NeighbourAudit):
                        found = event
                    else:
                        tell(event.step / event.steps, f"{event.step} of {event.steps} slices")
        audits.append(found)
    facts, lines, files = write_neighbours(out, opened, audits, certificate, pictures=pictures)
    result({"folder": str(out), "files": files, **facts}, lines, as_json=as_json)
