"""*Find the heart*: one button that segments the scan shown, and how far to trust what it found."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.errors import InputError

from .._jobs import Job
from .._layout import button, form, narrow_combo, word_wrapped
from .._mask_layer import go_to, place
from .._masks import mask_layers, unwrapped
from .._messages import show_note, show_problem
from .finding import CINE, CONFIDENCE, SLICE, STACK, fitting, scopes, search, search_of, write_found

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from cmr_synth.judges.find_heart import Found

WORDS = {CINE: "whole cine", STACK: "stack shown", SLICE: "slice shown"}
NEW = "a new mask"
PLACES = {"siemens": "Siemens", "philips": "Philips", "ge": "GE", "canon": "Canon"}


class FindingPanel(QWidget):
    """Segments the slice, stack or cine that is shown.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    found = Signal(object)
    """The mask that was written into."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self._job: Job | None = None
        self._mask: Labels | None = None  # whose confidence is shown
        self.image = narrow_combo(self)
        self.image.setToolTip("The scan to look at.")
        self.scope = narrow_combo(self)
        self.scope.setToolTip("How much of it.")
        self.into = narrow_combo(self)
        self.into.setToolTip(
            "A new mask, or one on the scan's grid: the slices looked at are replaced in it, and "
            "Ctrl+Z brings them back."
        )
        self.start = button(
            "Find the heart",
            "Segment LV blood pool, myocardium and RV blood pool with the bundled network. A "
            "first guess to be looked at and corrected; not a medical device.",
            self.find,
        )
        self.cancel = button("Cancel", "Stop; no mask is changed.", self._cancel)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(True)
        self.ed = button("Go to ED", "Show end-diastole: the largest LV.", partial(self._go, 0))
        self.es = button("Go to ES", "Show end-systole: the smallest LV.", partial(self._go, 1))
        self.sure = word_wrapped("")
        self.sure.setTextFormat(Qt.TextFormat.RichText)
        self.sure.setToolTip(
            "Mean probability that the network gives the pixels of a structure in this slice "
            "(25 % is none, 100 % certain), and the mean entropy of its four classes there as a "
            "share of the largest possible (0 % is certain). They speak of what was found, not "
            "of what was painted since."
        )
        self.least = button("", "Show the slice that needs a look most.", self._go_least)
        self.dice = word_wrapped("")
        self.dice.setTextFormat(Qt.TextFormat.RichText)
        self._phases: tuple[int, int] | None = None
        self._lay_out()
        self._tell_dice()
        self._show_running(False)
        self.show_mask(None)

        self.image.currentIndexChanged.connect(self._image_changed)
        layers = self._viewer.layers
        # napari keeps weak references to methods, so nothing has to be disconnected at the end.
        for emitter in (layers.events.inserted, layers.events.removed, layers.events.renamed):
            emitter.connect(self._layers_changed)
        layers.selection.events.active.connect(self._layers_changed)
        self._viewer.dims.events.current_step.connect(self._moved)
        self._layers_changed()

    @property
    def running(self) -> bool:
        """Whether it is looking."""
        return self._job is not None and self._job.running

    def find(self) -> None:
        """Look for the heart; does nothing while it is looking."""
        image, mask = self.image.currentData(), self.into.currentData()
        if self.running:
            return
        try:
            if image is None:
                raise InputError("There is no scan to look at. Open a scan first.")
            question = search_of(self._viewer, image, self.scope.currentData())
        except InputError as error:
            show_problem(error)
            return
        self._job = Job(
            "Finding the heart",
            lambda: search(question),
            on_result=partial(self._write, image, mask),
            on_done=self._done,
            parent=self,
        )
        self._job.progressed.connect(self._progress)
        self.bar.setRange(0, 0)  # busy, until the first slices are done
        self._show_running(True)
        self._job.start()

    def show_mask(self, mask: Labels | None) -> None:
        """Show how sure the segmenter is of this mask from now on."""
        if mask is not self._mask:
            self._phases = None
        self._mask = mask
        self._moved()

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()

    def _write(self, image: Image, mask: Labels | None, found: Found) -> None:
        layers = self._viewer.layers
        for layer in (image, mask):
            if layer is not None and layer not in layers:
                raise InputError(f"{layer.name}: was removed meanwhile; nothing was changed.")
        mask = write_found(self._viewer, image, found, mask)
        layers.selection.active = mask
        self._list_masks(mask)
        self.found.emit(mask)
        self.show_mask(mask)
        self._phases = found.phases
        self._moved()
        if found.phases is not None:
            ed, es = found.phases
            show_note(f"Heart found in every frame. ED is frame {ed}, ES frame {es}.")

    def _done(self, _cancelled: bool, _error: BaseException | None) -> None:
        self._show_running(False)

    def _progress(self, step: int, steps: int) -> None:
        if step:
            self.bar.setRange(0, steps)
            self.bar.setValue(step)

    def _show_running(self, running: bool) -> None:
        self.bar.setVisible(running)
        self.cancel.setVisible(running)
        self.start.setVisible(not running)

    # What was found, and how surely

    def _moved(self, _event: Any = None) -> None:
        if not isalive(self):
            return
        mask = self._mask
        there = mask is not None and mask in self._viewer.layers
        confidence = mask.metadata.get(CONFIDENCE) if there and mask is not None else None
        for part in (self.sure, self.least):
            part.setVisible(confidence is not None)
        for phase, frame, part in zip(
            ("ED", "ES"), self._phases or (0, 0), (self.ed, self.es), strict=True
        ):
            part.setVisible(there and self._phases is not None)
            part.setText(f"Go to {phase} (frame {frame})")
        if confidence is None:
            return
        assert mask is not None
        try:
            where = place(self._viewer, mask)
        except InputError:  # a 3D view, or a place beside the mask
            self.sure.setText("")
            return
        frame, index = (0, 0, *where)[-2:]
        self.sure.setText(_table(confidence.by_structure(frame, index)))
        least = confidence.least_sure()
        self.least.setVisible(least is not None and mask.ndim > 2)
        if least is not None:
            at = f"frame {least[0]}, " if mask.ndim == 4 else ""
            self.least.setText(f"Least sure: {least[2]}, {at}slice {least[1]}")

    def _go(self, which: int) -> None:
        mask = self._mask
        if mask is None or self._phases is None or mask not in self._viewer.layers:
            return
        try:
            index = place(self._viewer, mask)[-1]
        except InputError:
            index = mask.data.shape[-3] // 2
        go_to(self._viewer, mask, index, frame=self._phases[which])

    def _go_least(self) -> None:
        mask = self._mask
        if mask is None or mask not in self._viewer.layers:
            return
        least = mask.metadata[CONFIDENCE].least_sure()
        if least is not None:
            go_to(self._viewer, mask, least[1], frame=least[0])

    def _tell_dice(self) -> None:
        from cmr_synth.judges.known_dice import KnownDice

        try:
            known = KnownDice.load()
        except InputError as error:
            self.dice.setText(str(error))
            return
        rows = "".join(
            f"<tr><td>{PLACES.get(vendor, vendor)}</td>"
            + "".join(
                f"<td align='right'>{one.dice[s][0]:.2f}</td>"
                if s in one.dice
                else "<td>\N{EN DASH}</td>"
                for s in STRUCTURES
            )
            + f"<td align='right'>{one.patients}</td></tr>"
            for vendor, one in known.vendors.items()
        )
        names = "".join(f"<th>{s}</th>" for s in STRUCTURES)
        self.dice.setText(
            "Dice measured on patients that it was not trained on:"
            f"<table cellspacing='0' cellpadding='2'><tr><th></th>{names}<th>patients</th></tr>"
            f"{rows}</table>"
        )
        self.dice.setToolTip(
            "\n".join(
                f"{PLACES.get(vendor, vendor)} ({one.cohort}, {one.slices} slices): "
                + ", ".join(
                    f"{s} {mean:.3f} ({low:.3f} to {high:.3f})"
                    for s, (mean, low, high) in one.dice.items()
                )
                for vendor, one in known.vendors.items()
            )
        )

    # Layers

    def _layers_changed(self, _event: Any = None) -> None:
        if not isalive(self):
            return
        from napari.layers import Image

        images = [
            layer
            for layer in reversed(self._viewer.layers)
            if isinstance(layer, Image) and scopes(layer)
        ]
        active, before = self._viewer.layers.selection.active, self.image.currentData()
        chosen = active if active in images else before if before in images else None
        self.image.blockSignals(True)
        self.image.clear()
        for image in images:
            self.image.addItem(image.name, image)
        self.image.setCurrentIndex(images.index(chosen) if chosen is not None else 0)
        self.image.blockSignals(False)
        self.start.setEnabled(bool(images))
        if self.image.currentData() is not before or not self.scope.count():
            self._image_changed()
        else:
            self._list_masks(self.into.currentData())

    def _image_changed(self, _index: int = 0) -> None:
        image = self.image.currentData()
        self.scope.clear()
        for scope in scopes(image):
            self.scope.addItem(WORDS[scope], scope)
        self._list_masks(None)

    def _list_masks(self, chosen: Labels | None) -> None:
        image = self.image.currentData()
        masks = [] if image is None else fitting(image, mask_layers(self._viewer))
        self.into.clear()
        self.into.addItem(NEW, None)
        for mask in masks:
            self.into.addItem(mask.name, mask)
        self.into.setCurrentIndex(1 + masks.index(chosen) if chosen in masks else 0)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(form(("In", self.image), ("Look at", self.scope), ("Into", self.into)))
        layout.addWidget(self.start)
        layout.addLayout(_row(self.bar, self.cancel))
        layout.addLayout(_row(self.ed, self.es))
        layout.addWidget(self.sure)
        layout.addWidget(self.least)
        layout.addWidget(self.dice)


def _table(by_structure: dict[str, tuple[float, float]]) -> str:
    rows = ""
    for name, (probability, entropy) in by_structure.items():
        numbers = (
            f"<td align='right'>{100 * probability:.0f} %</td>"
            f"<td align='right'>{100 * entropy:.0f} %</td>"
            if probability == probability
            else "<td colspan='2'>not found here</td>"
        )
        rows += f"<tr><td>{name}</td>{numbers}</tr>"
    return (
        "How sure the network is in this slice:<table cellspacing='0' cellpadding='2'>"
        f"<tr><th></th><th>probability</th><th>entropy</th></tr>{rows}</table>"
    )


def _row(*parts: QPushButton | QProgressBar | QLabel) -> QHBoxLayout:
    row = QHBoxLayout()
    for part in parts:
        row.addWidget(part, 1)
    return row
