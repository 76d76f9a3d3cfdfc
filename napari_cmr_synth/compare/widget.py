"""Vendors and variants: one mask under every vendor side by side, or from many seeds to choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import QSignalDebouncer

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.errors import InputError

from .._canvas import guard_removal
from .._cells import cell
from .._conditions_form import ConditionsForm
from .._grid_view import GridView
from .._in_view import in_view
from .._jobs import Job
from .._layout import button, group, scrolled, side_by_side, stacked, word_wrapped
from .._listening import Listening
from .._mask_picker import MaskPicker
from .._masks import engine_labels, numbers_of, unwrapped
from .._messages import show_problem
from .._models import loaded
from .._panel import Panel
from .._results import AS_MADE, RECORD, add_result
from .cells import apart, in_grey_values, outlines, real_scan
from .gallery import Gallery

if TYPE_CHECKING:
    import napari

    from cmr_synth.generators.interface import Progress
    from cmr_synth.generators.zoo import Model
    from cmr_synth.imaging.scan import Scan
    from cmr_synth.synthesis.record import Synthetic
    from cmr_synth.synthesis.request import Request

VARIANTS = 6  # to begin with
UNTIL_MADE_MS = 250  # after the slider came to rest on a slice that the cells lack


@dataclass(frozen=True)
class _Compared:
    """What the cells show, to make it for other slices, too."""

    layer: Any
    numbers: Scan
    request: Request
    make: Callable[..., Iterator[Any]]
    planes: set[tuple[int, int]]  # frame and slice, made or being made


class CompareWidget(Panel):
    """Shows what a mask can become before anything is kept.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    finished = Signal()
    """Nothing runs any more, and the buttons are ready again."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        guard_removal(self._viewer)
        self._job: Job | None = None
        self._mask_in_gallery: Any = None
        self._compared: _Compared | None = None
        self._targets: dict[str | None, Any] = {}  # picture of each vendor
        self._passing: list[Any] = []  # layers that go with the cells
        self._soon = QSignalDebouncer(parent=self)
        self._soon.setTimeout(UNTIL_MADE_MS)
        self._soon.triggered.connect(self._fill)
        self.picker = MaskPicker(self._viewer)
        self.form = ConditionsForm()
        self.form.variants.setValue(VARIANTS)
        self.grid_view = GridView(self._viewer, self)
        self._build()
        self.grid_view.left.connect(self._on_left)
        self.picker.layer_changed.connect(self._on_layer)
        self.picker.edited.connect(self._on_mask)
        self._on_layer()
        self._on_mask()
        self.form.scope.setCurrentIndex(self.form.scope.findData("slice"))  # the quickest
        Listening(self).to(self._viewer.dims.events.current_step, call=self._show_slice)
        self._show_state()

    def event(self, event: QEvent) -> bool:
        """Leave the grid when the panel is taken out of the window: nobody else would."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.cancel()
            self.leave()
        return super().event(event)

    @property
    def running(self) -> bool:
        """Whether pictures are being made."""
        return self._job is not None

    def compare_vendors(self) -> None:
        """Make the mask with every vendor of the model, each into a cell of the grid."""
        from cmr_synth.synthesis.what_if import across_vendors

        started = self._start(
            "Vendors side by side", across_vendors, self._show_vendor, first=self.leave
        )
        if started:
            self._show_real()

    def compare_with_real(self) -> None:
        """Make the mask's picture; then scan, picture and difference, with outlines, in cells."""
        self.picker.look_again()
        try:
            layer = self.picker.layer
            numbers_of(layer)
            real_scan(self._viewer, layer)
        except InputError as error:
            self.status.setText(str(error))
            show_problem(error)
            return
        self._start("Real beside synthetic", _one, self._show_beside_real, first=self.leave)

    def make_variants(self) -> None:
        """Fill the gallery from as many seeds as asked for; what it held is discarded."""
        from cmr_synth.synthesis.what_if import across_seeds

        self._start("Variants", across_seeds, self._show_variant, first=self.discard)

    def leave(self) -> None:
        """Turn the grid off and show again what was shown before."""
        self.grid_view.leave(keep=self.keep_vendors.isChecked())

    def keep(self) -> None:
        """Turn the chosen thumbnails into layers and discard the others."""
        chosen = self.gallery.chosen()
        for synthetic in chosen:
            add_result(self._viewer, synthetic, self._mask_in_gallery)
        self.discard()
        self.status.setText(f"{len(chosen)} kept as layer{'s' * (len(chosen) != 1)}.")

    def discard(self) -> None:
        """Empty the gallery; no layer changes."""
        self.gallery.clear()
        self._mask_in_gallery = None
        self._show_state()

    def cancel(self) -> None:
        """Stop after the step that runs; what is finished stays."""
        if self._job is not None:
            self._job.cancel()
            self.cancel_button.setEnabled(False)
            self.status.setText("Cancelling after this step.")

    def _start(
        self,
        title: str,
        make: Callable[..., Iterator[Any]],
        show: Callable[..., object],
        *,
        first: Callable[[], object],
    ) -> bool:
        """Do what comes `first` and start a job, unless one runs or there is no mask to follow."""
        if self.running:
            return False
        self.picker.look_again()  # strokes of the last moments count
        try:
            layer = self.picker.layer
            numbers = numbers_of(layer)
            drawn = _drawn_slices(numbers)
            request = self.form.request(
                labels=self.picker.convention, single=int(np.count_nonzero(drawn)) <= 1
            )
            scope = self.form.chosen_scope
            if request.labels is None:
                engine_labels(numbers, None)  # refuses and says why
            frame, k = in_view(self._viewer, layer)
            if scope == "slice" and drawn.any() and not drawn[k]:
                raise InputError(
                    f"{layer.name}: nothing is drawn on slice {k}, which is in view; move to one "
                    "that shows the heart, or make all slices."
                )
        except InputError as error:
            self.status.setText(str(error))
            show_problem(error)
            return False
        first()
        planes = [(frame, k)] if scope == "slice" else [(frame, n) for n in range(len(drawn))]
        self._compared = _Compared(layer, numbers, request, make, set(planes))
        self._run(title, [k] if scope == "slice" else None, frame, partial(show, layer=layer))
        return True

    def _run(
        self, title: str, slices: list[int] | None, frame: int, show: Callable[..., object]
    ) -> None:
        """Make what is compared on some slices, all if None."""
        compared = self._compared
        assert compared is not None
        numbers, request = compared.numbers, compared.request
        part = {"slices": slices, "frames": [frame] if numbers.is_cine else None}

        def run() -> Iterator[Any]:
            mask = engine_labels(numbers, request.labels)
            model = loaded(str(request.model), request.device)
            return compared.make(mask, model, request, **part)

        self._job = Job(title, run, on_result=show, on_done=self._done, parent=self)
        self._job.progressed.connect(self._show_progress)
        self._job.finished.connect(self._end)
        self.progress.setRange(0, 0)  # busy: nobody knows how long, until the first step is done
        self.status.setText("Loading the model.")
        self._show_state()
        self._job.start()

    def _show_vendor(self, synthetic: Synthetic, layer: Any) -> None:
        picture = add_result(self._viewer, synthetic, layer, name=synthetic.record["vendor"])
        picture.contrast_limits = (0.0, 1.0)  # the model's own scale, the same for every vendor
        self._targets[synthetic.record["vendor"]] = picture
        card = self.form.card
        cells = len(card.conditions.vendors) if card else 1
        self.grid_view.show(picture, of=cells + bool(self._passing))

    def _show_real(self) -> None:
        """The real scan in the first cell, if it is wanted and there is one."""
        assert self._compared is not None
        layer, card = self._compared.layer, self.form.card
        if not self.with_real.isChecked() or card is None:
            return
        try:
            scan = real_scan(self._viewer, layer)
        except InputError:  # drawn, not traced on a scan
            return
        limits = tuple(scan.contrast_limits)
        real = cell(layer, scan.data, f"real {scan.name}", limits)
        self._viewer.layers.insert(0, real)
        self._passing.append(real)
        self.grid_view.show(real, of=len(card.conditions.vendors) + 1, linked=False)

    def _show_beside_real(self, synthetic: Synthetic, layer: Any) -> None:
        """Scan, picture and difference, each under the mask's outlines."""
        try:
            scan = real_scan(self._viewer, layer)
            real = in_grey_values(scan, layer)
        except InputError as error:
            self.status.setText(str(error))
            show_problem(error)
            return
        picture = add_result(self._viewer, synthetic, layer)
        self._targets = {synthetic.record.get("vendor"): picture}
        pictures = (
            cell(layer, real, f"real {scan.name}"),
            cell(layer, picture.data, f"synthetic {synthetic.record.get('vendor') or ''}".strip()),
            apart(layer, np.asarray(picture.data), real, "synthetic less real"),
        )
        kept = set(self._viewer.layers.selection)
        for number, each in enumerate(pictures):
            over = outlines(layer)
            for place, part in enumerate((each, over)):
                self._viewer.layers.insert(2 * number + place, part)
                self._passing.append(part)
            self.grid_view.show(each, of=len(pictures), linked=number < 2, over=over)
        self._viewer.layers.selection = kept

    def _fill(self) -> None:
        """Make the slice in view in every cell, if it was not made with the others."""
        compared = self._compared
        if compared is None or not self.grid_view.active or self.running:
            return
        if compared.layer not in self._viewer.layers:
            return
        frame, k = in_view(self._viewer, compared.layer)
        if (frame, k) in compared.planes:
            return
        if not _drawn_slices(compared.numbers)[k]:
            self.status.setText(f"Nothing is drawn on slice {k}; the cells are empty there.")
            return
        compared.planes.add((frame, k))
        self._run(f"Slice {k} of the cells", [k], frame, partial(self._fill_in, frame=frame, k=k))

    def _fill_in(self, synthetic: Synthetic, frame: int, k: int) -> None:
        layer = self._targets.get(synthetic.record.get("vendor"))
        if layer is None or layer not in self._viewer.layers:
            return
        plane = (frame, k)[4 - layer.ndim :]
        layer.data[plane] = synthetic.scan.array[(frame, k)[4 - synthetic.scan.array.ndim :]]
        _note_slice(layer.metadata, synthetic, k)
        layer.refresh()
        self._show_difference(frame, k)

    def _show_difference(self, frame: int, k: int) -> None:
        if len(self._passing) < 6:  # three cells with outlines
            return
        real, _, picture, _, difference, _ = self._passing
        plane = (frame, k)[4 - real.ndim :]
        made = picture.data[plane]
        difference.data[plane] = np.where(made != 0, made - real.data[plane], 0)
        for layer in (picture, difference):
            layer.refresh()

    def _on_left(self) -> None:
        self._compared, self._targets, self._passing = None, {}, []
        self._show_state()

    def _show_variant(self, synthetic: Synthetic, layer: Any) -> None:
        self._mask_in_gallery = layer
        self._show_slice()
        self.gallery.add(synthetic)

    def _show_progress(self, step: int, steps: int) -> None:
        self.progress.setRange(0, steps)
        self.progress.setValue(step)
        if self._job is not None and not self._job.cancelled:
            self.status.setText(f"Step {step} of {steps}.")

    def _done(self, cancelled: bool, error: BaseException | None) -> None:
        if isinstance(error, InputError):
            self.status.setText(str(error))
        elif error is not None:
            self.status.setText(f"Failed: {type(error).__name__}.")
        else:
            self.status.setText("Cancelled; what was finished is kept." if cancelled else "")

    def _end(self) -> None:
        self._job = None
        self._show_state()
        self._soon.throttle()  # the slider may have moved meanwhile
        self.finished.emit()

    def _on_layer(self) -> None:
        layer = self.picker.layer
        # a cine would be more than can be compared by eye: its frame in view is made
        self.form.offer_scopes(3 if layer is None else min(layer.ndim, 3))
        self._show_state()

    def _on_mask(self) -> None:
        """The mask was edited: several labelled slices have positions of their own."""
        layer = self.picker.layer
        several = layer is not None and np.count_nonzero(_drawn_slices(numbers_of(layer))) > 1
        self.form.show_position("from the stack" if several else None)

    def _show_slice(self, event: Any = None) -> None:
        self._soon.throttle()
        if self._mask_in_gallery is not None:
            self.gallery.show_slice(*in_view(self._viewer, self._mask_in_gallery))

    def _show_state(self) -> None:
        ready = not self.running
        for each in (self.compare_button, self.real_button, self.make_button):
            each.setEnabled(ready and self.picker.layer is not None)
        self.back_button.setEnabled(ready and self.grid_view.active)
        self.keep_button.setEnabled(ready and bool(self.gallery.selectedItems()))
        self.discard_button.setEnabled(ready and self.gallery.count() > 0)
        self.progress.setVisible(not ready)
        self.cancel_button.setVisible(not ready)
        self.cancel_button.setEnabled(not ready)

    def _build(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 4, 0)
        column.addWidget(group("Mask", self.picker))
        column.addWidget(self.form)
        column.addStretch()

        self.compare_button = button(
            "Compare vendors",
            "Make the mask with every vendor of the model, from one seed.",
            self.compare_vendors,
        )
        self.back_button = button(
            "Back to the mask",
            "Turn the grid off and show again what was shown before.",
            self.leave,
        )
        self.keep_vendors = QCheckBox("Keep the pictures as layers")
        self.with_real = QCheckBox("With the real scan")
        self.with_real.setToolTip(
            "The scan that the mask was drawn on, if there is one, takes the first cell."
        )
        self.with_real.setChecked(True)
        self.real_button = button(
            "Real beside synthetic",
            "Scan, synthetic picture and their difference side by side, with the mask's outlines.",
            self.compare_with_real,
        )
        self.make_button = button(
            "Make variants",
            "Make the mask from as many seeds as there are variants, counting on from the seed.",
            self.make_variants,
        )
        self.gallery = Gallery()
        self.gallery.itemSelectionChanged.connect(self._show_state)
        self.keep_button = button(
            "Keep chosen", "The chosen become layers, the others are discarded.", self.keep
        )
        self.discard_button = button("Discard all", "Empty the gallery.", self.discard)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.cancel_button = button("Cancel", "Stop after the step that runs.", self.cancel)
        self.status = word_wrapped("")

        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(scrolled(content), stretch=1)
        layout.addWidget(
            group(
                "Vendors",
                stacked(
                    side_by_side(self.compare_button, self.back_button),
                    self.with_real,
                    self.keep_vendors,
                    self.real_button,
                ),
            )
        )
        layout.addWidget(
            group(
                "Variants",
                stacked(
                    self.make_button,
                    self.gallery,
                    side_by_side(self.keep_button, self.discard_button),
                ),
            )
        )
        layout.addWidget(side_by_side(self.progress, self.cancel_button))
        layout.addWidget(self.status)


def _one(mask: Scan, model: Model, request: Request, **part: Any) -> Iterator[Progress | Synthetic]:
    """One picture of a mask, under the conditions asked for."""
    from cmr_synth.synthesis.from_mask import synthesize

    return synthesize(mask, model, replace(request, n=1), **part)


def _note_slice(metadata: dict[str, Any], synthetic: Synthetic, k: int) -> None:
    """Say in the record of a picture that one more slice of it was made."""
    record, made = metadata[RECORD], synthetic.record
    if record["only"] is not None:
        record["only"]["slices"] = sorted({*record["only"]["slices"], k})
    if record["slice_positions"] is not None and made["slice_positions"] is not None:
        record["slice_positions"] |= made["slice_positions"]
    metadata[AS_MADE] |= synthetic.as_made


def _drawn_slices(numbers: Scan) -> NDArray[np.bool_]:
    """Slices on which anything is drawn in any frame, (slices,)."""
    drawn = (numbers.array != 0) & (numbers.array != UNLABELLED)
    slices: NDArray[np.bool_] = drawn.reshape(-1, *drawn.shape[-3:]).any(axis=(0, 2, 3))
    return slices
