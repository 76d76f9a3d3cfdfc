"""Make the pictures of the desktop tutorial, docs/img/app, by driving the real app.

Run with `xvfb-run -a -s "-screen 0 1920x1200x24" python docs/make_app_images.py`, or on a screen of
that size, in a folder with the slice set `prepared` of all cohorts. Each picture is a screen of the
tutorial, in the order in which a user sees it. A panel in which something is cut or lies off the
screen is named, and ends the program with code 1.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).parent / "img" / "app"
SIZE = (1366, 768)  # pixels of the window: what fits a small laptop fits others
PATIENCE_S = 600
VENDOR, SEED = "siemens", 1
PREPARED = Path("prepared")
"""Slice set with Sunnybrook; see `cmr-synth cohort prepare`."""


def main() -> None:
    """Drive the app from its first screen to the last, and photograph each."""
    with tempfile.TemporaryDirectory() as folder:
        # settings of whoever runs this must not show, nor be changed
        import os

        os.environ["CMR_SYNTH_HOME"] = folder
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        sys.path.insert(0, str(Path(__file__).parents[1]))  # what looks for faults is in the tests
        IMAGES.mkdir(parents=True, exist_ok=True)
        tour = Tour(Path(folder))
        for step in (
            tour.start,
            tour.heart,
            tour.paint,
            tour.synthesize,
            tour.live,
            tour.vendors,
            tour.variants,
            tour.record,
            tour.fidelity,
            tour.batch,
            tour.reader_study,
            tour.neighbours,
        ):
            if step == tour.neighbours and not PREPARED.is_dir():
                print(f"{PREPARED}: no such slice set here, so neighbours.png stays as it was")
                continue
            step()
            tour.photograph(step.__name__)
        tour.viewer.close()
        if tour.faults:
            raise SystemExit("\n".join(tour.faults))


class Tour:
    """The app, and what a user does in it, one method a screen.

    Parameters
    ----------
    folder : Path
        For files that the user would have.
    """

    def __init__(self, folder: Path):
        from napari_cmr_synth._app import open_app
        from napari_cmr_synth._panel_bar import PanelBar

        self.folder = folder
        self.viewer = open_app()
        self.window = self.viewer.window._qt_window
        self.bar = self.find(PanelBar)
        self.faults: list[str] = []
        self.window.resize(*SIZE)
        self.wait(1.5)

    def start(self) -> None:
        """The window as it opens."""

    def heart(self) -> None:
        """A drawn heart, one click away."""
        self.bar.open_menu.samples["drawn_normal"].trigger()
        self.mask = self.viewer.layers[0]
        self.show("Heart mask")
        self.wait(1)

    def paint(self) -> None:
        """Thicken the septum with the brush, in the colour of the myocardium."""
        self.show("Heart mask")
        widget = self.panel("Heart mask")
        widget.select("MYO")
        self.mask.brush_size = 5
        z = self.viewer.dims.current_step[0]
        from cmr_synth.anatomy.labels import MYO, RV

        plane = self.mask.data[z]
        rows, columns = (plane == MYO).nonzero()
        middle = int(rows.mean())
        left = int(columns[rows == middle].min())
        for row in range(middle - 12, middle + 13):
            beside = columns[rows == row]
            if beside.size and RV in plane[row]:
                self.mask.paint((z, row, min(int(beside.min()), left + 4)), MYO)
        self.mask.mode = "pan_zoom"
        self.wait(1.5)  # until the measurements have followed

    def synthesize(self) -> None:
        """Every slice, in one vendor's style."""
        self.show("Synthesize")
        widget = self.panel("Synthesize")
        widget.form.vendor.setCurrentIndex(widget.form.vendor.findData(VENDOR))
        widget.form.seed.setText(str(SEED))
        widget.start_button.click()
        self.until(lambda: not widget.running and self.pictures())
        self.picture = self.pictures()[-1]
        self.mask.contour = 1  # the picture shows through, the outlines stay
        self.mask.opacity = 0.8
        self.viewer.reset_view()
        self.wait(1)

    def live(self) -> None:
        """The picture follows the brush."""
        self.show("Synthesize")
        widget = self.panel("Synthesize")
        self.picture.visible = False
        widget.live_box.setChecked(True)
        self.until(lambda: len(self.pictures()) > 1)
        self.wait(3)
        from cmr_synth.anatomy.labels import LV

        self.mask.opacity = 1.0
        z = self.viewer.dims.current_step[0]
        rows, columns = (self.mask.data[z] == LV).nonzero()
        for step in range(3):  # strokes that move the border of the LV outward, to the right
            at = (z, int(rows.mean()), int(columns.max()) - 3 + step)
            self.mask.selected_label = LV
            self.mask.brush_size = 22
            self.mask.paint(at, LV)
            self.wait(1)

    def vendors(self) -> None:
        """One mask and one seed, all vendors side by side."""
        self.panel("Synthesize").live_box.setChecked(False)
        for _ in range(3):
            self.mask.undo()
        self.wait(0.5)
        self.show("Vendors and variants")
        widget = self.panel("Vendors and variants")
        widget.form.seed.setText(str(SEED))
        widget.compare_vendors()
        self.until(lambda: not widget.running)
        self.wait(1)

    def variants(self) -> None:
        """Several seeds in a gallery."""
        widget = self.panel("Vendors and variants")
        widget.leave()
        self.picture.visible = True
        self.viewer.reset_view()
        widget.make_variants()
        self.until(lambda: not widget.running)
        self.wait(1)

    def record(self) -> None:
        """Where the picture comes from, and whether it follows its mask."""
        self.show("Record")
        panel = self.panel("Record")
        self.viewer.layers.selection.active = self.picture
        panel.check()
        self.until(lambda: not panel.job.running)
        self.viewer.layers.selection.active = self.picture
        self.mask.visible = False  # the disagreement is easier to see alone
        self.viewer.reset_view()
        self.wait(1)

    def fidelity(self) -> None:
        """Is this slice as real ones are."""
        self.show("Fidelity")
        panel = self.panel("Fidelity")
        self.viewer.layers.selection.active = self.picture
        panel.judge()
        self.until(lambda: not panel.job.running)
        self.viewer.layers.selection.active = self.picture
        self.wait(1)

    def neighbours(self) -> None:
        """Who the nearest patients are; one slice is a copy of a patient's, so that it is flagged.

        Patients whose pictures are shown come from Sunnybrook (CC0); those of all cohorts that no
        model has seen calibrate, without pictures.
        """
        import numpy as np

        from cmr_synth.cohorts.slices import open_slice_set
        from cmr_synth.evaluation.sample import joined, real_sample
        from cmr_synth.judges.copy_detector import CopyDetector
        from cmr_synth.privacy.archive_writer import build

        slices = open_slice_set(PREPARED)
        others = [real_sample(slices, split) for split in ("test", "validation")]
        patients = real_sample(slices, "train", ["sunnybrook"])
        for _ in build(
            patients,
            self.folder / "sunnybrook",
            CopyDetector.load(),
            held_out=joined(others, name="held-out patients"),
        ):
            pass
        self.show("Nearest patients")
        panel = self.panel("Nearest patients")
        panel.use_archive(self.folder / "sunnybrook")
        panel.archive_label.setText("Archive: hearts/sunnybrook")
        self.viewer.layers.selection.active = self.picture
        z = self.viewer.dims.current_step[0]
        (mid,) = np.flatnonzero(patients.levels == "mid")[:1]
        self.picture.data[z] = _copy_on(self.viewer, self.picture, patients.pixels[mid])
        self.picture.refresh()
        panel.search_all()
        self.until(lambda: not panel.job.running)
        panel.search()
        self.until(lambda: not panel.job.running)
        panel.nearest_list.itemClicked.emit(panel.nearest_list.item(0))
        panel.archive_label.setText("Archive: hearts/sunnybrook")
        self.wait(1)

    def reader_study(self) -> None:
        """A study as a reader sees it; of synthetic slices only, for this picture."""
        import numpy as np

        from cmr_synth.cohorts.slices import SliceRow
        from cmr_synth.evaluation.readers.study import make_study
        from cmr_synth.evaluation.sample import Sample

        def sample(name: str) -> Sample:
            planes = np.asarray(self.picture.data, dtype=np.float32).reshape(
                -1, *self.picture.data.shape[-2:]
            )[:4]
            rows = tuple(
                SliceRow(
                    cohort="shown",
                    patient=f"{k}",
                    split="test",
                    vendor=VENDOR,
                    phase="ED",
                    pathology="",
                    slice=k,
                    z=0.5,
                    completed=False,
                )
                for k in range(len(planes))
            )
            side = min(planes.shape[1:])
            top, left = ((n - side) // 2 for n in planes.shape[1:])
            square = np.clip(planes[:, top : top + side, left : left + side], 0, 1)
            return Sample(name, square, np.ones(square.shape, np.uint8), rows, 1.5)

        make_study(self.folder / "study", sample("one"), sample("other"), images=4, seed=0)
        self.show("Reader study")
        widget = self.panel("Reader study")
        widget.folder.setText(str(self.folder / "study"))
        widget.reader.setText("reader-1")
        widget.start()
        widget.calls.buttons()[1].click()
        widget.folder.setText("hearts/study")
        self.viewer.layers.selection.clear()
        self.wait(0.5)

    def batch(self) -> None:
        """A folder of masks becomes a data set."""
        self.show("Batch")
        widget = self.panel("Batch")
        masks, out = self.folder / "masks", self.folder / "synthetic"
        _write_masks(masks)
        widget.masks.setText(str(masks))
        widget.out.setText(str(out))
        widget.form.vendor.setCurrentIndex(widget.form.vendor.findData(VENDOR))
        widget.form.variants.setValue(2)
        widget.start()
        self.until(lambda: not widget.job.running)
        # a temporary folder is nobody's; the field shows what a user would see
        widget.masks.setText("hearts/masks")
        widget.out.setText("hearts/synthetic")
        self.wait(0.5)

    def find(self, kind: type) -> Any:
        """The only widget of a class."""
        return self.window.findChild(kind)

    def panel(self, name: str) -> Any:
        """A panel of the plugin, which is open."""
        return self.viewer.window.add_plugin_dock_widget("napari-cmr-synth", name)[1]

    def show(self, name: str) -> None:
        """Bring a panel's tab to the front."""
        self.bar.show_panel(name)
        self.wait(0.3)

    def pictures(self) -> list[Any]:
        """Synthetic image layers, the lowest first."""
        from napari.layers import Image

        return [
            layer
            for layer in self.viewer.layers
            if isinstance(layer, Image) and layer.name.startswith("synthetic")
        ]

    def wait(self, seconds: float) -> None:
        """Let the window work."""
        from qtpy.QtTest import QTest

        QTest.qWait(round(1000 * seconds))

    def until(self, condition: Callable[[], Any]) -> None:
        """Let the window work until something has happened.

        Raises
        ------
        TimeoutError
            If it does not happen.
        """
        end = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"nothing came of it within {PATIENCE_S} s")
            self.wait(0.05)

    def photograph(self, name: str) -> None:
        """Store the window, without the messages that lie over it."""
        from napari._qt.dialogs.qt_notification import NapariQtNotification
        from PIL import Image

        from tests.gui.legible import faults

        for message in self.window.findChildren(NapariQtNotification):
            message.close()
        self.wait(0.7)
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        picture = Image.fromarray(pixels[..., :3])
        picture.save(IMAGES / f"{name}.png", optimize=True)
        for title, button in self.bar.buttons.items():
            if button.isChecked():
                dock = self.viewer.window.add_plugin_dock_widget("napari-cmr-synth", title)[0]
                self.faults += [f"{name}, {title}: {line}" for line in faults(dock, self.window)]
        print(IMAGES / f"{name}.png")


def _copy_on(viewer: Any, layer: Any, picture: Any) -> Any:
    """A patient's slice, blurred and brightened a little, on the grid of a synthetic layer."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    from napari_cmr_synth.neighbours.slices import slices_of

    changed = np.clip(gaussian_filter(picture, 0.7) ** 0.85, 0, 1).astype(np.float32)
    return slices_of(viewer, layer).from_grid(changed)


def _write_masks(folder: Path) -> None:
    """Six hearts as files, and one that is no mask."""
    import nibabel as nib
    import numpy as np

    from cmr_synth.anatomy.template import draw_stack

    folder.mkdir()
    for anatomy in ("normal", "dilated", "hypertrophic"):
        for phase in ("ED", "ES"):
            labels = draw_stack(anatomy=anatomy, phase=phase, slices=2)
            image = nib.Nifti1Image(labels.T, np.diag([-1.5, -1.5, 8.0, 1.0]))  # -> (x, y, z)
            nib.save(image, folder / f"{anatomy}_{phase}.nii.gz")
    (folder / "notes.nii.gz").write_text("no mask")


if __name__ == "__main__":
    main()
