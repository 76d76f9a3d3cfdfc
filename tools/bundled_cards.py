"""Write the cards of bundled models, and with them whatever is made from cards.

    .venv/bin/python tools/bundled_cards.py        (or: make cards)

run alone takes the cards as they are, after an edit by hand or a merge, and refreshes the hashes
in `src/cmr_synth/weights/*.identity`.
"""

from __future__ import annotations

from pathlib import Path

import cmr_synth
from cmr_synth.generators.card import Card, read_card, write_card
from cmr_synth.generators.identity import record

WEIGHTS = Path(cmr_synth.__file__).parent / "weights"


def put(card: Card) -> None:
    """Write the card of a bundled model, and refresh what is made from cards."""
    write_card(card, WEIGHTS / card.name / "card.yaml")
    refresh()


def refresh() -> None:
    """Take all cards as they are, and refresh what is made from them."""
    for path in sorted(WEIGHTS.glob("*/card.yaml")):
        record(read_card(path), path.parent)


if __name__ == "__main__":
    refresh()
