"""How quickly the app answers: its window, the first picture, and the window meanwhile.

    xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python benchmarks/app_response.py [--runs 3]

Every run is `cmr-synth app` in a process of its own. Started: from the command to a window that is
drawn and whose event loop is free. First slice: from the click on Synthesize to its drawing, with
torch and the weights still to be loaded (cold: clicked at once; ahead: clicked when the app has
loaded them by itself, as it does while nobody uses it) and after that (warm). Blocked: the longest
time between two events of a 5 ms timer, less these 5 ms, in the same window while pictures are
made.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from _window import longest_block, until

SLICES = 12
TITLES = {
    "started": ("Started, to a window that answers", "s", 3.0),
    "cold": ("First slice after the click, cold", "s", 5.0),
    "ready": ("Ready for it, seconds after the window", "s", None),
    "blocked_ready": ("Window blocked while the app prepares itself", "ms", 150),
    "ahead": ("First slice after the click, ahead", "s", 5.0),
    "warm": ("Slice after the click, warm", "s", 0.8),
    "blocked_cold": ("Window blocked while torch and weights are loaded", "ms", 150),
    "napari": ("Window blocked by napari adding a picture of its own", "ms", None),
    "stack": (f"{SLICES} slices after the click", "s", None),
    "blocked": (f"Window blocked while {SLICES} slices are made", "ms", 150),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="starts of the app")
    parser.add_argument("--repeats", type=int, default=5, help="warm measurements in each run")
    parser.add_argument("--ahead", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--started-at", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.started_at is not None:
        run_app(options.started_at, options.repeats, options.ahead)
        return
    if sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        print("no display, and the app needs one; run this under xvfb-run")
        return
    measured: dict[str, list[float]] = {name: [] for name in TITLES}
    for k in range(2 * options.runs):
        for name, values in one_run(options.repeats, bool(k % 2)).items():
            measured[name] += values
    width = max(len(title) for title, _, _ in TITLES.values())
    print(f"{'':{width}}  {'median':>9}  {'least to most':>18}   n  wanted")
    for name, (title, unit, wanted) in TITLES.items():
        values = measured[name]
        digits = 2 if unit == "s" else 0
        spread = f"{min(values):.{digits}f} to {max(values):.{digits}f}"
        print(
            f"{title:{width}}  {statistics.median(values):6.{digits}f} {unit:2}  {spread:>18}  "
            f"{len(values):2}  " + ("" if wanted is None else f"under {wanted:g} {unit}")
        )


def one_run(repeats: int, ahead: bool) -> dict[str, list[float]]:
    """Start this file again as the app, and read what it measured."""
    command = [sys.executable, __file__, "--repeats", str(repeats)]
    command += ["--ahead"] if ahead else []
    command.append("--started-at")
    done = subprocess.run(
        [*command, repr(time.time())], stdout=subprocess.PIPE, text=True, timeout=600
    )
    if done.returncode:
        sys.exit(f"the app ended with code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def run_app(started_at: float, repeats: int, ahead: bool) -> None:
    """In the app's process: its own command, and the measurement in place of its event loop."""
    import napari

    from cmr_synth.cli import main as command

    def measured(*_: object, **__: object) -> None:
        print(json.dumps(measure(started_at, repeats, ahead)), flush=True)

    napari.run = measured
    sys.argv = ["cmr-synth", "app"]
    command()


def measure(started_at: float, repeats: int, ahead: bool) -> dict[str, list[float]]:
    import napari
    import numpy as np

    from cmr_synth.anatomy.template import draw_stack
    from cmr_synth.generators.zoo import DEFAULT
    from napari_cmr_synth._idle import WhileIdle
    from napari_cmr_synth._layers import labels_layer, scan_without_place
    from napari_cmr_synth._models import is_loaded
    from napari_cmr_synth._panel_bar import PanelBar
    from napari_cmr_synth.files.sample_data import _engine_labels
    from napari_cmr_synth.synthesis.widget import SynthesizeWidget

    viewer = napari.current_viewer()
    window = viewer.window._qt_window
    canvas = viewer.window._qt_viewer.canvas.native
    drawn: list[float] = []
    canvas.frameSwapped.connect(lambda: drawn.append(time.perf_counter()))
    canvas.update()
    until(lambda: window.isVisible() and drawn)
    found = {"started": [time.time() - started_at]}

    if ahead:
        begin = time.perf_counter()
        (idle,) = window.findChildren(WhileIdle)
        with longest_block() as block:
            until(lambda: not idle.active and is_loaded(DEFAULT))
        found |= {"ready": [time.perf_counter() - begin], "blocked_ready": [block.ms]}
    bar = window.findChild(PanelBar)
    bar.show_panel("Synthesize")
    (widget,) = window.findChildren(SynthesizeWidget)
    spacing = (8.0, 1.5, 1.5)
    scan = scan_without_place(draw_stack(slices=SLICES, spacing=spacing), spacing, "heart")
    data, attributes, _ = labels_layer(scan, guess=_engine_labels())
    viewer.add_labels(data, **attributes)
    viewer.dims.set_point(0, SLICES // 2 * spacing[0])
    viewer.reset_view()
    rest()

    def make(scope: str) -> tuple[float, float]:
        """Seconds to the drawing, and the longest block in ms."""
        form = widget.form
        form.scope.setCurrentIndex(form.scope.findData(scope))
        form.dice.click()
        rest()
        layers = len(viewer.layers)
        with longest_block() as block:
            begin = time.perf_counter()
            widget.start_button.click()
            until(lambda: len(viewer.layers) > layers)
            shown = len(drawn)
            until(lambda: len(drawn) > shown)
            seconds = drawn[-1] - begin
            until(lambda: not widget.running)
        viewer.layers.remove(viewer.layers[0])  # the picture: it lies below its mask
        return seconds, block.ms

    def napari_alone() -> float:
        """Longest block in ms when napari adds a picture, with none of our work beside it."""
        rest()
        with longest_block() as block:
            shown = len(drawn)
            layer = viewer.add_image(np.zeros((SLICES, 128, 128), np.float32), name="plain")
            until(lambda: len(drawn) > shown)
        viewer.layers.remove(layer)
        return block.ms

    seconds, block = make("slice")
    found |= {"ahead": [seconds]} if ahead else {"cold": [seconds], "blocked_cold": [block]}
    found["warm"] = [make("slice")[0] for _ in range(repeats)]
    found["napari"] = [napari_alone() for _ in range(repeats)]
    stacks = [make("stack") for _ in range(repeats)]
    found["stack"], found["blocked"] = (list(values) for values in zip(*stacks, strict=True))
    viewer.close()
    return found


def rest() -> None:
    """Let drawings and timers that are due run first."""
    end = time.perf_counter() + 1.0
    until(lambda: time.perf_counter() > end)


if __name__ == "__main__":
    main()
