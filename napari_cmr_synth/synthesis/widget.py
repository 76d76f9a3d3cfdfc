"""From the mask in a labels layer to synthetic pictures beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.errors import InputError

from .. import _models, _settings
from .._canvas import guard_removal
from .._conditions_form import ConditionsForm, Scope
from .._in_view import in_view
from .._jobs import Job
from .._layout import group, scrolled, word_wrapped
from .._listening import Listening
from .._mask_picker import MaskPicker
from .._masks import engine_labels, numbers_of, unwrapped
from .._messages import is_out_of_memory, show_note, show_problem
from .._panel import Panel
from .._results import add_result
from .chest_picker import ChestPicker
from .device_panel import DevicePanel
from .live import LivePreview
from .look_picker import Look, LookPicker

if TYPE_CHECKING:
    import napari

    from cmr_synth.imaging.scan import Scan
    from cmr_synth.synthesis.request import Request

OPAQUE, SEE_THROUGH = 0.7, 0.35
"""napari's own opacity of a mask hides the first picture below it; any other was chosen."""


class SynthesizeWidget(Panel):
    """Chooses mask and conditions, makes pictures in a thread and shows them as layers.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        guard_removal(self._viewer)
        self._job: Job | None = None
        self._made = self._pictures = 0  # variants, and the slices of all of them
        self._positions: NDArray[np.float64] | None = None  # of the mask's slices, NaN if empty
        self._failed: tuple[Any, Request, Scope] | None = None  # what memory did not suffice for
        self.picker = MaskPicker(self._viewer)
        self.form = ConditionsForm()
        self.look = LookPicker(self._viewer)
        self.chest = ChestPicker(self._viewer)
        self.device = DevicePanel()
        self.device.foresee(_settings.device())
        self._build()
        self.live = LivePreview(self._viewer, self.request, self)
        self.live.said.connect(self._show_live)
        self.live.stopped.connect(self._on_live_stopped)
        self.live_box.toggled.connect(self._toggle_live)
        self.picker.layer_changed.connect(self._on_layer)
        self.picker.edited.connect(self._on_mask)
        self.form.changed.connect(self._on_options)
        self.form.scope.currentIndexChanged.connect(self._show_position)
        self._on_layer()
        self._on_mask()
        Listening(self).to(self._viewer.dims.events.current_step, call=self._show_position)

    @property
    def running(self) -> bool:
        """Whether pictures are being made."""
        return self._job is not None and self._job.running

    def request(self) -> Request:
        """What the widget is set to.

        Raises
        ------
        InputError
            If the seed is no whole number or there is no model.
        """
        drawn = 0 if self._positions is None else int(np.isfinite(self._positions).sum())
        single = drawn <= 1 or self.form.chosen_scope == "slice"
        return self.form.request(labels=self.picker.convention, single=single)

    def synthesize(self) -> None:
        """Make what is chosen; does nothing while something is being made."""
        if self.running:
            return
        self.picker.look_again()  # strokes of the last moments count
        try:
            self._start(self.picker.layer, self.request(), self.form.chosen_scope)
        except InputError as error:
            self.status.setText(str(error))
            show_problem(error)

    def cancel(self) -> None:
        """Stop after the step that runs."""
        if self._job is not None and self._job.running:
            self._job.cancel()
            self.cancel_button.setEnabled(False)
            self.status.setText("Cancelling after this step.")

    def retry(self) -> None:
        """Make again what memory did not suffice for, half as many images at once."""
        if self._failed is None or self.running:
            return
        layer, request, scope = self._failed
        self.form.batch.setValue(max(1, request.batch // 2))
        try:
            self._start(layer, replace(request, batch=self.form.batch.value()), scope)
        except InputError as error:
            show_problem(error)

    def _start(self, layer: Any, request: Request, scope: Scope) -> None:
        numbers = numbers_of(layer)
        if request.labels is None:
            engine_labels(numbers, None)  # refuses and says why
        part = self._part(numbers, layer, scope)
        look = self.look.look()
        chest = self.chest.scan() if self._takes_a_chest() else None
        self.picker.confirm()
        self.form.remember()
        self._failed, self._made, self._pictures = None, 0, 0
        self.retry_box.hide()
        self._job = Job(
            f"Synthesize {layer.name}",
            lambda: _make(numbers, request, part, look, chest),
            on_result=lambda item: self._receive(item, layer),
            on_done=lambda cancelled, error: self._done(cancelled, error, layer, request, scope),
            parent=self,
        )
        self._job.progressed.connect(self._show_progress)
        ready = _models.is_loaded(str(request.model), request.device)
        self.status.setText("Starting." if ready else "Loading the model; it stays loaded.")
        self._show_running(True)
        self._job.start()

    def _part(self, numbers: Scan, layer: Any, scope: Scope) -> dict[str, list[int]]:
        """Slices and frames that the scope leaves, as keywords of `synthesize`."""
        frame, k = in_view(self._viewer, layer)
        if scope == "slice":
            plane = numbers.array[(frame, k)[4 - numbers.array.ndim :]]
            if _heart(numbers.array).any() and not _heart(plane).any():
                raise InputError(
                    f"{layer.name}: nothing is drawn on slice {k}, which is in view; move to one "
                    "that shows the heart, or make all slices."
                )
            return {"slices": [k], "frames": [frame]}
        return {"frames": [frame]} if scope == "stack" and numbers.is_cine else {}

    def _receive(self, item: Any, layer: Any) -> None:
        from cmr_synth.generators.device import Device

        if isinstance(item, Device):
            self.device.show_device(item)
            return
        self._made += 1
        self._pictures += len(item.as_made)
        add_result(self._viewer, item, layer)
        if self._made > 1:
            return
        if layer.opacity == OPAQUE:
            layer.opacity = SEE_THROUGH
        skipped = item.record["skipped_slices"]
        if skipped:
            listed = ", ".join(map(str, skipped))
            show_note(
                f"{layer.name}: no heart is drawn on slice{'s' * (len(skipped) > 1)} {listed} "
                "(counted from 0, as on the slider); nothing was made there."
            )
        if layer not in self._viewer.layers:
            show_note(f"{layer.name} was deleted meanwhile; the picture lies on its grid.")

    def _done(
        self,
        cancelled: bool,
        error: BaseException | None,
        layer: Any,
        request: Request,
        scope: Scope,
    ) -> None:
        self._show_running(False)
        made = f"{self._pictures} picture{'s' * (self._pictures != 1)}"
        if self._made > 1:
            made += f" ({self._made} variants)"
        if is_out_of_memory(error):
            self._offer_retry(layer, request, scope)
        elif error is not None:
            self.status.setText(
                str(error) if isinstance(error, InputError) else f"Failed: {type(error).__name__}."
            )
        elif cancelled:
            self.status.setText(f"Cancelled; {made} kept." if self._made else "Cancelled.")
        elif scope == "slice" and layer.ndim > 2:
            self.status.setText(f"Made {made}; only the slice that was in view is filled.")
        elif scope == "stack" and layer.ndim > 3:
            self.status.setText(f"Made {made}; only the frame that was in view is filled.")
        else:
            self.status.setText(f"Made {made}.")

    def _offer_retry(self, layer: Any, request: Request, scope: Scope) -> None:
        self._failed = (layer, request, scope)
        self.retry_button.setVisible(request.batch > 1)
        if request.batch > 1:
            self.status.setText(
                f"Out of memory: it did not suffice for {request.batch} images at once."
            )
            self.retry_button.setText(f"Retry with {request.batch // 2} at once")
        else:
            self.status.setText(
                "Out of memory, even for one image at once. Close other programs, or choose the "
                "CPU in the preferences."
            )
        self.retry_box.show()

    def _on_layer(self) -> None:
        layer = self.picker.layer
        self.form.offer_scopes(3 if layer is None else layer.ndim)
        if self.live.active and layer is not None and self.live.layer is not layer:
            self.live.start(layer)

    def _on_mask(self) -> None:
        """The mask was edited: positions follow from its labelled areas."""
        layer = self.picker.layer
        self._positions = None if layer is None else _positions(layer)
        self._show_position()
        self._on_options()

    def _takes_a_chest(self) -> bool:
        card = self.form.card
        return card is not None and card.conditions.tissues

    def _on_options(self) -> None:
        self._chest_box.setVisible(self._takes_a_chest())
        if self.live.active:
            self.live.refresh()

    def _show_position(self, *_event: object) -> None:
        layer, positions = self.picker.layer, self._positions
        if layer is None or positions is None or np.isfinite(positions).sum() <= 1:
            self.form.show_position(None)
            return
        _, k = in_view(self._viewer, layer)
        if k >= len(positions):  # the data were replaced a moment ago
            return
        here = positions[k]
        drawn = f"{here:.2f}, from the stack" if np.isfinite(here) else "no heart here"
        one = self.form.chosen_scope == "slice"
        self.form.show_position(f"{drawn} (slice {k})", editable=one)

    def _toggle_live(self, on: bool) -> None:
        if not on:
            self.live.stop()
        elif self.picker.layer is None:
            show_problem("Live preview follows a mask, and there is none; open or paint one.")
            self.live_box.setChecked(False)
        else:
            self.live.start(self.picker.layer)

    def _on_live_stopped(self) -> None:
        self.live_box.setChecked(False)

    def _show_live(self, text: str) -> None:
        self.live_says.setText(text)
        self.live_says.setVisible(bool(text))

    def _show_progress(self, step: int, steps: int) -> None:
        self.progress.setRange(0, steps)
        self.progress.setValue(step)
        if self._job is None or self._job.cancelled:
            return
        left = self._job.seconds_left
        rest = "" if left is None else f", {_duration(left)} left"
        self.status.setText(f"Step {step} of {steps}{rest}.")

    def _show_running(self, running: bool) -> None:
        self.start_button.setEnabled(not running)
        self.cancel_button.setEnabled(running)
        self.progress.setRange(0, 1)
        self.progress.setValue(0)
        self.progress.setVisible(running)

    def _build(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 4, 0)
        column.addWidget(group("Mask", self.picker))
        column.addWidget(self.form)
        column.addWidget(group("Look", self.look))
        self._chest_box = group("Surroundings", self.chest)
        column.addWidget(self._chest_box)
        column.addStretch()

        self.live_box = QCheckBox("Live preview")
        self.live_box.setToolTip(
            "While you paint, the slice in view is made anew after each stroke, by the fastest "
            "model and with the same seed."
        )
        self.live_says = word_wrapped("")
        self.live_says.hide()
        self.start_button = QPushButton("Synthesize")
        self.start_button.clicked.connect(self.synthesize)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        self.cancel_button.clicked.connect(self.cancel)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.hide()
        self.status = word_wrapped("")
        self.retry_button = QPushButton()
        self.retry_button.clicked.connect(self.retry)
        self.retry_box = QWidget()
        QHBoxLayout(self.retry_box).addWidget(self.retry_button)
        self.retry_box.layout().setContentsMargins(0, 0, 0, 0)
        self.retry_box.hide()
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button, stretch=2)
        buttons.addWidget(self.cancel_button, stretch=1)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(scrolled(content), stretch=1)
        layout.addWidget(self.live_box)
        layout.addWidget(self.live_says)
        layout.addLayout(buttons)
        for widget in (self.progress, self.status, self.retry_box, line, self.device):
            layout.addWidget(widget)


def _make(
    numbers: Scan, request: Request, part: dict[str, Any], look: Look | None, chest: Scan | None
) -> Iterator[Any]:
    """Run in the worker: the device in use, then what the engine yields."""
    mask = engine_labels(numbers, request.labels)
    model = _models.loaded(str(request.model), request.device)

    from cmr_synth.generators.device import choose
    from cmr_synth.synthesis.from_mask import synthesize

    yield choose(request.device)
    reference = None
    if look is not None:
        request = replace(request, reference_strength=look.strength)
        reference = look.on_grid_of(model)
    run = synthesize(mask, model, request, reference=reference, surroundings=chest, **part)
    yield from run


def _positions(layer: Any) -> NDArray[np.float64]:
    """Slice positions as the engine derives them, (slices,); NaN on slices without a label."""
    from cmr_synth.imaging.positions import slice_position

    shape = (1, *layer.data.shape)[-3:]
    area = np.zeros(shape[0])
    for index in np.ndindex(*layer.data.shape[:-2]):
        area[index[-1] if index else 0] += np.count_nonzero(_heart(np.asarray(layer.data[index])))
    return np.where(area > 0, slice_position(area), np.nan)


def _heart(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    return (numbers != 0) & (numbers != UNLABELLED)


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "under 1 s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
