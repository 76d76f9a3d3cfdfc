"""The licence of a release: what follows from the data that its models learned from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cmr_synth.generators.card import Card

_KNOWN = (
    ("CC BY-NC-SA 4.0", "https://creativecommons.org/licenses/by-nc-sa/4.0/"),
    ("CC BY-NC 4.0", "https://creativecommons.org/licenses/by-nc/4.0/"),
    ("CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0/"),
    ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"),
    ("CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
)
"""The narrowest first."""


def licence_of(card: Card, masks: Sequence[str], stated: str) -> dict[str, Any]:
    """What a release may be used for.

    Parameters
    ----------
    card : Card
        Of the model.
    masks : sequence of str
        Licences of what the masks derive from; none for those of nobody.
    stated : str
        What whoever makes the release adds.

    Returns
    -------
    dict
        "words": a line; "url": of the narrowest licence that is known; "from": every licence, by
        what it is of; "stated": what was added.
    """
    sources = {"model": card.licence}
    sources |= {f"data: {use.name}": use.licence for use in card.training.cohorts}
    sources |= {f"masks {k}" if k else "masks": words for k, words in enumerate(masks)}
    narrowest = next(
        ((name, url) for name, url in _KNOWN if any(name in words for words in sources.values())),
        None,
    )
    words = narrowest[0] if narrowest else card.licence
    if narrowest:
        words += ", as follows from what its models and masks were made of"
    if stated:
        words += f"; {stated}"
    return {
        "words": words,
        "url": narrowest[1] if narrowest else None,
        "from": sources,
        "stated": stated,
        "citations": list(
            dict.fromkeys([*card.citations, *(use.citation for use in card.training.cohorts)])
        ),
    }
