"""The parts of the heart mask widget: forms and buttons that hold values and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from cmr_synth.anatomy.editing import CONTOURS
from cmr_synth.anatomy.template import SIZES

from .._fields import Choice, Number, WholeNumber
from .._layers import COLOURS
from .._layout import as_narrow_as_its_text, narrow_combo
from .contours import COLOUR_OF
from .new_mask import BOTH, STACK, NewMask

MEANING = {"LV": "LV blood pool", "MYO": "myocardium", "RV": "RV blood pool"}
OF_SCAR = {
    "infarct": "infarct, bright in late enhancement",
    "no-reflow": "no-reflow, the dark core of an infarct",
}
PARTS = {
    "Whole stack": STACK,
    "Base, slice shown": "basal",
    "Middle, slice shown": "mid",
    "Apex, slice shown": "apical",
}
OWN_GRID = "its own, 1.5 mm"


class NewMaskForm(QWidget):
    """What a new mask shall show, and on whose grid it shall lie."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.anatomy = narrow_combo(self)
        for name in SIZES:
            self.anatomy.addItem(f"Template: {name} heart", name)
        self.anatomy.addItem("Empty", None)
        self.anatomy.setToolTip("A heart drawn from published sizes, or nothing to begin with.")
        self.part = narrow_combo(self)
        for text, part in PARTS.items():
            self.part.addItem(text, part)
        self.part.setToolTip("The whole ventricle along the stack, or one level in one slice.")
        self.phase = narrow_combo(self)
        for phase in ("ED", "ES", BOTH):
            self.phase.addItem(phase, phase)
        self.phase.setToolTip(
            "End-diastole, end-systole, or both: two frames, or two masks on a still image."
        )
        self.seed = WholeNumber(self)
        self.seed.setRange(0, 9999)
        self.seed.setToolTip("Which individual: another number draws another heart.")
        self.grid = narrow_combo(self)
        self.grid.setToolTip(
            "The mask gets the size, the scale and the place in the patient of this image, so "
            "that it saves onto it."
        )
        self.create = _button("Create mask", "Add the mask as a new layer; nothing is replaced.")
        self.place = _button(
            "Place by hand...",
            "Show the template over the scan with handles: move, scale and turn it, then make it "
            "a mask. ED and ES on a cine give a heart that beats in every frame.",
        )

        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addRow("Content", self.anatomy)
        layout.addRow("Part", self.part)
        layout.addRow("Phase", self.phase)
        layout.addRow("Individual", self.seed)
        layout.addRow("Grid of", self.grid)
        layout.addRow(self.create)
        layout.addRow(self.place)
        self.anatomy.currentIndexChanged.connect(self._enable)
        self._enable()

    def wanted(self) -> NewMask:
        """The mask described."""
        return NewMask(
            anatomy=self.anatomy.currentData(),
            part=self.part.currentData(),
            phase=self.phase.currentData(),
            seed=self.seed.value(),
        )

    def image(self) -> Any:
        """The image whose grid is wanted, or None for a grid of the mask's own."""
        return self.grid.currentData()

    def offer(self, images: Sequence[Any], current: Any = None) -> None:
        """List the images; the current one is chosen, else what was chosen before."""
        before = self.grid.currentData()
        had_any = self.grid.count() > 1
        self.grid.clear()
        for image in images:
            self.grid.addItem(image.name, image)
        self.grid.addItem(OWN_GRID, None)
        chosen = current if current is not None else before if had_any else None
        if chosen in images:
            self.grid.setCurrentIndex(list(images).index(chosen))
        elif had_any and before is None:
            self.grid.setCurrentIndex(len(images))

    def _enable(self) -> None:
        drawn = self.anatomy.currentData() is not None
        for part in (self.part, self.phase, self.seed, self.place):
            part.setEnabled(drawn)


class Legend(QWidget):
    """Names and colours of the structures; a press paints that one."""

    chosen = Signal(str)
    """Name of the structure pressed; "" for the eraser."""

    scar_wanted = Signal()
    """The mask shall have scar, which it has no numbers for yet."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QPushButton] = {}
        of_heart = [self._paint_button(structure) for structure in (*MEANING, "")]
        of_scar = [self._paint_button(structure) for structure in OF_SCAR]
        self.scar = _button(
            "Scar...",
            "Let this mask have scar in its wall, infarct and no-reflow, for models of late "
            "enhancement. To all others it is myocardium.",
        )
        self.scar.clicked.connect(lambda _=False: self.scar_wanted.emit())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for buttons in (of_heart, [*of_scar, self.scar]):
            row = QHBoxLayout()
            row.setSpacing(4)
            for button in buttons:
                row.addWidget(button)
            layout.addLayout(row)
        self.structure = "LV"
        """The one of the heart that was painted last; expanding and contracting move it."""
        self.show_numbers({})

    def _paint_button(self, structure: str) -> QPushButton:
        button = _button(structure or "Erase", "")
        button.setCheckable(True)
        button.setIcon(swatch(COLOURS.get(structure)))
        button.setIconSize(QSize(16, 16))
        button.clicked.connect(lambda _=False: self.chosen.emit(structure))
        self._group.addButton(button)
        self.buttons[structure] = button
        return button

    def show_numbers(self, numbers: Mapping[str, int]) -> None:
        """Say in the tooltips by which number the mask writes each structure; offer what it has."""
        for structure, button in self.buttons.items():
            if not structure:
                button.setToolTip("Erase with the brush.")
                continue
            number = (
                f" Written as {numbers[structure]} in this mask." if structure in numbers else ""
            )
            button.setToolTip(f"Paint {(MEANING | OF_SCAR)[structure]}.{number}")
        for structure in OF_SCAR:
            self.buttons[structure].setVisible(structure in numbers)
        self.scar.setVisible(not OF_SCAR.keys() <= numbers.keys())

    def show_chosen(self, structure: str | None) -> None:
        """Mark a structure as the one painted now; None for one that has no name."""
        self._group.setExclusive(False)
        for name, button in self.buttons.items():
            button.setChecked(name == structure)
        self._group.setExclusive(True)
        if structure in MEANING:
            self.structure = structure


class ContourForm(QWidget):
    """Which contour to draw, and how."""

    draw = Signal(str)
    """Kind of the contour, a key of `CONTOURS`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.buttons: dict[str, QPushButton] = {}
        for column, (kind, means) in enumerate(CONTOURS.items()):
            button = _button(f"Draw {kind}", f"{kind}: {means}.")
            button.setIcon(swatch(COLOUR_OF[kind], filled=False))
            button.clicked.connect(lambda _=False, name=kind: self.draw.emit(name))
            self.buttons[kind] = button
            layout.addWidget(button, 0, column)
        self.freehand = QCheckBox("Freehand", self)
        self.freehand.setChecked(True)
        self.freehand.setToolTip(
            "Hold the button down and draw around; off: one click a corner, Enter closes."
        )
        self.apply = _button(
            "Turn into mask",
            "Fill the contours of all slices into the mask, as one step that can be undone. A "
            "pixel belongs to a contour that encloses at least half of it.",
        )
        layout.addWidget(self.freehand, 1, 0)
        layout.addWidget(self.apply, 1, 1, 1, 2)


class ToolsForm(QWidget):
    """The editing tools with their numbers; `buttons` by the name of the method behind each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scope = Choice(self)
        self.scope.addItem("slice shown", False)
        self.scope.addItem("all slices of the frame", True)
        self.scope.setToolTip("Where wall, expand, contract, smooth and remove strays work.")
        self.thickness = _millimetres(8.0, 1.0, 40.0, "Thickness of the wall.")
        self.distance = _millimetres(1.5, 0.1, 40.0, "How far the border moves.")
        self.over_rv = QCheckBox("over RV", self)
        self.over_rv.setToolTip("Let the wall take pixels from the RV.")
        tips = {
            "ring": ("Wall from LV", "Myocardium of even thickness around the LV."),
            "expand": ("Expand", ""),
            "contract": ("Contract", ""),
            "copy_above": ("Copy from above", "Replace the slice shown by the one above it."),
            "copy_below": ("Copy from below", "Replace the slice shown by the one below it."),
            "fill_between": (
                "Fill between slices",
                "Draw the empty slices between drawn ones by their shapes; what is drawn stays.",
            ),
            "smooth": ("Smooth", "Smooth the outlines; a closed wall stays closed."),
            "remove_strays": ("Remove strays", "Keep the largest piece of each structure."),
            "undo": ("Undo", "Take the last change of the mask back (Ctrl+Z)."),
            "redo": ("Redo", "Do it again (Ctrl+Shift+Z)."),
        }
        self.buttons = {name: _button(text, tip) for name, (text, tip) in tips.items()}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        rows = (
            (QLabel("Work on", self), self.scope),
            (self.buttons["ring"], self.thickness, self.over_rv),
            (self.buttons["expand"], self.buttons["contract"], self.distance),
            (self.buttons["smooth"], self.buttons["remove_strays"]),
            (self.buttons["copy_above"], self.buttons["copy_below"]),
            (self.buttons["fill_between"],),
            (self.buttons["undo"], self.buttons["redo"]),
        )
        for parts in rows:
            row = QHBoxLayout()
            for part in parts:
                row.addWidget(part, 1 if isinstance(part, QPushButton | QComboBox) else 0)
            layout.addLayout(row)
        self.show_structure("LV")

    def whole_stack(self) -> bool:
        """Whether tools work on all slices."""
        return bool(self.scope.currentData())

    def show_structure(self, structure: str) -> None:
        """Say which structure expands and contracts."""
        moves = {
            "LV": "the endocardium; the wall follows",
            "MYO": "the epicardium; the LV stays",
            "RV": "the border of the RV",
        }[structure]
        self.buttons["expand"].setText(f"{structure} +")
        self.buttons["contract"].setText(f"{structure} \N{MINUS SIGN}")
        for name, way in (("expand", "outward"), ("contract", "inward")):
            self.buttons[name].setToolTip(
                f"{name.capitalize()} the {structure}: moves {moves} {way}. The structure is the "
                "one selected above."
            )


def swatch(colour: str | None, *, filled: bool = True) -> QIcon:
    """A square in a colour, an outline for a contour, crossed out for none."""
    pixmap = QPixmap(32, 32)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if colour is not None and filled:
        painter.setBrush(QColor(colour))
    pen = painter.pen()
    pen.setColor(QColor(colour if colour is not None and not filled else "#888888"))
    pen.setWidth(2 if filled else 5)
    painter.setPen(pen)
    if filled:
        painter.drawRoundedRect(4, 4, 24, 24, 4, 4)
    else:
        painter.drawEllipse(5, 5, 22, 22)
    if colour is None:
        painter.drawLine(6, 26, 26, 6)
    painter.end()
    return QIcon(pixmap)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    as_narrow_as_its_text(button)
    return button


def _millimetres(value: float, least: float, most: float, tip: str) -> Number:
    box = Number()
    box.setDecimals(1)
    box.setRange(least, most)
    box.setSingleStep(0.5)
    box.setValue(value)
    box.setSuffix(" mm")
    box.setToolTip(tip)
    return box
