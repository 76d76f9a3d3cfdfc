"""Write the cards of bundled models, and with them whatever is made from cards.

    .venv/bin/python tools/bundled_cards.py        (or: make cards)

run alone takes the cards as they are, after an edit by hand or a merge, and refreshes the hashes
in `src/cmr_synth/weights/*.identity`, docs/reference/zoo.md, and the blocks of README.md.
"""

from __future__ import annotations

from pathlib import Path

from card_tables import with_blocks, zoo_page

import cmr_synth
from cmr_synth.files import write_file
from cmr_synth.generators.card import Card, read_card, write_card
from cmr_synth.generators.identity import record

ROOT = Path(__file__).resolve().parents[1]
README, ZOO_PAGE = ROOT / "README.md", ROOT / "docs" / "reference" / "zoo.md"
WEIGHTS = Path(cmr_synth.__file__).parent / "weights"


def put(card: Card) -> None:
    """Write the card of a bundled model, and refresh what is made from cards."""
    write_card(card, WEIGHTS / card.name / "card.yaml")
    refresh()


def refresh() -> None:
    """Take all cards as they are, and refresh what is made from them."""
    for card in bundled():
        record(card, WEIGHTS / card.name)
    for path, text in documents().items():
        with write_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def bundled() -> list[Card]:
    """The cards of all bundled models, by name."""
    return [read_card(path) for path in sorted(WEIGHTS.glob("*/card.yaml"))]


def documents() -> dict[Path, str]:
    """Text of each document that tells of the cards."""
    cards = bundled()
    return {
        README: with_blocks(README.read_text(encoding="utf-8"), cards),
        ZOO_PAGE: zoo_page(cards),
    }


if __name__ == "__main__":
    refresh()
