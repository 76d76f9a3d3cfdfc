"""The sliders: one for each dial of the engine, a disease with its severity, and reset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget
from superqt.utils import QSignalDebouncer, signals_blocked

from cmr_synth.anatomy.dials import DIALS, PRESETS, Dials, Regional, combined, preset, scaled
from cmr_synth.anatomy.dials.regions import Region, words

from .._fields import Slider
from .._layout import narrow_combo

SETTLED_MS = 300  # after the last key: steps of the keyboard in a row are one change
STEPS = 100  # of a slider for an amount of 1
MOST_SEVERE = 1.5


@dataclass(frozen=True)
class Setting:
    """Where everything stands.

    Parameters
    ----------
    disease : str
        A key of `PRESETS`, or "" for none.
    severity : float
        Of the disease, 0 to `MOST_SEVERE`.
    own : Dials
        Turned besides.
    """

    disease: str = ""
    severity: float = 1.0
    own: Dials = Dials()

    @property
    def dials(self) -> Dials:
        """All at once.

        Raises
        ------
        InputError
            If disease and dials together leave a range.
        """
        if not self.disease:
            return self.own
        return combined(scaled(preset(self.disease), self.severity), self.own)


class SliderForm(QWidget):
    """Sliders of every dial.

    Parameters
    ----------
    parent : QWidget, optional
    """

    moved = Signal()
    """A slider or choice changed; many times while one is dragged."""

    released = Signal()
    """The mouse let a slider go, or nothing was changed by keys for a moment."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.disease = narrow_combo(self)
        self.disease.addItem("none", "")
        for name, (title, _) in PRESETS.items():
            self.disease.addItem(title, name)
        self.disease.setToolTip("A disease to begin with; the dials below add to it.")
        self.disease.activated.connect(self._changed)
        self.sliders: dict[str, Slider] = {}
        self.values: dict[str, QLabel] = {}
        self.regions: dict[str, Any] = {}
        self._soon = QSignalDebouncer(parent=self)
        self._soon.setTimeout(SETTLED_MS)
        self._soon.triggered.connect(self.released)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)
        self._grid.addWidget(QLabel("Disease"), 0, 0)
        self._grid.addWidget(self.disease, 0, 1, 1, 2)
        tip = "Of the disease: 0 % is none, 100 % a typical patient."
        self._add("severity", "Severity", 0.0, MOST_SEVERE, tip)
        for name, dial in DIALS.items():
            tip = f"{dial.meaning[0].upper()}{dial.meaning[1:]}."
            self._add(name, dial.title, dial.lowest, dial.highest, tip, regional=dial.regional)
        self.setting = Setting()

    @property
    def setting(self) -> Setting:
        """Where everything stands; setting it moves the sliders and tells nobody."""
        own: dict[str, Any] = {}
        for name, dial in DIALS.items():
            amount = self._amount(name)
            if dial.regional:
                region = Region(self.regions[name].currentData())
                own[name] = (Regional(amount, region),) if amount else ()
            else:
                own[name] = amount
        disease: str = self.disease.currentData()
        return Setting(disease, self._amount("severity"), Dials(**own))

    @setting.setter
    def setting(self, setting: Setting) -> None:
        with signals_blocked(self.disease):
            self.disease.setCurrentIndex(self.disease.findData(setting.disease))
        amounts: dict[str, float] = {"severity": setting.severity}
        for name, dial in DIALS.items():
            value = getattr(setting.own, name)
            if dial.regional:
                one = value[0] if value else Regional(0.0)
                amounts[name] = one.amount
                if value:  # at 0 the region stays as it was chosen
                    self.regions[name].setCurrentIndex(self.regions[name].findData(one.region.name))
            else:
                amounts[name] = value
        for name, amount in amounts.items():
            with signals_blocked(self.sliders[name]):
                self.sliders[name].setValue(round(STEPS * amount))
            self._show(name)

    def _amount(self, name: str) -> float:
        return self.sliders[name].value() / STEPS

    def _add(
        self, name: str, title: str, low: float, high: float, tip: str, *, regional: bool = False
    ) -> None:
        row = self._grid.rowCount()
        slider = self.sliders[name] = Slider()
        slider.setRange(round(STEPS * low), round(STEPS * high))
        slider.setPageStep(10)
        slider.setMinimumWidth(70)
        slider.setAccessibleName(title)
        value = self.values[name] = QLabel()
        value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        value.setMinimumWidth(value.fontMetrics().horizontalAdvance("+150 %"))
        label = QLabel(title)
        label.setWordWrap(True)  # the picture keeps half of a small screen
        for widget in (label, slider, value):
            widget.setToolTip(tip)
        self._grid.addWidget(label, row, 0)
        self._grid.addWidget(slider, row, 1)
        if regional:
            region = self.regions[name] = narrow_combo(self)
            region.setMinimumContentsLength(6)
            region.setToolTip("Which part of the wall; sectors as the AHA names them.")
            region.addItem("whole wall", "")
            for word in words():
                region.addItem(word, word)
            region.activated.connect(self._changed)
            self._grid.addWidget(region, row + 1, 1, 1, 2)
        self._grid.addWidget(value, row, 2)
        slider.valueChanged.connect(lambda _=0, name=name: self._on_value(name))
        slider.sliderReleased.connect(self._let_go)

    def _on_value(self, name: str) -> None:
        self._show(name)
        self.moved.emit()
        if not self.sliders[name].isSliderDown():
            self._soon.throttle()

    def _let_go(self) -> None:
        self._soon.cancel()
        self.released.emit()

    def _changed(self, *_: object) -> None:
        self._show("severity")
        self.moved.emit()
        self._let_go()

    def _show(self, name: str) -> None:
        amount = self._amount(name)
        signed = name in DIALS and DIALS[name].lowest < 0
        self.values[name].setText(f"{100 * amount:{'+' if signed and amount else ''}.0f} %")
        self.sliders["severity"].setEnabled(bool(self.disease.currentData()))
