"""Verdicts on the slice that is shown: mask, tissue, measurements, likeness to real slices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QVBoxLayout, QWidget

from cmr_synth.errors import InputError

from .._frame import PanelFrame
from .._in_view import in_view
from .._jobs import Job
from .._layer_geometry import attributes_of
from .._layers import scan_of_layer
from .._masks import unwrapped
from .._messages import show_note, show_problem
from .._once import once
from .._overlay import (
    LEGEND,
    mask_of,
    overlay_of,
    segmenter_and_reference,
    show_overlay,
)
from .._panel import Panel
from .._results import AS_MADE, RECORD
from .._synthetic import SyntheticPicker

if TYPE_CHECKING:
    import napari
    from napari.layers import Labels, Layer

    from cmr_synth.evaluation.one_picture.judged import JudgedSlice
    from cmr_synth.evaluation.one_picture.real_reference import RealReference
    from cmr_synth.judges.encoder import Encoder

EMPTY = (
    "Select a synthetic layer, go to a slice with a heart, and press Judge. Four verdicts say how "
    "usual the slice is among real ones."
)


class FidelityPanel(Panel):
    """Judge the current slice of the selected synthetic layer, in well under two seconds.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self._job: Job | None = None
        self._judged: tuple[Layer, JudgedSlice, RealReference] | None = None

        self.picker = SyntheticPicker(self._viewer, "Judges", self)
        self.judge_button = QPushButton("Judge this slice")
        self.judge_button.setToolTip("Compare the slice that is shown with real ones")
        self.judge_button.clicked.connect(self.judge)
        self.follow_box = QCheckBox("Judge again when the slice changes")
        self.explain_box = QCheckBox("Explain every line")
        self.explain_box.toggled.connect(lambda _: self._show())
        self.frame = PanelFrame(EMPTY)
        self.legend = QLabel(LEGEND)
        self.legend.setWordWrap(True)
        layout = QVBoxLayout(self)
        for part in (
            self.picker,
            self.judge_button,
            self.follow_box,
            self.explain_box,
            self.legend,
        ):
            layout.addWidget(part)
        layout.addWidget(self.frame, 1)

        self.picker.layer_changed.connect(self._follow)
        self._viewer.dims.events.current_step.connect(self._moved)
        self._follow()

    @property
    def layer(self) -> Layer | None:
        """The synthetic layer that is judged."""
        return self.picker.layer

    @property
    def job(self) -> Job | None:
        """The judgement that runs, or ran last."""
        return self._job

    def judge(self) -> None:
        """Judge the slice that is shown, in a worker."""
        layer = self.layer
        if layer is None or (self._job is not None and self._job.running):
            return
        try:
            picture = scan_of_layer(layer.data, attributes_of(layer))
            mask_layer, mask, changed = mask_of(self._viewer, layer)
        except InputError as error:
            show_problem(error)
            return
        if changed:
            show_note("The mask has been painted on since; the verdicts are on the mask as it is.")
        self.picker.show_layer()
        frame, number = in_view(self._viewer, layer)
        vendor = layer.metadata[RECORD].get("vendor") or ""
        as_made = layer.metadata.get(AS_MADE, {}).get((frame, number))

        def make() -> Iterator[Any]:
            import cmr_synth.reports.verdicts  # noqa: F401 (the window does not wait for it then)
            from cmr_synth.evaluation.one_picture.judged import judge_slice

            segmenter, _ = segmenter_and_reference()
            reference, encoder = _reference_and_encoder()
            yield (
                judge_slice(
                    picture,
                    mask,
                    frame,
                    number,
                    vendor,
                    reference,
                    segmenter,
                    encoder,
                    as_made=as_made,
                ),
                reference,
            )

        self._job = Job(
            f"Judging {layer.name}",
            make,
            on_result=lambda result: self._receive(layer, mask_layer, *result),
            on_done=lambda cancelled, error: self._refresh(),
            parent=self,
            show_progress=False,
        )
        self._job.start()
        self._refresh()

    def _receive(
        self, layer: Layer, mask_layer: Labels, judged: JudgedSlice, reference: RealReference
    ) -> None:
        if layer not in self._viewer.layers:
            return
        self._judged = (layer, judged, reference)
        old = overlay_of(self._viewer, layer)
        data = np.zeros(layer.data.shape, np.uint8) if old is None else np.array(old.data)
        planes = data.reshape(-1, *data.shape[-2:])
        slices = 1 if layer.ndim == 2 else layer.data.shape[-3]
        planes[judged.frame * slices + judged.slice] = judged.disagreement
        show_overlay(self._viewer, layer, mask_layer, data)
        self._show()

    def _moved(self, event: Any = None) -> None:
        if isalive(self) and self.isVisible() and self.follow_box.isChecked():
            self.judge()

    def _follow(self) -> None:
        self._refresh()
        self._show()

    def _show(self) -> None:
        judged = self._judged
        if judged is None or judged[0] is not self.layer:
            self.frame.content = None
            self.legend.setVisible(False)
            return
        from cmr_synth.reports.verdicts import verdict_content

        layer, found, reference = judged
        vendor = layer.metadata[RECORD].get("vendor") or ""
        where = f"slice {found.slice}"
        if layer.ndim == 4:
            where = f"frame {found.frame}, {where}"
        self.frame.content = verdict_content(
            found.verdicts,
            name=layer.name,
            place=where,
            vendor=vendor if vendor in reference.vendors else "",
            slices=reference.slices,
            patients=reference.patients,
            explain=self.explain_box.isChecked(),
            data={"record": dict(layer.metadata[RECORD])},
        )
        self.legend.setVisible(True)

    def _refresh(self) -> None:
        if not isalive(self):
            return
        running = self._job is not None and self._job.running
        self.judge_button.setEnabled(self.layer is not None and not running)
        self.judge_button.setText("Judging..." if running else "Judge this slice")


@once
def _reference_and_encoder() -> tuple[RealReference, Encoder]:
    from cmr_synth.evaluation.one_picture.real_reference import load_real_reference
    from cmr_synth.judges.encoder import Encoder

    return load_real_reference(), Encoder.load()
