"""A plot of a result in a panel, drawn beside the window: to draw one takes up to half a second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Signal
from qtpy.QtGui import QImage, QPainter, QPixmap
from qtpy.QtWidgets import QSizePolicy, QWidget
from superqt.utils import QSignalDebouncer

from ._jobs import Job
from ._theme import theme_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cmr_synth.reports.content import Plot

PLOT_HEIGHT = 220
NARROWEST = 120
SMALLEST_TYPE = 9  # points
ROW = 17  # pixels of a line in it, with the gap to the next
BESIDE_ROWS = 60  # pixels for the other axis and its title
DOTS_PER_INCH = 100  # at which a figure's inch is as long as matplotlib's own canvas has it
STILL_MS = 50  # after the width changed


class PlotView(QWidget):
    """Shows a plot as wide as there is room, in the ink of the theme.

    While a new width is drawn, the picture of the old one is stretched.

    Parameters
    ----------
    plot : Plot
    parent : QWidget, optional
    """

    drawn = Signal()
    """After a picture came."""

    def __init__(self, plot: Plot, parent: QWidget | None = None):
        super().__init__(parent)
        self._plot = plot
        self._job: Job | None = None
        self._again = False
        self._pixmap: QPixmap | None = None
        self._of: tuple[object, ...] = ()  # what the picture was drawn for
        self.figure: Figure | None = None
        """As it was drawn last."""
        self._soon = QSignalDebouncer(parent=self)
        self._soon.setTimeout(STILL_MS)
        self._soon.triggered.connect(self.draw)
        self.setMinimumWidth(NARROWEST)
        self.setFixedHeight(PLOT_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(plot.says)
        self.setAccessibleName(plot.says)

    @property
    def up_to_date(self) -> bool:
        """Whether the picture has the width and the ink that it is to have."""
        return self._pixmap is not None and self._of == self._wanted()

    @property
    def image(self) -> QImage | None:
        """What is shown."""
        return None if self._pixmap is None else self._pixmap.toImage()

    def draw(self) -> None:
        """Draw it anew, unless it is as it is to be."""
        if self._job is not None and self._job.running:
            self._again = True
            return
        wanted = self._wanted()
        if wanted == self._of:
            return
        width, ratio, ink = wanted
        self._again = False
        self._job = Job(
            "Drawing a plot",
            lambda: _drawn(self._plot, width, ratio, ink),
            on_result=lambda done: self._receive(*done, of=wanted),
            on_done=self._ended,
            parent=self,
            show_progress=False,
        )
        self._job.start()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 (Qt's name)
        """Draw for the new width."""
        super().resizeEvent(event)
        if self._pixmap is None:
            self.draw()
        elif not self.up_to_date:
            self._soon.throttle()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw in the ink of another theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._pixmap is not None:
            self._soon.throttle()

    def paintEvent(self, event: Any) -> None:  # noqa: N802 (Qt's name)
        """Show the picture."""
        if self._pixmap is not None:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawPixmap(self.rect(), self._pixmap)
            painter.end()

    def _wanted(self) -> tuple[int, float, str]:
        return self.width(), float(self.devicePixelRatioF()), theme_colour("text")

    def _receive(self, figure: Figure, image: QImage, *, of: tuple[object, ...]) -> None:
        self.figure, self._of = figure, of
        self._pixmap = QPixmap.fromImage(image)
        self.setFixedHeight(round(image.height() / image.devicePixelRatio()))
        self.update()
        self.drawn.emit()

    def _ended(self, cancelled: bool, error: BaseException | None) -> None:
        if self._again:
            self._soon.throttle()


def _drawn(plot: Plot, width: int, ratio: float, ink: str) -> Iterator[tuple[Figure, QImage]]:
    """The plot, and its picture as wide as this many pixels of the window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from cmr_synth.reports.plots import draw

    figure = Figure(dpi=DOTS_PER_INCH * ratio, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    draw(plot, figure, ink=ink)
    height = _enlarge(figure)
    figure.set_size_inches(width / DOTS_PER_INCH, height / DOTS_PER_INCH)
    canvas.draw()
    columns, rows = canvas.get_width_height()
    pixels = bytes(canvas.buffer_rgba())
    image = QImage(pixels, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888).copy()
    image.setDevicePixelRatio(ratio)
    yield figure, image


def _enlarge(figure: Figure) -> int:
    """Let every text be read on a screen; the height that gives each row of labels its room.

    Figures are drawn for a page, where smaller type will do.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_fontsize(max(SMALLEST_TYPE, text.get_fontsize()))
    rows = max((len(axes.get_yticklabels()) for axes in figure.axes), default=0)
    return max(PLOT_HEIGHT, ROW * rows + BESIDE_ROWS)
