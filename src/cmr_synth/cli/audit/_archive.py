"""What audits against an archive share: its option, and the proof of what they can see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmr_synth.cli.console import followed

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
    """Plant copies and look for them; none without pixels or enough held-out patients."""
    from cmr_synth.evaluation.events import titled
    from cmr_synth.privacy.certificate import certify

    if archive.calibration is None or archive.calibration.too_few or archive.pixels is None:
        return None
    events = certify(archive, archive.calibration, detector, copies=copies)
    certificate: Certificate
    (certificate,) = followed(titled("plant copies", events, of="kinds"), quiet=quiet)
    return certificate
