"""Make the pictures of the desktop tutorial, docs/img/app, by driving the real app.

Run with `xvfb-run -a -s "-screen 0 1920x1200x24" python docs/make_app_images.py`, or on a screen of
that size, in a folder with the slice set `prepared` of all cohorts; without it the picture of the
nearest patients stays as it was. The walk is that of the tutorial's test, `tests/gui/walk.py`. A
panel in which something is cut or lies off the screen is named, and ends the program with code 1.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).parent / "img" / "app"
PREPARED = Path("prepared")
"""Slice set with Sunnybrook; see `cmr-synth cohort prepare`."""

IN_BETWEEN = ("live", "vendors", "real", "variants", "dials", "neighbours", "reader_study")
"""Sections whose picture is of the middle: afterwards what they show is gone."""

NOT_SHOWN = ("stack",)

DIALOGS = ("measurements", "export")
"""Whose picture is of a window of its own."""

COLOURS = 256  # of a picture, which is then half as large
SETTLED_S = 0.7


def main() -> None:
    """Follow the tutorial, and photograph every section."""
    sys.path.insert(0, str(Path(__file__).parents[1]))  # the walk is in the tests
    prepared = PREPARED.resolve()
    with tempfile.TemporaryDirectory() as folder:
        # settings of whoever runs this must not show, nor be changed
        os.environ["CMR_SYNTH_HOME"] = str(Path(folder) / "home")
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        os.chdir(folder)  # so that no path of this machine is seen
        IMAGES.mkdir(parents=True, exist_ok=True)
        tour = Tour(prepared if prepared.is_dir() else None)
        tour.go()
    if tour.faults:
        raise SystemExit("\n".join(tour.faults))


class Tour:
    """Somebody who follows the tutorial with a camera.

    Parameters
    ----------
    prepared : Path or None
        Slice set that the archive of nearest patients is made of.
    """

    def __init__(self, prepared: Path | None):
        from tests.gui.walk import SECTIONS, Walk
        from tests.gui.walk_files import write_archive, write_files

        Path("hearts").mkdir()
        files = write_files(Path("hearts"))
        self.sections = SECTIONS
        self.prepared = prepared
        self.copied: Any = None
        if prepared is None:
            print(f"{PREPARED}: no such slice set here, so neighbours.png stays as it was")
            write_archive(files.archive)
        else:
            self.copied = _archive_of_sunnybrook(prepared, files.archive)
        self.walk = Walk(files, pause=self.pause)
        self.faults: list[str] = []

    def go(self) -> None:
        """Follow every section."""
        for section in self.sections:
            if section == "neighbours" and self.copied is not None:
                self.plant()
            getattr(self.walk, section)()
            if section == "neighbours" and self.copied is not None:
                self.lift()  # later pictures show what was made
            if section == "synthesize":
                self.walk.mask.contour = 1  # the picture shows through, the outlines stay
                self.walk.viewer.reset_view()
            if section not in (*IN_BETWEEN, *DIALOGS, *NOT_SHOWN, "release"):
                self.photograph(section)
        self.walk.viewer.close()

    def pause(self, seen: str) -> None:
        """Photograph what is there in the middle of a section."""
        if seen == "neighbours" and self.prepared is None:
            return
        if seen in IN_BETWEEN or seen == "release":
            self.photograph(seen)
        elif seen == "measurements":
            self.photograph_alone(seen, self.walk.panel("Heart mask").measurements.taken)
        elif seen == "export":
            self.photograph_alone(seen, self.walk.bar._dialog)

    def plant(self) -> None:
        """Put a patient's slice, blurred and brightened, in place of the synthetic one in view."""
        import numpy as np
        from scipy.ndimage import gaussian_filter

        from napari_cmr_synth._in_view import in_view
        from napari_cmr_synth.neighbours.slices import slices_of

        walk, picture = self.walk, self.walk.picture
        changed = np.clip(gaussian_filter(self.copied, 0.7) ** 0.85, 0, 1).astype(np.float32)
        _, k = in_view(walk.viewer, picture)
        self.planted = (k, picture.data[k].copy())
        picture.data[k] = slices_of(walk.viewer, picture).from_grid(changed)
        picture.refresh()

    def lift(self) -> None:
        """Put the synthetic slice back."""
        k, own = self.planted
        self.walk.picture.data[k] = own
        self.walk.picture.refresh()

    def photograph(self, name: str) -> None:
        """Store the window, without the messages that lie over it, and look for what is cut."""
        from napari._qt.dialogs.qt_notification import NapariQtNotification

        from napari_cmr_synth._manifest import PLUGIN
        from tests.gui.hands import rest
        from tests.gui.legible import faults

        walk = self.walk
        for message in walk.window.findChildren(NapariQtNotification):
            message.close()
        rest(SETTLED_S)
        _store(walk.viewer.screenshot(canvas_only=False, flash=False), name)
        for title in walk.shown:
            dock = walk.viewer.window.add_plugin_dock_widget(PLUGIN, title)[0]
            self.faults += [f"{name}, {title}: {line}" for line in faults(dock, walk.window)]

    def photograph_alone(self, name: str, window: Any) -> None:
        """Store another window."""
        import numpy as np
        from qtpy.QtGui import QImage

        from tests.gui.hands import rest
        from tests.gui.legible import faults

        rest(SETTLED_S)
        image = window.grab().toImage().convertToFormat(QImage.Format.Format_RGBA8888)
        bits = image.bits()
        bits.setsize(image.height() * image.width() * 4)
        _store(np.frombuffer(bits, np.uint8).reshape(image.height(), image.width(), 4), name)
        self.faults += [f"{name}: {line}" for line in faults(window, window)]


def _store(pixels: Any, name: str) -> None:
    from PIL import Image

    picture = Image.fromarray(pixels[..., :3].copy())
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(IMAGES / f"{name}.png", optimize=True)
    print(IMAGES / f"{name}.png", flush=True)


def _archive_of_sunnybrook(prepared: Path, folder: Path) -> Any:
    """An archive whose pictures may be shown, and one mid-ventricular slice that is in it.

    Patients whose pictures are shown come from Sunnybrook (CC0); those of all cohorts that no
    model has seen calibrate, without pictures.
    """
    import numpy as np

    from cmr_synth.cohorts.slices import open_slice_set
    from cmr_synth.evaluation.sample import joined, real_sample
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive_writer import build

    slices = open_slice_set(prepared)
    others = [real_sample(slices, split) for split in ("test", "validation")]
    patients = real_sample(slices, "train", ["sunnybrook"])
    held_out = joined(others, name="held-out patients")
    for _ in build(patients, folder, CopyDetector.load(), held_out=held_out):
        pass
    (mid,) = np.flatnonzero(patients.levels == "mid")[:1]
    return patients.pixels[mid]


if __name__ == "__main__":
    main()
