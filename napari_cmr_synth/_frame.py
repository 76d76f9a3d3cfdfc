"""The frame that results share: heading lines, plot, tables, remarks, facts, and their export.

It formats a `cmr_synth.reports.content.Content` and computes nothing. A panel sets `content` and
puts its own buttons above.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ._layout import scrolled, word_wrapped
from ._messages import show_note, show_problem
from ._plot_view import PLOT_HEIGHT, PlotView

if TYPE_CHECKING:
    from cmr_synth.reports.content import Content, Picture, Plot, Section, Table

MOST_ROWS = 12  # of a table that are shown without scrolling in it

_SELECTABLE = Qt.TextInteractionFlag.TextSelectableByMouse


class PanelFrame(QWidget):
    """Shows one result.

    Parameters
    ----------
    empty : str
        What to say while there is no result.
    parent : QWidget, optional
    """

    def __init__(self, empty: str, parent: QWidget | None = None):
        super().__init__(parent)
        self._empty = empty
        self._content: Content | None = None
        self.plots: list[PlotView] = []
        """In the order shown."""

        self._body = QWidget()
        self._rows = QVBoxLayout(self._body)
        self._rows.setContentsMargins(0, 0, 6, 0)
        scroll = scrolled(self._body)

        self.html_button = QPushButton("Save as HTML...")
        self.html_button.setToolTip("A page in one file, to read and to pass on")
        self.html_button.clicked.connect(lambda: self._ask("HTML page (*.html)", ".html"))
        self.json_button = QPushButton("Save as JSON...")
        self.json_button.setToolTip("All numbers, for programs")
        self.json_button.clicked.connect(lambda: self._ask("JSON (*.json)", ".json"))
        buttons = QHBoxLayout()
        buttons.addWidget(self.html_button)
        buttons.addWidget(self.json_button)

        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll, 1)
        layout.addLayout(buttons)
        self.content = None

    @property
    def content(self) -> Content | None:
        """The result that is shown; None shows that there is none."""
        return self._content

    @content.setter
    def content(self, content: Content | None) -> None:
        self._content = content
        self.plots = []
        _clear(self._rows)
        for button in (self.html_button, self.json_button):
            button.setEnabled(content is not None)
        if content is None:
            self._rows.addWidget(_text(self._empty))
            self._rows.addStretch(1)
            return
        self._rows.addWidget(_text(content.title, "font-weight: bold; font-size: 13pt;"))
        if content.lead:
            self._rows.addWidget(_text(content.lead))
        self._show(content)
        for section in content.sections:
            self._rows.addWidget(_text(section.title, "font-weight: bold; font-size: 11pt;"))
            self._show(section)
            self._rows.addLayout(_facts(section))
        if content.facts:
            self._rows.addWidget(_text("How it was made", "font-weight: bold;"))
            self._rows.addLayout(_facts(content))
        self._rows.addStretch(1)

    def save(self, path: str | Path) -> Path | None:
        """Write the result; a problem is shown.

        Parameters
        ----------
        path : path
            Ends in .html or .json.

        Returns
        -------
        Path or None
            The file, if it was written.
        """
        from cmr_synth.errors import InputError
        from cmr_synth.reports.output import write_content

        assert self._content is not None
        try:
            written = write_content(self._content, path)
        except InputError as error:
            show_problem(error)
            return None
        show_note(f"Saved {written}")
        return written

    def _show(self, part: Section) -> None:
        for words in part.words:
            self._rows.addWidget(_text(words))
        if part.lines:
            self._rows.addLayout(_lines(part))
        for shown in part.plots:
            self._rows.addWidget(self._plot(shown))
        for remark in part.remarks:
            self._rows.addWidget(_text(f"⚠ {remark}"))
        for table in part.tables:
            if table.title:
                self._rows.addWidget(_text(table.title, "font-weight: bold;"))
            self._rows.addWidget(_table(table))

    def _ask(self, kinds: str, ending: str) -> None:
        assert self._content is not None
        name = "".join(c if c.isalnum() or c in " -_." else "_" for c in self._content.title)
        path, _ = QFileDialog.getSaveFileName(self, "Save the result", name + ending, kinds)
        if path:
            self.save(path if path.lower().endswith(ending) else path + ending)

    def _plot(self, shown: Plot | Picture) -> QWidget:
        from cmr_synth.reports.content import Picture

        if isinstance(shown, Picture):
            return _picture(shown)
        view = PlotView(shown)
        self.plots.append(view)
        return view


def _picture(shown: Picture) -> QLabel:
    from cmr_synth.reports.plots import png

    pixels = QPixmap()
    pixels.loadFromData(png(shown))
    label = QLabel()
    label.setPixmap(pixels.scaledToHeight(PLOT_HEIGHT, Qt.TransformationMode.SmoothTransformation))
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    label.setToolTip(shown.says)
    label.setAccessibleName(shown.says)
    return label


def _text(text: str, style: str = "") -> QLabel:
    label = word_wrapped(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(_SELECTABLE)
    if style:
        label.setStyleSheet(style)
    return label


def _lines(part: Section) -> QGridLayout:
    grid = QGridLayout()
    grid.setColumnStretch(1, 1)
    for row, line in enumerate(part.lines):
        name = QLabel(line.name)
        grid.addWidget(name, 2 * row, 0)
        grid.addWidget(_text(line.shown, "font-weight: bold;"), 2 * row, 1)
        if line.note:
            grid.addWidget(_text(line.note, "font-size: 9pt;"), 2 * row + 1, 0, 1, 2)
    return grid


def _facts(part: Section) -> QGridLayout:
    grid = QGridLayout()
    grid.setColumnStretch(1, 1)
    for row, (name, value) in enumerate(part.facts):
        grid.addWidget(QLabel(name), row, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(_text(value), row, 1)
    return grid


def _table(table: Table) -> QTableWidget:
    widget = QTableWidget(len(table.rows), len(table.columns))
    widget.setHorizontalHeaderLabels(list(table.columns))
    widget.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    widget.verticalHeader().setVisible(False)
    widget.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    for column, heading in enumerate(table.columns):
        widget.horizontalHeaderItem(column).setToolTip(table.meanings.get(heading, ""))
    for row, cells in enumerate(table.shown[1:]):
        for column, cell in enumerate(cells):
            widget.setItem(row, column, QTableWidgetItem(cell))
    rows = min(len(table.rows), MOST_ROWS)
    height = widget.horizontalHeader().sizeHint().height() + 4
    widget.setFixedHeight(height + rows * widget.verticalHeader().defaultSectionSize())
    return widget


def _clear(layout: Any) -> None:
    while (item := layout.takeAt(0)) is not None:
        if item.layout() is not None:
            _clear(item.layout())
        elif (widget := item.widget()) is not None:
            widget.hide()  # goes only when Qt is next idle
            widget.deleteLater()
