"""What the heart shall measure: a number for each phenotype that a model can be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ._fields import Number
from ._layout import form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmr_synth.generators.phenotypes import Phenotype

OPEN = "open"
BEYOND = 3.0  # of the largest that was seen: what may be entered, and is then said to be a guess
FEW, MANY = 10.0, 100.0  # below, two decimals; below, one; else none


class PhenotypesForm(QWidget):
    """A field for each phenotype of a model; one at its lowest leaves it open.

    Parameters
    ----------
    parent : QWidget, optional
    """

    changed = Signal()
    """A number was entered, or taken back."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.fields: dict[str, Number] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._shown: QWidget | None = None

    def show_model(self, phenotypes: Sequence[Phenotype]) -> None:
        """Offer those of a model; what was entered for one that stays is kept."""
        entered = dict(self.asked)
        if self._shown is not None:
            self._column.removeWidget(self._shown)
            self._shown.deleteLater()
            self._shown = None
        self.fields = {one.name: _field(one, entered.get(one.name)) for one in phenotypes}
        for field in self.fields.values():
            field.valueChanged.connect(self._on_entry)
        if self.fields:
            self._shown = form(*((_title(one), self.fields[one.name]) for one in phenotypes))
            self._column.addWidget(self._shown)

    @property
    def asked(self) -> tuple[tuple[str, float], ...]:
        """Name and number of each that was entered."""
        return tuple(
            (name, round(field.value(), field.decimals()))
            for name, field in self.fields.items()
            if field.value() > 0
        )

    def _on_entry(self, *_: object) -> None:
        self.changed.emit()


def _field(one: Phenotype, value: float | None) -> Number:
    from cmr_synth.anatomy.phenotypes import PHENOTYPES

    kind = PHENOTYPES[one.name]
    field = Number()
    field.setDecimals(2 if one.high < FEW else 1 if one.high < MANY else 0)
    field.setRange(0, BEYOND * one.high)
    field.setSingleStep(10 ** -field.decimals() * (5 if one.high >= FEW else 1))
    field.setSpecialValueText(OPEN)
    field.setSuffix(f" {kind.unit}" if kind.unit else "")
    seen = f"{one.low:.4g} to {one.high:.4g} {kind.unit}".rstrip()
    field.setToolTip(
        f"{kind.title}: the model was trained with {seen}, {one.mean:.4g} on average of "
        f"{one.patients} patients. Lowest: left open."
    )
    field.setValue(value or 0)
    return field


def _title(one: Phenotype) -> str:
    from cmr_synth.anatomy.phenotypes import PHENOTYPES

    return PHENOTYPES[one.name].title
