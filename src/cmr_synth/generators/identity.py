"""One hash of a model: over its card, its configuration, its weights and every further file.

The card names the SHA-256 of `config.json` and of `weights.safetensors`, and the weights name those
of all further files. So a hash over the fields of the card changes with every bit that makes
pictures and with every word that is said of them: licence, limits, epsilon, figures. It is taken
over their canonical JSON (RFC 8785), so that neither the order nor the look of the YAML matters.

The zoo keeps it beside the folder of a model, in `NAME.identity`: for bundled models it travels
with the package, for added ones it is written when they are added.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import rfc8785

from cmr_synth.errors import InputError
from cmr_synth.files import write_file
from cmr_synth.generators.card import Card

SUFFIX = ".identity"


def identity_of(card: Card) -> str:
    """The hash of the model that this card describes, in hexadecimal.

    Fields that have their default are left out: it is the same whether they are stated or not, and
    stays the same when a later version knows more fields.

    Raises
    ------
    InputError
        If the card holds a whole number that JSON does not hold exactly.
    """
    try:
        fields = card.model_dump(mode="json", exclude_defaults=True)
        return hashlib.sha256(rfc8785.dumps(fields)).hexdigest()
    except (rfc8785.CanonicalizationError, ValueError, RecursionError) as error:
        raise InputError(
            f"the card of {card.name!r} has no hash ({error}); correct the card or get the model "
            "again."
        ) from error


def record(card: Card, folder: Path) -> None:
    """Write down what the card in this folder of the zoo is to be from now on."""
    with write_file(_beside(folder)) as temporary:
        temporary.write_text(identity_of(card) + "\n", encoding="ascii")


def require_recorded(card: Card, folder: Path) -> None:
    """Compare a card of the zoo with what was written down of it.

    Raises
    ------
    InputError
        If it is another, or nothing was written down.
    """
    path = _beside(folder)
    try:
        known = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not readable, so that nothing tells whether {folder.name!r} was changed; get "
            "the model again, and add it with `cmr-synth zoo add`."
        ) from error
    found = identity_of(card)
    if found != known:
        raise InputError(
            f"{folder / 'card.yaml'}: was changed; the model's hash would be {found[:16]}..., but "
            f"{path.name} says {known[:16]}... Get the model again."
        )


def require_identity(card: Card, wanted: str, what: str) -> None:
    """Compare a model with the one hash that somebody was given for it.

    Raises
    ------
    InputError
        If it is another, or only the hash of its weights.
    """
    found = identity_of(card)
    if wanted == found:
        return
    if wanted == card.sha256:
        raise InputError(
            f"{what}: {wanted[:16]}... is the SHA-256 of the weights alone, which leaves card and "
            "configuration open; give the model's one hash, which `cmr-synth zoo show` prints."
        )
    raise InputError(
        f"{what}: the model's hash is {found[:16]}..., but you gave {wanted[:16]}...; card, "
        "configuration or weights are damaged or were exchanged. Get the model again."
    )


def _beside(folder: Path) -> Path:
    return folder.with_name(folder.name + SUFFIX)
