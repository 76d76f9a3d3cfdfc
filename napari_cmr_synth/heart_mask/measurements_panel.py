"""Live measurements of a mask, and what is unusual about it in words.

The numbers are computed in a thread from a copy of the frame shown, a moment after the last
stroke; what was asked meanwhile is asked once more, so that the panel never falls behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFormLayout,
    QHeaderView,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import QSignalDebouncer

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.anatomy.plausibility import Finding
from cmr_synth.anatomy.reference import WHO
from cmr_synth.errors import InputError

from .._jobs import Job
from .._layout import button, narrow_combo, word_wrapped
from .._mask_layer import go_to, place
from .._masks import mask_layers, unwrapped
from .._messages import show_note, show_problem
from .measurements import (
    DASH,
    Answer,
    answer,
    is_other_phase,
    number,
    phases_text,
    question_of,
    stem,
    take_away,
    wall_details,
    wall_text,
)

if TYPE_CHECKING:
    from napari.layers import Labels

    from cmr_synth.anatomy.measured import Measured

    from .measurements import Question

PAUSE_MS = 250  # after the last change: short enough to be live, long enough not to slow a stroke
COLUMNS = ("Area, slice\n(mm\N{SUPERSCRIPT TWO})", "Volume\n(mL)", "EF\n(%)")
ICONS = {
    "error": QStyle.StandardPixmap.SP_MessageBoxCritical,
    "warning": QStyle.StandardPixmap.SP_MessageBoxWarning,
    "info": QStyle.StandardPixmap.SP_MessageBoxInformation,
}
WORDS = {
    "error": "No heart is built like this.",
    "warning": "Unusual: look at it.",
    "info": "Usual at the base and the apex.",
}


class MeasurementsPanel(QWidget):
    """Areas, volumes, ejection fraction, wall thickness and findings of one mask.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    measured = Signal(object)
    """An `Answer`, as it is shown."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self._layer: Labels | None = None
        self._job: Job | None = None
        self._big: Job | None = None
        self._again = False
        self._shown_other: Labels | None = None
        self.answer: Answer | None = None
        self._soon = QSignalDebouncer(parent=self)
        self._soon.setTimeout(PAUSE_MS)
        self._soon.triggered.connect(self._ask)

        self.table = QTableWidget(len(STRUCTURES), len(COLUMNS), self)
        self.table.setVerticalHeaderLabels(list(STRUCTURES))
        self.table.setHorizontalHeaderLabels(list(COLUMNS))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setFixedHeight(24 * len(STRUCTURES) + 42)
        self.wall = _line("Mean thickness of the myocardium in the slice shown, by sector.")
        self.mass = _line("Mass of the left-ventricular wall in the frame shown, at 1.05 g/mL.")
        self.function = _line(WHO)
        self.function.setTextFormat(Qt.TextFormat.RichText)
        self.report = button(
            "Volume curve, bull's-eye, CSV...",
            "All that this mask measures in a window of its own: function beside normal ranges, "
            "volume over time, wall in the 16 AHA segments; to save as a page or a table.",
            self.take_away,
        )
        self.phases = _line("The frames or masks that the ejection fraction compares.")
        self.other = narrow_combo(self)
        self.other.setToolTip(
            "For masks of single phases: the mask of the other phase, on the same grid. The one "
            "with the larger LV counts as end-diastole."
        )
        self.other.currentIndexChanged.connect(self.refresh)
        self.findings = QListWidget(self)
        self.findings.setWordWrap(True)
        self.findings.setFixedHeight(120)
        self.findings.setToolTip("What is unusual about this mask. Click to go to the slice.")
        self.findings.itemClicked.connect(self._go)

        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Wall (mm)", self.wall)
        form.addRow("LV mass", self.mass)
        self._other_label = QLabel("Other phase", self)
        form.addRow(self._other_label, self.other)
        form.addRow("Phases", self.phases)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)
        layout.addLayout(form)
        layout.addWidget(self.function)
        layout.addWidget(self.report)
        layout.addWidget(QLabel("Plausibility (click: go to the slice)", self))
        layout.addWidget(self.findings)
        self._clear("Choose a mask.")

        # napari keeps weak references to methods, so nothing has to be disconnected at the end.
        self._viewer.dims.events.current_step.connect(self._changed)
        self._viewer.layers.events.inserted.connect(self._layers_changed)
        self._viewer.layers.events.removed.connect(self._layers_changed)

    def set_layer(self, layer: Labels | None) -> None:
        """Measure this mask from now on; None for no mask."""
        if layer is self._layer:
            return
        if self._layer is not None:
            for emitter in (self._layer.events.paint, self._layer.events.set_data):
                emitter.disconnect(self._changed)
        self._layer = layer
        if layer is not None:
            for emitter in (layer.events.paint, layer.events.set_data):
                emitter.connect(self._changed)
        self._list_others()
        self.refresh()

    def refresh(self) -> None:
        """Measure again, soon."""
        self._soon.throttle()

    def take_away(self) -> None:
        """Measure all frames, and show it in a window."""
        if self._big is not None and self._big.running:
            return
        try:
            if self._layer is None or self._layer not in self._viewer.layers:
                raise InputError("There is no mask to measure. Choose one.")
            question = question_of(self._viewer, self._layer, self.other.currentData())
        except InputError as error:
            show_problem(error)
            return
        self._big = Job(
            "Measuring all frames",
            lambda: _taken_away(question),
            on_result=self._open,
            parent=self,
        )
        self._big.start()

    def _open(self, measured: Measured) -> None:
        from .take_away import TakeAway

        self.taken = TakeAway(measured, self.window())
        self.taken.show()

    def go_to_phase(self, phase: str) -> None:
        """Show end-diastole ("ed") or end-systole ("es"): the frame of a cine, or the mask."""
        shown = self.answer
        if self._layer is None or shown is None or shown.beat is None:
            show_note(
                "End-diastole and end-systole are known once two frames of a cine, or two masks "
                "of the same heart, show the LV."
            )
            return
        chosen = getattr(shown.beat, phase)
        if self._layer.ndim == 4:
            where = place(self._viewer, self._layer)
            go_to(self._viewer, self._layer, where[-1], frame=chosen)
            return
        pair = [self._layer, self._shown_other]
        if all(layer in self._viewer.layers for layer in pair):
            pair[1 - chosen].visible = False
            pair[chosen].visible = True
            self._viewer.layers.selection.active = pair[chosen]

    def showEvent(self, event: Any) -> None:  # noqa: N802 - a name of Qt
        """Catch up with what was painted while the panel was hidden."""
        super().showEvent(event)
        self.refresh()

    def _changed(self, _event: Any = None) -> None:
        if isalive(self) and self.isVisible():
            self._soon.throttle()

    def _layers_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self._list_others()
            self._changed()

    def _ask(self) -> None:
        if self._job is not None and self._job.running:
            self._again = True
            return
        if self._layer is None or self._layer not in self._viewer.layers:
            self._clear("Choose a mask.")
            return
        self._shown_other = self.other.currentData()
        try:
            question = question_of(self._viewer, self._layer, self._shown_other)
        except InputError as error:
            self._clear(str(error))
            return
        self._job = Job(
            "Measuring",
            lambda: map(answer, [question]),
            on_result=self._show,
            on_done=self._done,
            parent=self,
            show_progress=False,
            tell=self._failed,
        )
        self._job.start()

    def _done(self, _cancelled: bool, _error: BaseException | None) -> None:
        if self._again:
            self._again = False
            self._soon.throttle()

    def _failed(self, error: BaseException) -> None:
        self._clear(str(error) if isinstance(error, InputError) else "Could not be measured.")
        if not isinstance(error, InputError):
            show_problem(error)

    def _show(self, shown: Answer) -> None:
        layer = self._layer
        if layer is None:
            return
        self.answer = shown
        seen, found = shown.seen, shown.beat
        fraction = {} if found is None else found.fraction
        for row, structure in enumerate(STRUCTURES):
            area, volume = seen.areas_mm2[structure], seen.volumes_ml[structure]
            ejected = 100 * fraction.get(structure, float("nan"))
            for column, (value, digits) in enumerate(((area, 0), (volume, 1), (ejected, 0))):
                self._set(row, column, number(value, digits))
        self.wall.setText(wall_text(seen.wall_mm))
        self.wall.setToolTip(wall_details(seen.wall_mm))
        self.mass.setText(f"{seen.mass_g:.0f} g" if seen.mass_g > 0 else DASH)
        self.function.setText(_beside_normal(shown.function))
        self.phases.setText(phases_text(layer, self._shown_other, found))
        doubts = () if found is None else tuple(found.doubts.values())
        self._list_findings(seen.findings, seen.areas_mm2, doubts)
        self.measured.emit(shown)

    def _list_findings(
        self,
        findings: tuple[Finding, ...],
        areas_mm2: Mapping[str, float],
        doubts: tuple[str, ...],
    ) -> None:
        self.findings.clear()
        for doubt in doubts:
            item = QListWidgetItem(self.style().standardIcon(ICONS["warning"]), doubt)
            item.setToolTip("No ejection fraction is given.")
            self.findings.addItem(item)
        # Empty slices at the ends are usual; that everything is empty is worth a word.
        worth = [finding for finding in findings if finding.code != "empty"]
        assert self._layer is not None
        for finding in sorted(worth, key=lambda f: list(ICONS).index(f.severity)):
            where = "" if self._layer.ndim == 2 else f"Slice {finding.slice_index}: "
            icon = self.style().standardIcon(ICONS[finding.severity])
            item = QListWidgetItem(icon, f"{where}{finding.message}", self.findings)
            item.setToolTip(f"{WORDS[finding.severity]} Click to go to the slice.")
            item.setData(Qt.ItemDataRole.UserRole, finding.slice_index)
        if not worth and not doubts:
            empty = bool(findings) and not any(areas_mm2.values())
            self._say("Nothing is drawn yet." if empty else "Nothing unusual.")

    def _say(self, text: str) -> None:
        self.findings.clear()
        item = QListWidgetItem(text, self.findings)
        item.setFlags(Qt.ItemFlag.ItemIsEnabled)

    def _clear(self, why: str) -> None:
        self.answer = None
        for row in range(self.table.rowCount()):
            for column in range(self.table.columnCount()):
                self._set(row, column, DASH)
        for line in (self.wall, self.mass, self.phases):
            line.setText(DASH)
        self.function.setText("")
        self._say(why)

    def _set(self, row: int, column: int, text: str) -> None:
        item = self.table.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(row, column, item)
        item.setText(text)

    def _go(self, item: QListWidgetItem) -> None:
        index = item.data(Qt.ItemDataRole.UserRole)
        if index is not None and self._layer in self._viewer.layers:
            go_to(self._viewer, self._layer, int(index))

    def _list_others(self) -> None:
        """Offer the masks that can be the other phase; one of the same patient is chosen."""
        layer: Any = self._layer
        before = self.other.currentData()
        others = [other for other in mask_layers(self._viewer) if is_other_phase(layer, other)]
        self.other.blockSignals(True)
        self.other.clear()
        self.other.addItem("none", None)
        for other in others:
            self.other.addItem(other.name, other)
        same = [other for other in others if stem(other.name) == stem(layer.name)]
        chosen = before if before in others else same[0] if len(same) == 1 else None
        self.other.setCurrentIndex(1 + others.index(chosen) if chosen is not None else 0)
        self.other.blockSignals(False)
        self.other.setVisible(bool(others))
        self._other_label.setVisible(bool(others))


def _taken_away(question: Question) -> Iterator[Measured]:
    """Runs in a thread, with what the window of the result needs."""
    import cmr_synth.reports.measurements  # noqa: F401

    yield take_away(question)


def _beside_normal(function: Mapping[str, float]) -> str:
    from cmr_synth.reports.measurements import beside_normal

    rows = "".join(
        f"<tr><td>{name}</td><td align='right'>{number}</td><td align='right'>{normal}</td>"
        f"<td>{'' if where == 'within' else f'<b>{where}</b>'}</td></tr>"
        for name, number, normal, where in beside_normal(function)
    )
    if not rows:
        return ""
    return (
        "<table cellspacing='0' cellpadding='2'><tr><th></th><th>measured</th><th>normal (women)"
        f"</th><th></th></tr>{rows}</table>"
    )


def _line(tip: str) -> QLabel:
    line = word_wrapped(DASH)
    line.setToolTip(tip)
    return line
