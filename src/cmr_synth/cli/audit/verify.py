"""`cmr-synth audit verify`: does a privacy passport hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, result


def verify(
    passport: Annotated[Path, typer.Argument(help="JSON file of `audit passport`.")],
    image: Annotated[
        Path | None, typer.Option(help="The image; by default that of the name, beside it.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="Of whoever is to have signed it: OpenSSH (.pub) or PEM.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a passport: its signature, the image's pixels and geometry, and the page.

    \b
    Example:
      cmr-synth audit verify passports/heart_1.passport.json --image out/heart_1.nii.gz \\
        --public-key key.pub
    """
    from cmr_synth.privacy.passport import verify_passport
    from cmr_synth.privacy.signature import read_public_key

    key = read_public_key(public_key) if public_key is not None else None
    found = verify_passport(passport, image=image, public_key=key)
    facts = {
        "holds": True,
        "signer": found.signer,
        "verdict": found.document["verdict"],
        "origin": found.document["origin"],
        "date": found.document["date"],
        "remarks": list(found.remarks),
    }
    lines = [
        f"{passport}: holds, signed by {found.signer} on {facts['date']}",
        f"verdict: {facts['verdict']}",
        f"origin: {facts['origin']['words']}",
        *(f"note: {words}" for words in found.remarks),
    ]
    result(facts, lines, as_json=as_json)
