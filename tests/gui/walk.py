"""The tutorial of the app, docs/tutorial/desktop-app.md, done by hand in a real window.

One walk serves three: a test does it and looks at what came of it, `docs/make_app_images.py`
photographs it, and `benchmarks/tutorial.py` times it. Every method is a section of the tutorial, in
its order. What a user does there is an `action`, with clicks, keys and strokes of the mouse.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_cmr_synth._app import open_app
from napari_cmr_synth._manifest import PLUGIN
from napari_cmr_synth._panel_bar import PanelBar
from napari_cmr_synth._results import RECORD
from napari_cmr_synth._welcome import StartHere

from .hands import (
    answering,
    choose,
    click,
    click_item,
    fill,
    show_tab,
    turn,
    until,
)
from .mouse import stroke
from .walk_files import Files, write_study

SIZE = (1366, 768)  # pixels of the window: what fits a small laptop fits others
VENDOR = "siemens"
VARIANTS = 3
SECTIONS = (
    "start",
    "patients",
    "find",
    "paint",
    "live",
    "synthesize",
    "vendors",
    "real",
    "variants",
    "heart",
    "dials",
    "stack",
    "record",
    "fidelity",
    "neighbours",
    "measurements",
    "export",
    "batch",
    "reader_study",
    "release",
)
"""Methods of `Walk`, in the order of the tutorial."""


class Walk:
    """The app in a window of `SIZE`, and somebody who follows the tutorial.

    Parameters
    ----------
    files : Files
    action : callable, optional
        Takes what is done next in words; gives a context that it is done in.
    pause : callable, optional
        Called in the middle of a section with a word for what is seen, such as for a picture.
    lasting : bool
        As `open_app`.
    """

    def __init__(
        self,
        files: Files,
        *,
        action: Callable[[str], AbstractContextManager[Any]] = lambda _: nullcontext(),
        pause: Callable[[str], object] = lambda _: None,
        lasting: bool = False,
    ):
        self.files, self.action, self.pause = files, action, pause
        self.viewer = open_app(lasting=lasting)
        self.window.resize(*SIZE)
        self.mask: Any = None
        self.picture: Any = None

    # A scan of a patient

    def start(self) -> None:
        """The window as it opens."""
        until(self.page.isVisible, "the page")

    def patients(self) -> None:
        """A folder of patients, and the first of them."""
        with self.action("list the patients of a folder"), answering(self.files.patients):
            click(self.page.buttons["patients"])
            panel = self.panel("Patients")
            until(lambda: panel.table.rowCount() == 3, "the list of patients")
        with self.action("open a patient by double click"):
            click_item(panel.table, 0, twice=True)
            until(lambda: self.first_scan.startswith(panel.patients[0].name), "the scan")
        with self.action("open the next patient"):
            click(panel.next)
            until(lambda: self.first_scan.startswith(panel.patients[1].name), "the next scan")

    def find(self) -> None:
        """The heart in that scan, as a mask."""
        widget = self.show("Heart mask")
        with self.action("find the heart"):
            click(widget.finding.start)
            until(lambda: widget.picker.layer is not None, "the heart")
            until(widget.finding.start.isVisible, "the end of the search")
        self.mask = widget.picker.layer

    def paint(self) -> None:
        """The septum made thicker with the brush, taken back and done again by keys."""
        widget = self.panel("Heart mask")
        with self.action("choose the myocardium"):
            click(widget.legend.buttons["MYO"])
            until(lambda: self.mask.mode == "paint", "the brush")
            self.mask.brush_size = 4  # the slider of the layer controls
        before = self.mask.data.copy()
        with self.action("paint a stroke"):
            stroke(self.viewer, self.mask, self.along_the_septum())
            until(lambda: not np.array_equal(self.mask.data, before), "the stroke")
        painted = self.mask.data.copy()
        control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
        for keys, words, wanted in (
            (control, "undo", before),
            (control | shift, "redo", painted),
        ):
            with self.action(words):
                QTest.keyClick(self.canvas, Qt.Key.Key_Z, keys)
                until(lambda wanted=wanted: np.array_equal(self.mask.data, wanted), words)

    def live(self) -> None:
        """The picture follows the brush."""
        widget = self.show("Synthesize")
        with self.action("start the live preview"):
            click(widget.live_box)
            until(lambda: self.preview is not None and widget.live.up_to_date, "the preview")
        with self.action("choose the LV"):
            click(self.bar.buttons["Heart mask"])
            click(self.panel("Heart mask").legend.buttons["LV"])
        before = np.array(self.preview.data)
        with self.action("paint with the live preview"):
            stroke(self.viewer, self.mask, self.out_of_the_lv())
            until(lambda: not np.array_equal(self.preview.data, before), "the picture")
        self.show("Synthesize")
        self.pause("live")
        with self.action("end the live preview"):
            click(widget.live_box)
            until(lambda: self.preview is None, "the end of the preview")

    def synthesize(self) -> None:
        """A picture to keep, in one vendor's style."""
        widget = self.show("Synthesize")
        with self.action("choose a vendor"):
            choose(widget.form.vendor, VENDOR)
        with self.action("synthesize"):
            self.picture = self.synthesized(widget)

    def vendors(self) -> None:
        """One mask and one seed, all vendors side by side, with the real scan."""
        widget = self.show("Vendors and variants")
        cells = 1 + len(widget.form.card.conditions.vendors)
        with self.action("compare vendors"):
            click(widget.compare_button)
            until(lambda: len(widget.grid_view.layers) == cells, "pictures of all vendors")
            until(widget.compare_button.isEnabled, "the end of it")
        self.pause("vendors")
        with self.action("go to another slice of the cells"):
            k = self.next_slice()
            until(
                lambda: all(layer.data[k].any() for layer in widget.grid_view.layers),
                "the slice in all cells",
            )
            until(widget.compare_button.isEnabled, "the end of it")
            self.next_slice()  # back
        with self.action("leave the cells"):
            click(widget.back_button)
            until(lambda: not widget.grid_view.active, "the view before")

    def real(self) -> None:
        """Scan, synthetic picture and difference."""
        widget = self.panel("Vendors and variants")
        with self.action("real beside synthetic"):
            click(widget.real_button)
            until(lambda: len(widget.grid_view.layers) == 6, "three cells with outlines")
            until(widget.real_button.isEnabled, "the end of it")
        self.pause("real")
        with self.action("leave the pair"):
            click(widget.back_button)
            until(lambda: not widget.grid_view.active, "the view before")

    def variants(self) -> None:
        """Several seeds in a gallery, and one of them kept."""
        widget = self.panel("Vendors and variants")
        with self.action("set the number of variants"):
            fill(widget.form.variants, str(VARIANTS))
        with self.action("make variants"):
            click(widget.make_button)
            until(lambda: widget.gallery.count() == VARIANTS, "variants")
            until(widget.make_button.isEnabled, "the end of it")
        self.pause("variants")
        before = len(self.viewer.layers)
        with self.action("keep a variant"):
            click_item(widget.gallery, 1)
            click(widget.keep_button)
            until(lambda: len(self.viewer.layers) > before, "the layer")

    # A heart of nobody

    def heart(self) -> None:
        """All layers gone, and a drawn heart in their place."""
        with self.action("remove all layers"):
            self.viewer.layers.select_all()
            click(self.viewer.window._qt_viewer.layerButtons.deleteButton)
            until(self.page.isVisible, "the page")
        with self.action("paint a heart"):
            click(self.page.buttons["paint"])
            until(lambda: self.viewer.layers, "the drawn heart")
        self.mask = self.viewer.layers[0]

    def dials(self) -> None:
        """The heart dilated, beside itself as it was."""
        panel = self.show("Dials")
        before = self.mask.data.copy()
        with self.action("turn to a disease"):
            choose(panel.form.disease, "dcm")
            until(lambda: not np.array_equal(self.mask.data, before), "the dilated heart")
            until(lambda: panel.table.rowCount(), "what it measures")
        dilated = self.mask.data.copy()
        with self.action("move a dial"):
            turn(panel.form.sliders["severity"], -3)
            # the slice in view follows at once, all others when the keys have been still
            until(lambda: (self.mask.data != dilated).any((1, 2)).sum() > 1, "a less dilated heart")
        with self.action("dials side by side"):
            click(panel.compare_button)
            until(lambda: len(panel.beside.grid.layers) == 2, "both hearts")
            until(panel.back_button.isEnabled, "the end of it")
        self.pause("dials")
        with self.action("leave the dials' cells"):
            click(panel.back_button)
            until(lambda: not panel.beside.grid.active, "the view before")

    def stack(self) -> None:
        """A synthetic stack of the dilated heart."""
        widget = self.show("Synthesize")
        with self.action("synthesize a stack"):
            self.picture = self.synthesized(widget)
        with self.action("select the picture"):
            self.viewer.layers.selection.active = self.picture
            until(lambda: self.panel("Record").layer is self.picture, "its record")

    def record(self) -> None:
        """Where the picture comes from, and whether it follows its mask."""
        panel = self.show("Record")
        with self.action("check adherence"):
            click(panel.check_button)
            until(panel.legend.isVisible, "what differs")
            until(panel.check_button.isEnabled, "the end of the check")
            until(lambda: drawn(panel.frame), "its plot")

    def fidelity(self) -> None:
        """Is this slice as real ones are."""
        panel = self.show("Fidelity")
        with self.action("judge a slice"):
            click(panel.judge_button)
            until(lambda: panel.frame.content is not None, "the verdicts")
            until(panel.judge_button.isEnabled, "the end of it")
            until(lambda: drawn(panel.frame), "their plot")

    def neighbours(self) -> None:
        """Whom the slices resemble."""
        panel = self.show("Nearest patients")
        with self.action("choose an archive"), answering(self.files.archive):
            click(panel.archive_button)
            until(panel.all_button.isEnabled, "the archive")
        with self.action("search all slices"):
            click(panel.all_button)
            until(panel.slices_list.count, "what was found")
            until(panel.search_button.isEnabled, "the end of the search")
        before = panel.found
        with self.action("search this slice"):
            click(panel.search_button)
            until(lambda: panel.found not in (None, before), "the nearest patients")
            until(panel.search_button.isEnabled, "the end of the search")
        with self.action("open the nearest patient"):
            click_item(panel.nearest_list, 0)
            until(lambda: len(panel.grid_view.layers) == 3, "both pictures and the difference")
        self.pause("neighbours")
        with self.action("leave the nearest patient"):
            click(panel.back_button)
            until(lambda: not panel.grid_view.active, "the view before")

    def measurements(self) -> None:
        """Function beside normal ranges, bull's-eye, a table."""
        widget = self.show("Heart mask")
        measured = widget.measurements
        with self.action("measure"):
            click(measured.report)
            until(lambda: getattr(measured, "taken", None) is not None, "the measurements")
            until(lambda: drawn(measured.taken.frame), "their plots")
        self.pause("measurements")
        table = self.files.out / "heart.csv"
        with self.action("save the table"), answering(table):
            click(measured.taken.csv_button)
            until(table.is_file, "the table")
        measured.taken.close()

    def export(self) -> None:
        """Picture and mask as files."""
        self.viewer.layers.selection = {self.picture, self.mask}
        with self.action("open the export dialog"):
            click(self.bar.export_button)
            until(lambda: self.bar._dialog is not None, "the dialog")
        dialog = self.bar._dialog
        with self.action("export"):
            choose(dialog.kind, "nifti")
            fill(dialog.folder, str(self.files.out / "export"))
            click(dialog.export_button)
            until(lambda: dialog.message.text().startswith("Wrote"), "the files")
        self.pause("export")
        click(dialog.close_button)

    def batch(self) -> None:
        """A folder of masks becomes a data set."""
        widget = self.show("Batch")
        with self.action("start a batch"):
            fill(widget.masks, str(self.files.masks))
            fill(widget.out, str(self.files.out / "synthetic"))
            click(widget.start_button)
            until(lambda: "Double-click" in widget.summary.text(), "the data set")
            until(widget.start_button.isEnabled, "the end of it")

    def reader_study(self) -> None:
        """A study is read with keys, and scored."""
        planes = np.asarray(self.picture.data)
        written = [plane for plane in planes if plane.any()][:4]
        write_study(self.files.study, np.stack(written)[:, :128, :128])
        widget = self.show("Reader study")
        with self.action("begin to read"):
            fill(widget.folder, str(self.files.study))
            fill(widget.reader, "reader-1")
            click(widget.start_button)
            until(lambda: widget.picture.isVisible(), "the first picture")
        self.pause("reader_study")
        with self.action("answer all"):
            for key in (Qt.Key.Key_S, Qt.Key.Key_4) * 4:
                QTest.keyClick(widget, key)
            until(lambda: widget.words.text().startswith("Done"), "the last answer")
        with self.action("score the study"):
            click(widget.score_button)
            until(lambda: widget.scores is not None, "the scores")
        self.pause("scores")
        widget.scores.close()

    def release(self) -> None:
        """A signed data set of two patients."""
        panel = self.show("Release")
        form = panel.form
        with self.action("fill the request in"):
            fill(form.patients, "2")
            choose(form.masks, "templates")
            form.more.setPlainText("slices: 2\nredraws: 0")  # pasted
            fill(panel.key, str(self.files.key))
            fill(panel.out, str(self.files.out / "release"))
        with self.action("plan the release"):
            click(panel.plan.start_button)
            until(lambda: "patients" in panel.plan.words.text(), "the plan")
            until(panel.plan.start_button.isVisible, "the end of planning")
        self.pause("plan")
        with self.action("make the release"):
            click(panel.work.start_button)
            until(lambda: "Privacy:" in panel.work.words.text(), "the release")
            until(lambda: not panel.work.start_button.isHidden(), "the end of it")
        self.pause("release")
        with self.action("read the evidence"):
            show_tab(panel.tabs, "Evidence")
            until(panel.evidence.isVisible, "the evidence")

    # What all do

    def show(self, title: str) -> Any:
        """Bring a panel to the front by a click on its button, if it is not there."""
        button = self.bar.buttons[title]
        if not button.isChecked():
            with self.action(f"show {title}"):
                click(button)
                until(button.isChecked, title)
        return self.panel(title)

    def panel(self, title: str) -> Any:
        """A panel of the plugin, whether in front or not."""
        return self.viewer.window.add_plugin_dock_widget(PLUGIN, title)[1]

    # Looked up each time: a test's arguments, such as a walk, outlive its window

    @property
    def window(self) -> Any:
        """Qt's window."""
        return self.viewer.window._qt_window

    @property
    def bar(self) -> PanelBar:
        """The bar above the picture."""
        return self.window.findChild(PanelBar)

    @property
    def page(self) -> StartHere:
        """*Start here*."""
        return self.window.findChild(StartHere)

    @property
    def shown(self) -> list[str]:
        """Titles of the panels in front."""
        return [title for title, button in self.bar.buttons.items() if button.isChecked()]

    @property
    def canvas(self) -> Any:
        """What the mouse paints on."""
        return self.viewer.window._qt_viewer.canvas.native

    @property
    def first_scan(self) -> str:
        """Name of the layer at the bottom, "" if there is none."""
        return self.viewer.layers[0].name if self.viewer.layers else ""

    @property
    def preview(self) -> Any:
        """The layer of the live preview, or None."""
        return next((la for la in self.viewer.layers if la.name == "synthetic preview"), None)

    def synthesized(self, widget: Any) -> Any:
        """Press Synthesize; the layer that comes of it."""
        known = set(self.viewer.layers)

        def made() -> list[Any]:
            return [la for la in self.viewer.layers if la not in known and RECORD in la.metadata]

        click(widget.start_button)
        until(made, "the picture")
        until(widget.start_button.isEnabled, "the end of it")
        (one,) = made()
        return one

    def next_slice(self) -> int:
        """Another slice, by the arrow key over the canvas; which one it is."""
        step, first = self.viewer.dims.current_step, self.viewer.dims.ndim - 3
        last = self.viewer.dims.nsteps[first] - 1
        self.canvas.setFocus()
        QTest.keyClick(self.canvas, Qt.Key.Key_Right if step[first] < last else Qt.Key.Key_Left)
        until(lambda: self.viewer.dims.current_step != step, "another slice")
        return int(self.viewer.dims.current_step[first])

    def along_the_septum(self) -> list[tuple[float, float]]:
        """(y, x) pixels down the border of the wall with the RV."""
        from cmr_synth.anatomy.labels import MYO

        rows, columns = np.nonzero(self.plane() == MYO)
        middle = int(rows.mean())
        return [(row, columns[rows == row].min() - 1) for row in range(middle - 6, middle + 7, 2)]

    def out_of_the_lv(self) -> list[tuple[float, float]]:
        """(y, x) pixels from the middle of the LV to the right, into its wall."""
        from cmr_synth.anatomy.labels import LV

        rows, columns = np.nonzero(self.plane() == LV)
        y, x = rows.mean(), columns.mean()
        return [(y, x + step) for step in np.linspace(0, columns.max() - x + 2, 8)]

    def plane(self) -> Any:
        """Numbers of the mask in view."""
        where = self.mask.world_to_data(self.viewer.dims.point)[:-2]
        return np.asarray(self.mask.data[tuple(int(round(k)) for k in where)])


def drawn(frame: Any) -> bool:
    """Whether every plot of a result that can be seen stands there."""
    return all(plot.up_to_date for plot in frame.plots if not plot.visibleRegion().isEmpty())
