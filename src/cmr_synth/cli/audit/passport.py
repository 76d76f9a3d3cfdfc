"""`cmr-synth audit passport`: a signed page on the privacy of an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.audit._archive import ArchiveFolder, Copies, certificate_of
from cmr_synth.cli.console import Json, progress, remark, result


def passport(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="NIfTI images of `synthesize`.")
    ],
    archive: ArchiveFolder,
    key: Annotated[Path, typer.Option(help="Private ed25519 key, OpenSSH or PEM.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for passports and pages.")],
    mask: Annotated[
        Path | None,
        typer.Option(help="Mask that the images were made from; none for 128 x 128 at 1.5 mm."),
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Show the nearest patients on the page.")
    ] = False,
    reproduce: Annotated[
        bool,
        typer.Option(
            help="Make each image again from its record; else what that says is called stated."
        ),
    ] = True,
    copies: Copies = 100,
    as_json: Json = False,
) -> None:
    """Issue a signed privacy passport for each image: JSON, and a page to read.

    Model, vendor and epsilon are called reproduced where the image, made again, has equal pixels.

    \b
    Example:
      ssh-keygen -t ed25519 -N '' -f key
      cmr-synth audit passport out/heart_1.nii.gz --mask heart.nii.gz --archive archive --key key \\
        --out passports
    """
    from functools import cache

    from cmr_synth.generators import zoo
    from cmr_synth.imaging.masks import read_mask, unique_stems
    from cmr_synth.privacy.archive import open_with_detector
    from cmr_synth.privacy.audit import audit_neighbours
    from cmr_synth.privacy.origin import origin_of
    from cmr_synth.privacy.signature import read_private_key
    from cmr_synth.privacy.subject import read_subject
    from cmr_synth.reports.passport import write_passport

    signer = read_private_key(key)
    unique_stems(images)
    opened, detector = open_with_detector(archive)
    drawn = read_mask(mask) if mask is not None else None
    subjects = [read_subject(path, drawn) for path in images]
    if pictures and opened.pixels is None:
        remark(f"{archive} holds no pixels; the pages show no patients.")
    load = cache(lambda name, device: zoo.load(name, device=device))
    certificate = certificate_of(opened, detector, copies, quiet=as_json)
    made = []
    with progress("search", quiet=as_json) as tell:
        for number, subject in enumerate(subjects, start=1):
            found = audit_neighbours(subject.sample, opened, detector, certificate)
            origin = origin_of(subject, load=load if reproduce else None)
            document, path = write_passport(
                out,
                subject,
                found,
                opened,
                certificate,
                signer,
                origin=origin,
                pictures=pictures,
            )
            made.append(
                {
                    "passport": str(path),
                    "verdict": document["verdict"],
                    "origin": document["origin"],
                }
            )
            tell(number / len(subjects), subject.path.name)
    lines = []
    for one in made:
        lines += [f"{one['passport']}: {one['verdict']}", f"origin: {one['origin']['words']}"]
    result({"folder": str(out), "passports": made}, lines, as_json=as_json)
