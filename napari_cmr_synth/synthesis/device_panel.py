"""Where the pictures are made and why there, always in view, and the diagnostics one click away."""

from __future__ import annotations

from typing import Any

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from superqt.utils import QSignalDebouncer

from cmr_synth.errors import InputError
from cmr_synth.generators.device import Device

from .. import _settings
from .._layout import narrow_combo, word_wrapped

SAID_MS = 2000
NAMES = {"auto": "Fastest there is", "cpu": "CPU", "cuda": "NVIDIA GPU", "mps": "Apple GPU"}


class DevicePanel(QWidget):
    """One sentence on the device, and a button that copies what a report of a fault needs.

    Parameters
    ----------
    parent : QWidget, optional
    """

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.choice = narrow_combo()
        self.choice.setToolTip("Where the pictures are made; kept for the next session")
        for word in _settings.choices("device"):
            self.choice.addItem(NAMES.get(word, word), word)
        self.choice.activated.connect(self._on_choice)
        self.sentence = word_wrapped("")
        self.copy = QPushButton("Copy diagnostics")
        self.copy.setToolTip(
            "Versions, system, processor, memory, torch and models, as text for a report."
        )
        self.copy.clicked.connect(self._copy)
        buttons = QHBoxLayout()
        buttons.addWidget(QLabel("Device"))
        buttons.addWidget(self.choice, 1)
        buttons.addWidget(self.copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.sentence)
        layout.addLayout(buttons)
        self._back = QSignalDebouncer(parent=self)
        self._back.setTimeout(SAID_MS)
        self._back.triggered.connect(lambda: self.copy.setText("Copy diagnostics"))

    def showEvent(self, event: Any) -> None:  # noqa: N802 (Qt's name)
        """It may have been chosen in the preferences meanwhile."""
        super().showEvent(event)
        self.choice.setCurrentIndex(max(0, self.choice.findData(_settings.get("device"))))

    def _on_choice(self, *_: object) -> None:
        _settings.put("device", self.choice.currentData())
        self.foresee(_settings.device())

    def foresee(self, wanted: str | None) -> None:
        """Show what a model would run on; imports no torch.

        Parameters
        ----------
        wanted : str or None
            "cpu", "cuda", "mps"; None or "auto" for the fastest.
        """
        from cmr_synth.generators.device import choose

        try:
            self.show_device(choose(wanted))
        except InputError as error:
            self.sentence.setText(str(error))

    def show_device(self, device: Device) -> None:
        """Show the device in use."""
        self.sentence.setText(f"<b>{device.title}.</b> {device.reason}")

    def _copy(self) -> None:
        from cmr_synth.generators.diagnostics import diagnostics

        QGuiApplication.clipboard().setText(diagnostics())
        self.copy.setText("Copied")
        self._back.throttle()
