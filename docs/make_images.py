"""Make the pictures in docs/img with the real program: the demo's contact sheet and the app.

Run with `make docs-images`; needs a display, such as Xvfb.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).parent / "img"


def main() -> None:
    """Write every picture, replacing the old ones."""
    IMAGES.mkdir(exist_ok=True)
    contact_sheet(IMAGES / "contact_sheet.png")
    app(IMAGES / "app.png")


def contact_sheet(path: Path) -> None:
    """Run the demo and keep its contact sheet."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "cmr_synth.cli", "demo", "--out", folder], check=True)
        shutil.copyfile(Path(folder) / "contact_sheet.png", path)


def app(path: Path) -> None:
    """Photograph napari with a real slice beside a drawn heart."""
    import napari
    from napari._qt.dialogs.qt_notification import NapariQtNotification
    from qtpy.QtTest import QTest

    from napari_cmr_synth._sample_data import drawn_normal, sunnybrook

    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window._qt_window.resize(1400, 860)
    (image, about_image, _), (mask, about_mask, _) = sunnybrook()
    viewer.add_image(image[2:3], **about_image)
    viewer.add_labels(mask[2:3], **about_mask, opacity=0.4)
    heart, about_heart, _ = drawn_normal()[0]
    side_by_side = (0.0, 0.0, 1.05 * image.shape[-1] * about_image["scale"][-1])
    viewer.add_labels(heart[3:4], **about_heart, translate=side_by_side)
    viewer.canvas.overlays.scale_bar.visible = True
    QTest.qWait(1000)  # until the window has its size and messages have faded in
    viewer.reset_view()
    for message in viewer.window._qt_window.findChildren(NapariQtNotification):
        message.close()
    QTest.qWait(500)
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    viewer.close()


if __name__ == "__main__":
    main()
