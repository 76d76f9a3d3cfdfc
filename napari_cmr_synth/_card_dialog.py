"""The card of a model to read: what it is, its licence, its training and its measured quality."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from cmr_synth.generators.card import Card

_WORDS = {
    "dice_real": "Dice on real images",
    "dice_synthetic": "Dice on synthetic images",
    "ratio": "Synthetic over real",
    "frechet": "Fréchet distance",
    "floor_real_to_real": "Floor: real to real",
    "ratio_to_floor": "Times the floor",
    "ratio_of_real_patients": "Times the floor: other real patients",
    "ratio_null": "Times the floor: one generator on both sides",
    "what": "Measured on",
}


class CardDialog(QDialog):
    """Shows a card; the window behind it stays usable.

    Parameters
    ----------
    card : Card
    parent : QWidget, optional
    """

    def __init__(self, card: Card, parent: QWidget | None = None):
        super().__init__(parent)
        self.setWindowTitle(f"Model {card.name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(620, 680)
        self.text = QTextBrowser()
        self.text.setOpenExternalLinks(True)
        self.text.setHtml(card_html(card))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)


def card_html(card: Card) -> str:
    """A card as HTML for Qt's text browser.

    Parameters
    ----------
    card : Card

    Returns
    -------
    str
        Quality and limits come before the training, since they decide whether to use it.
    """
    from cmr_synth.generators.identity import identity_of

    rows, columns = card.grid.shape
    spacing = card.grid.spacing_mm
    facts = {
        "Licence": card.licence,
        "Working grid": f"{rows} x {columns} pixels of {spacing:g} mm",
        "Vendors": ", ".join(card.conditions.vendors) or "none",
        "Phases": ", ".join(card.conditions.phases) or "none",
        "Pathologies": ", ".join(card.conditions.pathologies) or "none",
        "Contrast": ", ".join(card.conditions.contrasts) or card.conditions.contrast,
        "Cohorts": ", ".join(card.conditions.cohorts) or "none",
        "Steps": card.default_steps if card.default_steps is not None else "takes no steps",
        "Guidance": card.default_guidance if card.default_guidance is not None else "none",
        "Family, version": f"{card.family}, {card.version}",
        "SHA-256 of the model": identity_of(card),
        "SHA-256 of its weights": card.sha256,
    }
    training = card.training
    parts = [
        f"<h2>{escape(card.title)}</h2><p>{escape(card.description)}</p>",
        _table(facts),
        "<h3>Measured quality of this file</h3>",
        *(_measured(name, value) for name, value in card.measured.model_dump().items()),
        "<h3>Limits</h3>" + _list(card.limits),
        "<h3>Trained on</h3>",
        *(
            f"<p><b>{escape(use.title)}</b> ({use.patients} patients, {use.slices} slices, "
            f"{escape(use.vendor or 'several vendors')}; labels {escape(use.labels)}; licence: "
            f"{escape(use.licence)})</p>"
            for use in training.cohorts
        ),
        f"<p>{training.images_seen:,} images seen in {training.minutes:.0f} minutes on "
        f"{escape(training.machine)}.</p>",
        "<h3>Cite</h3>" + _list(card.citations),
    ]
    return "".join(parts)


def _measured(name: str, value: Any) -> str:
    title = f"<h4>{escape(name.capitalize())}</h4>"
    return title + (_table(value) if isinstance(value, Mapping) else f"<p>{escape(str(value))}</p>")


def _table(facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><b>{escape(_WORDS.get(name, name[0].upper() + name[1:].replace('_', ' ')))}</b>"
        f"&nbsp;&nbsp;</td><td>{_value(value)}</td></tr>"
        for name, value in facts.items()
    )
    return f'<table cellspacing="0" cellpadding="2">{rows}</table>'


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{escape(str(k))} {_value(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_value(item) for item in value)
    return escape(f"{value:g}" if isinstance(value, float) else str(value))


def _list(items: tuple[str, ...]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
