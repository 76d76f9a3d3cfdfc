"""The panel of releases: form, plan, progress, contact sheets to leaf through, evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QFileDialog, QLineEdit, QTabWidget, QVBoxLayout, QWidget

from .._frame import PanelFrame
from .._layout import button, form, scrolled, side_by_side, word_wrapped
from .._long_work import LongWork, ask_folder, path_in
from .._panel import Panel
from .request_form import RequestForm
from .sheet import LargeSheet, Sheet

if TYPE_CHECKING:
    import napari

    from cmr_synth.release.making import Made
    from cmr_synth.release.plan import Plan

EMPTY = "A release that is made here, or opened, shows its evidence."


class ReleasePanel(Panel):
    """Ask for a synthetic cohort, plan it, make it, and look at what came of it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self.form = RequestForm(self)
        self.key, self.out = QLineEdit(self), QLineEdit(self)
        self.key.setPlaceholderText("private ed25519 key that signs")
        self.key.setToolTip("Made with: ssh-keygen -t ed25519 -N '' -f key")
        self.out.setPlaceholderText("new folder for the release")
        key = button("...", "Choose the key", self._choose_key)
        out = button("...", "Choose the folder", lambda: ask_folder(self.out, "Release"))
        self.plan = LongWork(
            "Planning the release",
            "Plan",
            "How long, how large, and what cannot be had",
            self._planning,
            _told,
            self,
        )
        self.work = LongWork(
            "Making the release",
            "Make the release",
            "Cancelled, the same press goes on where it was",
            self._making,
            self._made,
            self,
        )
        self.sheets: list[Path] = []
        self.large: LargeSheet | None = None
        self.place = 0
        self.sheet = Sheet()
        self.sheet.setToolTip("Click to see it in a window of its own")
        self.sheet.clicked.connect(self.enlarge)
        self.sheet_words = word_wrapped("No contact sheets yet.")
        self.back_button = button("◀", "The sheet before", lambda: self.leaf(-1))
        self.next_button = button("▶", "The next sheet", lambda: self.leaf(1))
        self.evidence = PanelFrame(EMPTY, self)
        self.tabs = QTabWidget(self)
        asked = QWidget()
        column = QVBoxLayout(asked)
        column.addWidget(self.form)
        column.addWidget(
            form(("Key", side_by_side(self.key, key)), ("Release", side_by_side(self.out, out)))
        )
        column.addWidget(self.plan)
        column.addWidget(self.work)
        column.addWidget(
            button("Open a release...", "Look at one that is finished", self._choose_release)
        )
        column.addStretch(1)
        leafing = QWidget()
        column = QVBoxLayout(leafing)
        column.addWidget(side_by_side(self.sheet_words, self.back_button, self.next_button))
        column.addWidget(scrolled(self.sheet), 1)
        self.tabs.addTab(scrolled(asked), "Request")
        self.tabs.addTab(leafing, "Pictures")
        self.tabs.addTab(self.evidence, "Evidence")
        layout = QVBoxLayout(self)
        layout.addWidget(self.tabs)

    def show_release(self, folder: str | Path) -> None:
        """Show the contact sheets and the evidence of a finished release.

        Raises
        ------
        InputError
            If it is none, or its manifest does not hold.
        """
        from cmr_synth.privacy.exact_json import read_object
        from cmr_synth.release.contact import FOLDER
        from cmr_synth.release.datasheet import datasheet
        from cmr_synth.release.finishing import EVIDENCE
        from cmr_synth.release.manifest import read_manifest

        folder = Path(folder)
        read_manifest(folder)
        self.evidence.content = datasheet(read_object(folder / EVIDENCE))
        self.sheets = sorted((folder / FOLDER).glob("*.png"))
        self.place = 0
        self.leaf(0)
        self.tabs.setCurrentIndex(1)

    def leaf(self, by: int) -> None:
        """Show another contact sheet."""
        if not self.sheets:
            return
        self.place = min(max(self.place + by, 0), len(self.sheets) - 1)
        self.sheet.show_picture(QPixmap(str(self.sheets[self.place])))
        self.sheet_words.setText(f"Sheet {self.place + 1} of {len(self.sheets)}")
        if self.large is not None:
            self.large.show_sheet(self.sheets[self.place])

    def enlarge(self) -> None:
        """Show the sheet in a window of its own, which follows the buttons."""
        if not self.sheets:
            return
        if self.large is None:
            self.large = LargeSheet(self.window())
            self.large.finished.connect(lambda *_: setattr(self, "large", None))
        self.large.show_sheet(self.sheets[self.place])
        self.large.show()
        self.large.raise_()

    def _planning(self) -> Callable[[], Iterator[Any]]:
        request = self.form.request()

        def work() -> Iterator[Any]:
            from cmr_synth.release.plan import plan_release

            yield plan_release(request)

        return work

    def _making(self) -> Callable[[], Iterator[Any]]:
        from cmr_synth.privacy.signature import read_private_key

        request = self.form.request()
        key = read_private_key(path_in(self.key, "key"))
        out = path_in(self.out, "folder for the release")

        def work() -> Iterator[Any]:
            from cmr_synth.release.making import make_release

            yield from make_release(request, out, key)

        return work

    def _made(self, made: Made) -> str:
        self.show_release(made.folder)
        facts = made.facts
        return (
            f"{made.folder}: {facts['patients']} patients, {facts['slices']} slices. Privacy: "
            f"{facts['privacy']['verdict']}."
        )

    def _choose_key(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Private ed25519 key")
        if path:
            self.key.setText(path)

    def _choose_release(self) -> None:
        from cmr_synth.errors import InputError

        from .._messages import show_problem

        folder = QFileDialog.getExistingDirectory(self, "Release")
        if folder:
            try:
                self.show_release(folder)
            except InputError as error:
                show_problem(error)


def _told(plan: Plan) -> str:
    """A plan in a few lines."""
    minutes = "unknown" if plan.seconds is None else f"about {max(1, round(plan.seconds / 60))} min"
    lines = [
        f"{plan.patients} patients, {plan.slices} slices, {minutes}, about "
        f"{plan.megabytes:,.0f} MB. Privacy: {plan.audited}.",
        *(f"Cannot be had: {words}" for words in plan.hindrances),
    ]
    return "\n".join(lines)
