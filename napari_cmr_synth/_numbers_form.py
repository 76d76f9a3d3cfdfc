"""Which number of a mask is LV, myocardium and RV: three fields, for masks of any program."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from cmr_synth.anatomy.labels import NUMBERS, SCAR, STRUCTURES, meaning_of
from cmr_synth.anatomy.own_numbers import read_numbers, write_numbers
from cmr_synth.errors import InputError

from ._layout import word_wrapped

TIP = (
    "Number of {name} in the mask; several with a plus, such as 2+4. Left empty, a number that is "
    "free is taken, to paint it with."
)


class NumbersForm(QWidget):
    """One field for each structure, and what is wrong with them.

    Parameters
    ----------
    parent : QWidget, optional
    tip : str
        What a field says under the mouse, with ``{name}`` for the structure.
    """

    said = Signal(str)
    """Numbers of the structures, as `read_numbers` reads them, once they make sense."""

    def __init__(self, parent: QWidget | None = None, *, tip: str = TIP):
        super().__init__(parent)
        self.fields: dict[str, QLineEdit] = {}
        row = QHBoxLayout()
        for name in STRUCTURES:
            field = QLineEdit()
            field.setToolTip(tip.format(name=name))
            field.setMinimumWidth(30)
            field.returnPressed.connect(self._forget)  # agrees to what is shown
            field.editingFinished.connect(self._on_entry)
            row.addWidget(QLabel(name))
            row.addWidget(field, 1)
            self.fields[name] = field
        self.problem = word_wrapped("")
        self.problem.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.problem)
        self._shown = ""
        self._scar: list[str] = []

    @property
    def text(self) -> str:
        """What the fields say, as it was typed, and the numbers of scar where the mask has some."""
        said = [
            f"{name}={field.text().strip()}"
            for name, field in self.fields.items()
            if field.text().strip()
        ]
        return ",".join([*said, *self._scar] if said else [])

    def read(self) -> str:
        """Numbers of the structures, as `read_numbers` reads them.

        Raises
        ------
        InputError
            If they make no sense, or there are none.
        """
        return write_numbers(read_numbers(self.text))

    def show_mask(self, found: Sequence[int], convention: str | None) -> None:
        """Fill the fields with what is known of a mask.

        Parameters
        ----------
        found : sequence of int
            Numbers in it, for the fields to suggest.
        convention : str, optional
            What they are taken for, as for `cmr_synth.anatomy.labels.convert`.
        """
        meaning = {} if convention is None else meaning_of(convention)
        own = {
            name: "+".join(str(n) for n, structure in meaning.items() if structure == name)
            for name in NUMBERS
        }
        self._scar = [f"{name}={own[name]}" for name in SCAR if own[name]]
        for name, field in self.fields.items():
            field.setText(own[name])
            field.setPlaceholderText("/".join(map(str, found[:4])))
        self._shown = self.text
        self.problem.hide()

    def _forget(self) -> None:
        self._shown = ""

    def _on_entry(self) -> None:
        empty = [field for field in self.fields.values() if not field.text().strip()]
        if self.text == self._shown or any(field.hasFocus() for field in empty):
            return  # a field was left unchanged, or for one that is still to be filled
        self._shown = self.text
        try:
            said = self.read()
        except InputError as error:
            self.problem.setText(str(error))
            self.problem.show()
            return
        self.problem.hide()
        self.said.emit(said)
