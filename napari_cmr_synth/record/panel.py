"""The record of a synthetic layer, and whether its picture shows the heart of its mask."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from cmr_synth.errors import InputError

from .._frame import PanelFrame
from .._jobs import Job
from .._layer_geometry import attributes_of
from .._layers import scan_of_layer
from .._masks import unwrapped
from .._messages import show_note, show_problem
from .._overlay import LEGEND, mask_of, segmenter_and_reference, show_overlay
from .._panel import Panel
from .._results import RECORD
from .._synthetic import SyntheticPicker

if TYPE_CHECKING:
    import napari
    from napari.layers import Labels, Layer

    from cmr_synth.evaluation.one_picture.agreement import Agreement

CHANGED = (
    "The mask has been painted on since the picture was made; the figures compare with the mask as "
    "it is now."
)


class RecordPanel(Panel):
    """How the selected synthetic picture was made, and a check of its adherence to the mask.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self._job: Job | None = None
        self._checked: weakref.WeakKeyDictionary[Layer, _Check] = weakref.WeakKeyDictionary()

        self.picker = SyntheticPicker(self._viewer, "Record of", self)
        self.check_button = QPushButton("Check adherence")
        self.check_button.setToolTip(
            "Let the bundled segmenter find the heart in the picture, and compare it with the mask"
        )
        self.check_button.clicked.connect(self.check)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self._cancel)
        self.frame = PanelFrame(
            "Select a synthetic layer to see how it was made. The Synthesize panel makes one."
        )
        self.legend = QLabel(LEGEND)
        self.legend.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self.check_button, 1)
        buttons.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.addWidget(self.picker)
        layout.addLayout(buttons)
        layout.addWidget(self.legend)
        layout.addWidget(self.frame, 1)

        self.picker.layer_changed.connect(self._show)
        self._show()

    @property
    def layer(self) -> Layer | None:
        """The synthetic layer that is shown."""
        return self.picker.layer

    @property
    def job(self) -> Job | None:
        """The check that runs, or ran last."""
        return self._job

    def check(self) -> None:
        """Segment the picture in a worker and compare it with its mask."""
        layer = self.layer
        if layer is None or self._running:
            return
        try:
            picture = scan_of_layer(layer.data, attributes_of(layer))
            mask_layer, mask, changed = mask_of(self._viewer, layer)
        except InputError as error:
            show_problem(error)
            return

        self.picker.show_layer()

        def make() -> Iterator[Any]:
            from cmr_synth.evaluation.one_picture.agreement import mask_agreement

            segmenter, reference = segmenter_and_reference()
            for step in mask_agreement(picture, mask, segmenter):
                yield step if hasattr(step, "step") else _Check(step, reference, changed)

        self._job = Job(
            f"Checking {layer.name}",
            make,
            on_result=lambda result: self._receive(layer, mask_layer, result),
            on_done=lambda cancelled, error: self._refresh(),
            parent=self,
        )
        self._job.start()
        self._refresh()

    @property
    def _running(self) -> bool:
        return self._job is not None and self._job.running

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()

    def _show(self) -> None:
        layer = self.layer
        self._refresh()
        if layer is None:
            self.frame.content = None
            return
        from cmr_synth.reports.record import record_content

        check = self._checked.get(layer)
        self.frame.content = record_content(
            layer.metadata[RECORD],
            name=layer.name,
            agreement=check.agreement if check else None,
            reference=check.reference if check else None,
            remarks=(CHANGED,) if check and check.changed else (),
        )

    def _refresh(self) -> None:
        running = self._running
        self.check_button.setEnabled(self.layer is not None and not running)
        self.check_button.setText("Checking..." if running else "Check adherence")
        self.cancel_button.setVisible(running)
        self.legend.setVisible(self.layer is not None and self.layer in self._checked)

    def _receive(self, layer: Layer, mask_layer: Labels, check: _Check) -> None:
        if layer not in self._viewer.layers:
            show_note(f"{layer.name} was removed while it was checked; nothing is shown.")
            return
        self._checked[layer] = check
        differs = np.asarray(check.agreement.disagreement.array, np.uint8)
        show_overlay(self._viewer, layer, mask_layer, differs)
        if layer is self.layer:
            self._show()


class _Check:
    """An agreement, what real pictures reach, and whether the mask had been changed."""

    def __init__(self, agreement: Agreement, reference: dict[str, Any] | None, changed: bool):
        self.agreement = agreement
        self.reference = reference
        self.changed = changed
