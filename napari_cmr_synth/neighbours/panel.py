"""The real patients nearest to a synthetic slice: pictures, distances, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from cmr_synth.errors import InputError

from .. import _settings
from .._build_archive import BuildArchive
from .._cells import cell
from .._grid_view import GridView
from .._in_view import in_view
from .._jobs import Job
from .._layout import scrolled, side_by_side, word_wrapped
from .._masks import unwrapped
from .._messages import show_note, show_problem
from .._once import once
from .._panel import Panel
from .._results import AUDITED
from .._synthetic import SyntheticPicker
from .._thumbnails import RED, as_thumbnails, pixmap_of
from .slices import LayerSlices, slices_of

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive import Archive
    from cmr_synth.privacy.look_up import LookUp, NearPatient

EMPTY = (
    "Choose an archive of real patients, select a synthetic layer, go to a slice with a heart, and "
    "press Search. An archive is made with `cmr-synth archive build`."
)
PERCENTILE = "Per cent of held-out patients' slices that are as near to somebody in the archive"
EXPLAINED = (
    "Below a patient: the distance (0 is the same picture), and how many per cent of slices of "
    "real patients, held out of the archive, are as near to somebody in it by this distance alone. "
    "The verdict's percentage takes all measures together (whole slice, parts, pixels) and "
    "compares with held-out slices of the same vendor and level only, so that the two differ."
)

SMALL = 96  # pixels of the screen
LETTERS = 25  # of a name above a cell: what a third of a small canvas has room for


@dataclass(frozen=True, eq=False)
class _Search:
    """Slices of a layer, by frame and slice, and what an archive says of each."""

    layer: Layer
    slices: LayerSlices
    places: list[tuple[int, int]]
    pictures: NDArray[np.float32]
    found: list[LookUp]
    archive: Archive


class NeighboursPanel(Panel):
    """Search an archive for the current slice of the selected synthetic layer, or for all of them.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self._job: Job | None = None
        self._shown: _Search | None = None  # of one slice
        self._all: _Search | None = None  # of all slices
        self.grid_view = GridView(self._viewer, self)
        self.grid_view.left.connect(self._refresh)

        self.picker = SyntheticPicker(self._viewer, "Searches with", self)
        self.archive_label = word_wrapped("")
        self.archive_button = QPushButton("Choose archive...")
        self.archive_button.setToolTip("A folder made with `cmr-synth archive build`")
        self.archive_button.clicked.connect(self._choose)
        self.build_button = QPushButton("Build archive...")
        self.build_button.setToolTip("Of a folder of real patients, or a prepared slice set")
        self.build_button.clicked.connect(self._build)
        self.search_button = QPushButton("Search this slice")
        self.search_button.clicked.connect(self.search)
        self.all_button = QPushButton("Search all slices")
        self.all_button.setToolTip("Of pictures without a copy, one in ten at most has a red frame")
        self.all_button.clicked.connect(self.search_all)
        self.follow_box = QCheckBox("Search again when the slice changes")
        self.verdict_label = word_wrapped(EMPTY)
        self.verdict_label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.verdict_label.setToolTip(EXPLAINED)
        self.percent_label = word_wrapped(EXPLAINED)
        self.nearest_list = QListWidget(self)
        as_thumbnails(self.nearest_list)
        self.nearest_list.itemClicked.connect(self._clicked)
        self.slices_title = QLabel("All slices: a click goes to one")
        self.slices_list = QListWidget(self)
        as_thumbnails(self.slices_list, SMALL)
        self.slices_list.itemClicked.connect(self._go_to)
        self.back_button = QPushButton("Back to one view")
        self.back_button.clicked.connect(self.back)

        buttons = QHBoxLayout()
        buttons.addWidget(self.search_button)
        buttons.addWidget(self.all_button)
        content = QWidget()
        column = QVBoxLayout(content)
        column.addWidget(self.picker)
        column.addWidget(self.archive_label)
        column.addWidget(side_by_side(self.archive_button, self.build_button))
        column.addLayout(buttons)
        column.addWidget(self.follow_box)
        column.addWidget(self.verdict_label)
        column.addWidget(self.nearest_list, 3)
        column.addWidget(self.percent_label)
        column.addWidget(self.back_button)
        column.addWidget(self.slices_title)
        column.addWidget(self.slices_list, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(content))

        self.picker.layer_changed.connect(self._follow)
        self._viewer.dims.events.current_step.connect(self._moved)
        self._follow()

    @property
    def layer(self) -> Layer | None:
        """The synthetic layer that is searched with."""
        return self.picker.layer

    @property
    def job(self) -> Job | None:
        """The search that runs, or ran last."""
        return self._job

    @property
    def found(self) -> LookUp | None:
        """What the last search of one slice found."""
        return None if self._shown is None else self._shown.found[0]

    def use_archive(self, folder: str | Path) -> None:
        """Take an archive and remember it; it is opened by the next search."""
        try:
            _settings.put("archive", str(folder))
        except InputError as error:
            show_problem(error)
        self._clear()
        self._refresh()

    def search(self) -> None:
        """Search for the slice that is shown, in a worker."""
        if self.layer is None:
            return
        self._start(self.layer, [in_view(self._viewer, self.layer)], self._receive)

    def search_all(self) -> None:
        """Search for all slices of the layer, in a worker."""
        if self.layer is not None:
            self._start(self.layer, None, self._receive_all)

    def _start(
        self,
        layer: Layer,
        places: list[tuple[int, int]] | None,
        receive: Callable[[_Search], None],
    ) -> None:
        if self._job is not None and self._job.running:
            return
        folder = _settings.get("archive")
        if not folder:
            show_note("Choose an archive of real patients first.")
            return
        try:
            slices = slices_of(self._viewer, layer)
            wanted = places if places is not None else slices.drawn()
            if not wanted:
                raise InputError(f"{layer.name}: holds no slice with a heart.")
            pictures = np.stack([slices.on_grid(*place) for place in wanted])
        except InputError as error:
            show_problem(error)
            return
        self.picker.show_layer()
        levels = [slices.level(k) for _, k in wanted]
        vendor = slices.record.get("vendor") or ""

        def make() -> Iterator[Any]:
            from cmr_synth.privacy.look_up import look_up

            archive, detector = _opened_archive(folder)
            found = look_up(pictures, archive, detector, vendor=vendor, levels=levels)
            yield _Search(layer, slices, wanted, pictures, found, archive)

        self._job = Job(
            f"Searching for {layer.name}",
            make,
            on_result=receive,
            on_done=lambda cancelled, error: self._refresh(),
            parent=self,
            show_progress=False,
        )
        self._job.start()
        self._refresh()

    def _receive(self, search: _Search) -> None:
        if search.layer not in self._viewer.layers:
            return
        (one,) = search.found
        search.layer.metadata[AUDITED] = True
        self._say(_with_alarms(one.verdict, one), alarming=one.flagged)
        self._show_nearest(search)
        self._refresh()

    def _show_nearest(self, search: _Search) -> None:
        """The nearest patients of the one slice of a search."""
        (one,) = search.found
        self._shown = search
        self.nearest_list.clear()
        for near in one.nearest:
            picture = search.archive.picture(near.row) if near.row is not None else None
            share = "" if near.percentile is None else f"\n{near.percentile:.1f} %"
            item = QListWidgetItem(f"{near.name}\n{near.distance:.3f}{share}")
            item.setTextAlignment(Qt.AlignmentFlag.AlignHCenter)
            first = near is one.nearest[0]
            if picture is not None:
                item.setIcon(QIcon(pixmap_of(picture, framed=one.flagged and first)))
                item.setToolTip(f"{PERCENTILE}. Click to see it beside the synthetic slice.")
            else:
                item.setToolTip(f"{PERCENTILE}. The archive holds no pictures.")
            if one.flagged and first:
                item.setForeground(QColor(RED))
            self.nearest_list.addItem(item)

    def _receive_all(self, search: _Search) -> None:
        if search.layer not in self._viewer.layers:
            return
        found = search.found
        search.layer.metadata[AUDITED] = True
        self._all = search
        self._show_slice(in_view(self._viewer, search.layer))
        self.slices_list.clear()
        for place, picture, one in zip(search.places, search.pictures, found, strict=True):
            frame, k = place
            name = f"slice {k}" if search.layer.ndim < 4 else f"frame {frame}, slice {k}"
            said = "" if one.p is None else f"\np {one.p:.3f}"
            item = QListWidgetItem(f"{name}{said}")
            item.setIcon(QIcon(pixmap_of(picture, side=SMALL, framed=one.flagged)))
            item.setTextAlignment(Qt.AlignmentFlag.AlignHCenter)
            item.setToolTip(f"Nearest: {one.nearest[0].name}. {one.verdict}")
            item.setData(Qt.ItemDataRole.UserRole, place)
            if one.flagged:
                item.setForeground(QColor(RED))
            self.slices_list.addItem(item)
        flagged = sum(one.flagged for one in found)
        if flagged:
            words = f"{flagged} of {len(found)} slices are too close to a patient, framed in red."
        elif found[0].p is None:
            words = f"Inconclusive: {found[0].too_few}."
        else:
            words = f"None of {len(found)} slices is closer to a patient than real patients are."
        words = _with_alarms(f"{words}{found[0].caution}", found[0])
        self._say(words, alarming=bool(flagged))

    def _show_slice(self, place: tuple[int, int]) -> None:
        """The nearest patients of a slice that was searched with all others; else they stay."""
        search = self._all
        if search is None or place not in search.places:
            return
        i = search.places.index(place)
        one = replace(
            search, places=[place], pictures=search.pictures[i : i + 1], found=[search.found[i]]
        )
        self._show_nearest(one)

    def _clicked(self, item: QListWidgetItem) -> None:
        if self.found is not None:
            self.open_neighbour(self.found.nearest[self.nearest_list.row(item)])

    def open_neighbour(self, near: NearPatient) -> None:
        """Show a patient's slice beside the synthetic one, and the difference beside both."""
        if self._shown is None:
            return
        search, layer = self._shown, self._shown.layer
        if near.row is None:
            show_note("The archive holds no pictures of patients.")
            return
        if layer not in self._viewer.layers:
            return
        self.back()
        picture = search.archive.picture(near.row)
        assert picture is not None
        ((frame, k),), (own,) = search.places, search.pictures
        limits = tuple(layer.contrast_limits)
        real = _alone(layer, frame, k, search.slices.from_grid(picture))
        apart = _alone(layer, frame, k, search.slices.from_grid(own - picture))
        # the layer's own name, which says how it was made, is wider than a cell
        name = f"synthetic, slice {k}" if layer.ndim > 2 else "synthetic"
        difference = cell(layer, apart, "difference", (-0.5, 0.5))
        difference.colormap = "twilight"
        cells = [
            cell(layer, layer.data, name, limits),
            cell(layer, real, _short(f"real {near.name}"), limits),
            difference,
        ]
        for number, each in enumerate(cells):
            self._viewer.layers.insert(number, each)
            self.grid_view.show(each, of=len(cells), linked=number < 2)
        self._viewer.layers.selection.active = layer
        self._refresh()

    def back(self) -> None:
        """Leave the view side by side; its layers go."""
        self.grid_view.leave(keep=False)
        self._refresh()

    def _go_to(self, item: QListWidgetItem) -> None:
        if self.layer is None:
            return
        frame, k = item.data(Qt.ItemDataRole.UserRole)
        layer = self.layer
        index = (frame, k)[4 - layer.ndim :]  # none of a flat picture
        world = layer.data_to_world((*index, 0, 0))
        point = list(self._viewer.dims.point)
        first = self._viewer.dims.ndim - layer.ndim
        point[first : first + len(index)] = world[: len(index)]
        self._viewer.dims.point = point
        self._show_slice((frame, k))
        if self.found is not None:
            self._say(_with_alarms(self.found.verdict, self.found), alarming=self.found.flagged)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self, "Archive of real patients", _settings.get("archive")
        )
        if folder:
            self.use_archive(folder)

    def _build(self) -> None:
        self.builder = BuildArchive(self.use_archive, self)
        self.builder.show()

    def _moved(self, event: Any = None) -> None:
        if isalive(self) and self.isVisible() and self.follow_box.isChecked():
            self.search()

    def _follow(self) -> None:
        self._clear()
        self._refresh()

    def _clear(self) -> None:
        self._shown = self._all = None
        self.nearest_list.clear()
        self.slices_list.clear()
        self._say(EMPTY, alarming=False)

    def _say(self, words: str, *, alarming: bool) -> None:
        self.verdict_label.setText(words)
        self.verdict_label.setStyleSheet(f"color: {RED}; font-weight: bold" if alarming else "")

    def _refresh(self) -> None:
        if not isalive(self):
            return
        folder = _settings.get("archive")
        self.archive_label.setText(f"Archive: {folder}" if folder else "Archive: none chosen yet")
        running = self._job is not None and self._job.running
        ready = self.layer is not None and bool(folder) and not running
        self.search_button.setEnabled(ready)
        self.all_button.setEnabled(ready)
        self.search_button.setText("Searching..." if running else "Search this slice")
        self.back_button.setVisible(self.grid_view.active)
        self.percent_label.setVisible(self._shown is not None)
        filled = self.slices_list.count() > 0
        self.slices_title.setVisible(filled)
        self.slices_list.setVisible(filled)


def _alone(layer: Layer, frame: int, k: int, plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """As large as a layer, and empty but for one plane."""
    data = np.zeros(layer.data.shape, np.float32)
    data[(frame, k)[4 - layer.ndim :]] = plane
    return data


def _short(name: str) -> str:
    """At most `LETTERS`, without the middle of a longer name."""
    if len(name) <= LETTERS:
        return name
    half = (LETTERS - 1) // 2
    return f"{name[:half]}\N{HORIZONTAL ELLIPSIS}{name[-half:]}"


def _with_alarms(words: str, found: LookUp) -> str:
    """A verdict, and how often it would have been wrong of held-out patients."""
    seen = found.left_out
    return words if seen is None else f"{words}\n{seen.words[0].upper()}{seen.words[1:]}."


def _opened_archive(folder: str) -> tuple[Archive, CopyDetector]:
    """Archive and detector, opened once, and again when the archive has changed."""
    from cmr_synth.privacy.archive import ABOUT

    try:
        changed = (Path(folder) / ABOUT).stat().st_mtime_ns
    except OSError:
        changed = 0  # opening says what is wrong
    return _loaded(folder, changed)


@once
def _loaded(folder: str, changed: int) -> tuple[Archive, CopyDetector]:
    from cmr_synth.privacy.archive import open_with_detector

    return open_with_detector(Path(folder))
