"""How quickly the picture follows a dial: the Dials panel and the live preview in the app.

    xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python benchmarks/dial_slider.py

The app with all its panels shows a drawn heart of eight slices. A slider is pressed and dragged by
the mouse, step by step. Slider to mask: until the slice in view is turned. Slider to picture: until
the window has drawn the live preview of the mask as it is then. Release to mask: from letting the
slider go until the whole stack is set, as one step of undo.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import numpy as np
from _window import until

WANTED_MS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    if sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        print("no display, and the app needs one; run this under xvfb-run")
        return
    masks, pictures, released = measure(options.steps)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for what, values, wanted in (
        ("slider to mask", masks, ""),
        ("slider to picture", pictures, f"; wanted under {WANTED_MS} ms"),
        ("release to mask", released, ""),
    ):
        low, median, high = np.percentile(values, (10, 50, 90))
        print(
            f"{what}: median {median:.0f} ms (10 to 90 %: {low:.0f} to {high:.0f}, "
            f"n={len(values)}){wanted}"
        )


def measure(steps: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of every step."""
    from napari_cmr_synth._app import open_app
    from napari_cmr_synth._panel_bar import PanelBar
    from napari_cmr_synth.dials.widget import DialsPanel
    from napari_cmr_synth.synthesis.widget import SynthesizeWidget

    viewer = open_app(lasting=True)
    (mask,) = viewer.open_sample("napari-cmr-synth", "drawn_normal")
    viewer.layers.selection.active = mask
    viewer.dims.set_point(0, mask.data.shape[0] // 2 * mask.scale[0])
    viewer.reset_view()
    window = viewer.window._qt_window
    for title in ("Synthesize", "Dials"):
        window.findChild(PanelBar).show_panel(title)
    (panel,) = window.findChildren(DialsPanel)
    (synthesize,) = window.findChildren(SynthesizeWidget)
    live = synthesize.live
    shown: list[float] = []
    live.updated.connect(shown.append)
    synthesize.live_box.setChecked(True)
    until(lambda: shown)
    rest(1.0)
    slider = panel.form.sliders["dilation"]
    masks, pictures, released = [], [], []
    slider.setSliderDown(True)
    for number in range(steps):
        if number % 10 == 9:  # let go now and then
            begin = time.perf_counter()
            slider.setSliderDown(False)
            until(lambda: not panel.turner.busy)
            released.append(1000 * (time.perf_counter() - begin))
            until(lambda: live.up_to_date)
            slider.setSliderDown(True)
        begin = time.perf_counter()
        slider.setSliderPosition(5 + 7 * (number % 8))
        masks.append(1000 * (time.perf_counter() - begin))
        shown.clear()
        until(lambda: shown and live.up_to_date)
        pictures.append(1000 * (time.perf_counter() - begin))
        rest(0.1)
    slider.setSliderDown(False)
    until(lambda: not panel.turner.busy)
    viewer.close()
    return masks, pictures, released


def rest(seconds: float) -> None:
    """Let events come in for so long."""
    end = time.perf_counter() + seconds
    until(lambda: time.perf_counter() > end)


if __name__ == "__main__":
    main()
