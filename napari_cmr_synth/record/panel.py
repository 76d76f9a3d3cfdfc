"""The record of a synthetic layer, and whether its picture shows the heart of its mask."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.errors import InputError

from .._canvas import guard_removal
from .._jobs import Job
from .._layers import COLOURS, scan_of_layer
from .._masks import OVERLAY, convention_of, mask_layers, mask_scan, unwrapped
from .._messages import show_note, show_problem
from .._results import MASK, RECORD
from .frame import PanelFrame

if TYPE_CHECKING:
    import napari
    from napari.layers import Labels, Layer

    from cmr_synth.evaluation.mask_agreement import Agreement
    from cmr_synth.imaging.scan import Scan
    from cmr_synth.segmenter.model import Segmenter

MISSED_COLOUR = "#ff00ff"  # heart of the mask that was not found: no structure's colour
CHANGED = (
    "The mask has been painted on since the picture was made; the figures compare with the mask as "
    "it is now."
)

LEGEND = (
    f'Disagreement: <span style="color: {MISSED_COLOUR}">■</span> in the mask and not found; '
    + ", ".join(f'<span style="color: {COLOURS[name]}">■</span> {name}' for name in STRUCTURES)
    + " found where the mask has something else."
)
"""What the colours of the overlay mean."""

_lock = threading.Lock()


class RecordPanel(QWidget):
    """How the selected synthetic picture was made, and a check of its adherence to the mask.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self._layer: Layer | None = None
        self._job: Job | None = None
        self._checked: weakref.WeakKeyDictionary[Layer, _Check] = weakref.WeakKeyDictionary()
        self._overlays: weakref.WeakKeyDictionary[Layer, Any] = weakref.WeakKeyDictionary()

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
        layout.addLayout(buttons)
        layout.addWidget(self.legend)
        layout.addWidget(self.frame, 1)

        guard_removal(self._viewer)
        layers = self._viewer.layers
        layers.selection.events.active.connect(self._follow)
        layers.events.inserted.connect(self._follow)
        layers.events.removed.connect(self._follow)
        self._follow()

    @property
    def layer(self) -> Layer | None:
        """The synthetic layer that is shown."""
        return self._layer

    @property
    def job(self) -> Job | None:
        """The check that runs, or ran last."""
        return self._job

    def check(self) -> None:
        """Segment the picture in a worker and compare it with its mask."""
        if self._layer is None or self._running:
            return
        layer = self._layer
        try:
            picture = scan_of_layer(layer.data, _attributes(layer))
            mask_layer, mask, changed = self._mask_of(layer)
        except InputError as error:
            show_problem(error)
            return

        def make() -> Iterator[Any]:
            from cmr_synth.evaluation.mask_agreement import mask_agreement

            segmenter, reference = _segmenter()
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

    def _follow(self, event: Any = None) -> None:
        """Show a new or the active layer if it is synthetic, else stay, else show the topmost."""
        if not isalive(self):  # the panel was closed, and its viewer was not
            return
        layers = self._viewer.layers
        active = layers.selection.active
        new = getattr(event, "value", None) if getattr(event, "type", "") == "inserted" else None
        if new is not None and RECORD in new.metadata:
            chosen = new
        elif active is not None and RECORD in active.metadata:
            chosen = active
        elif self._layer is not None and self._layer in layers:
            return
        else:
            chosen = next((la for la in reversed(layers) if RECORD in la.metadata), None)
        if chosen is not self._layer or chosen is None:
            self._layer = chosen
            self._show()

    def _show(self) -> None:
        from cmr_synth.reports.record import record_content

        layer = self._layer
        self._refresh()
        if layer is None:
            self.frame.content = None
            return
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
        self.check_button.setEnabled(self._layer is not None and not running)
        self.check_button.setText("Checking..." if running else "Check adherence")
        self.cancel_button.setVisible(running)
        self.legend.setVisible(self._layer is not None and self._layer in self._checked)

    def _mask_of(self, layer: Layer) -> tuple[Labels, Scan, bool]:
        """The mask layer that a picture follows, its scan, and whether it was painted on since.

        A mask that was renamed is known by its labels.
        """
        mask = layer.metadata[RECORD]["mask"]
        if mask is None:
            raise InputError(
                f"{layer.name}: was made without a mask, so there is none to compare it with."
            )
        wanted = mask["labels_sha256"]
        name = layer.metadata.get(MASK)
        masks = mask_layers(self._viewer)
        named = next((m for m in masks if m.name == name), None)
        if named is not None:
            scan = _scan_of(named)
            if _hash(scan) == wanted:
                return named, scan, False
        for other in masks:
            if other is named or other.data.shape != layer.data.shape:
                continue
            try:
                scan = _scan_of(other)
            except InputError:
                continue
            if _hash(scan) == wanted:
                return other, scan, False
        if named is None:
            raise InputError(
                f"{layer.name}: its mask {name!r} is not among the layers; open it again, then "
                "check."
            )
        return named, _scan_of(named), True

    def _receive(self, layer: Layer, mask_layer: Labels, check: _Check) -> None:
        if layer not in self._viewer.layers:
            show_note(f"{layer.name} was removed while it was checked; nothing is shown.")
            return
        self._checked[layer] = check
        self._overlay(layer, mask_layer, check.agreement)
        if layer is self._layer:
            self._show()

    def _overlay(self, layer: Layer, mask_layer: Labels, agreement: Agreement) -> None:
        """Mark where the segmenter found something else than the mask says."""
        data = agreement.disagreement.array
        data = data.reshape(layer.data.shape)  # (1, y, x) -> (y, x) on a flat layer
        known = self._overlays.get(layer)
        old = known() if known is not None else None
        if old is not None and old in self._viewer.layers:
            old.data = data
            return
        overlay = _overlay_layer(data, layer, mask_layer)
        layers = self._viewer.layers
        selected, active = set(layers.selection), layers.selection.active
        layers.insert(layers.index(layer) + 1, overlay)
        layers.selection = selected
        layers.selection.active = active
        self._overlays[layer] = weakref.ref(overlay)


class _Check:
    """An agreement, what real pictures reach, and whether the mask had been changed."""

    def __init__(self, agreement: Agreement, reference: dict[str, Any] | None, changed: bool):
        self.agreement = agreement
        self.reference = reference
        self.changed = changed


def _overlay_layer(data: Any, layer: Layer, mask_layer: Labels) -> Labels:
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap

    from cmr_synth.evaluation.mask_agreement import MISSED

    colours: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    colours |= {number: COLOURS[name] for name, number in STRUCTURES.items()}
    colours[MISSED] = MISSED_COLOUR
    meanings = [f"{name} found, not in the mask" for name in STRUCTURES]
    name = layer.name if layer.name.startswith("synthetic") else f"synthetic {layer.name}"
    overlay = Labels(
        np.asarray(data),
        name=f"{name}, disagreement",
        scale=layer.scale,
        translate=layer.translate,
        rotate=layer.rotate,
        shear=layer.shear,
        axis_labels=layer.axis_labels,
        units=layer.units,
        opacity=0.7,
        colormap=DirectLabelColormap(color_dict=colours),
        features={
            "index": [0, *STRUCTURES.values(), MISSED],
            "structure": ["agrees", *meanings, "in the mask, not found"],
        },
        metadata={
            **{k: v for k, v in layer.metadata.items() if k not in (RECORD, MASK)},
            OVERLAY: True,
            MASK: mask_layer.name,
        },
    )
    overlay.editable = False
    return overlay


def _attributes(layer: Layer) -> dict[str, Any]:
    return {"name": layer.name, "scale": layer.scale, "metadata": layer.metadata}


def _scan_of(layer: Labels) -> Scan:
    convention = convention_of(layer)
    if convention is None:
        raise InputError(
            f"{layer.name}: what do its numbers mean? Choose the label convention in the "
            "Synthesize panel."
        )
    return mask_scan(layer, convention)


def _hash(mask: Scan) -> str:
    from cmr_synth.generators.synthesis import labels_hash

    return labels_hash(mask)


@cache
def _loaded() -> tuple[Segmenter, dict[str, Any] | None]:
    from cmr_synth.generators.zoo import card_of
    from cmr_synth.segmenter.model import Segmenter

    measured = card_of("segmenter").measured.adherence
    return Segmenter.load(), None if isinstance(measured, str) else dict(measured)


def _segmenter() -> tuple[Segmenter, dict[str, Any] | None]:
    """The bundled segmenter, and what its card says it reaches on real pictures."""
    with _lock:
        return _loaded()
