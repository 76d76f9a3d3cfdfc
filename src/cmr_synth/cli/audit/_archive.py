"""What audits against an archive share: its option, and the proof of what they can see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmr_synth.cli.console import progress

if TYPE_CHECKING:
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive import Archive
    from cmr_synth.privacy.certificate import Certificate

ArchiveFolder = Annotated[Path, typer.Option("--archive", help="From `archive build`.")]
Copies = Annotated[
    int, typer.Option(min=20, help="Copies of each kind planted to prove the audit.")
]


def certificate_of(
    archive: Archive, detector: CopyDetector, copies: int, *, quiet: bool
) -> Certificate | None:
    """Plant copies and look for them; none without pixels or held-out patients."""
    from cmr_synth.privacy.certificate import Certificate, certify

    if archive.calibration is None or archive.pixels is None:
        return None
    with progress("plant copies", quiet=quiet) as tell:
        for event in certify(archive, archive.calibration, detector, copies=copies):
            if isinstance(event, Certificate):
                return event
            tell(event.step / event.steps, f"{event.step} of {event.steps} kinds")
    raise AssertionError("planting ends with a certificate")
