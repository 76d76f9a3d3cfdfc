"""How long it takes to enter and to leave the cells of a comparison.

    xvfb-run -a -s "-screen 0 1760x1000x24" .venv/bin/python benchmarks/grid_view.py [--layers 12]

A window with some scans and masks, as after an hour of work, and three pictures in cells. As it
is: napari's views are put together once. One by one: at every layer that is shown, hidden or
removed, as napari does it by itself. Both in one process, in turns; seconds, and those of the
processor.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from contextlib import nullcontext
from typing import Any

import numpy as np

CELLS = 3
SHAPE = (8, 128, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=12, help="that are there besides")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        print("no display, and the app needs one; run this under xvfb-run")
        return

    from napari_cmr_synth import _grid_view
    from napari_cmr_synth._app import open_app

    viewer = open_app(lasting=True)
    draw = np.random.default_rng(0)
    for number in range(options.layers):
        if number % 2:
            viewer.add_labels(draw.integers(0, 4, SHAPE, np.uint8))
        else:
            viewer.add_image(draw.random(SHAPE, np.float32))
    view = _grid_view.GridView(viewer, viewer.window._qt_window)
    once = _grid_view._one_rebuild
    ways = {"as it is": once, "one by one": lambda _: nullcontext()}
    took: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(options.repeats):
        for way, batch in ways.items():
            _grid_view._one_rebuild = batch
            for step, seconds in zip(("enter", "leave"), there_and_back(viewer, view), strict=True):
                took.setdefault((way, step), []).append(seconds)
    print(f"{options.layers} layers besides, load {os.getloadavg()[0]:.1f}")
    for (way, step), seconds in took.items():
        wall, processor = (statistics.median(column) for column in zip(*seconds, strict=True))
        print(f"{step} the cells, {way:10}: {wall:5.2f} s, processor {processor:5.2f} s")
    viewer.close()


def there_and_back(viewer: Any, view: Any) -> list[tuple[float, float]]:
    """Seconds, and those of the processor, to enter and to leave, each until it is drawn."""
    from qtpy.QtWidgets import QApplication

    found = []
    pictures = [
        viewer.add_image(np.random.default_rng(n).random(SHAPE, np.float32)) for n in range(CELLS)
    ]
    QApplication.processEvents()

    def enter() -> None:
        for picture in pictures:
            view.show(picture, of=CELLS)

    for step in (enter, lambda: view.leave(keep=False)):
        wall, processor = time.perf_counter(), time.process_time()
        step()
        viewer.window._qt_viewer.canvas.native.update()
        QApplication.processEvents()
        found.append((time.perf_counter() - wall, time.process_time() - processor))
    return found


if __name__ == "__main__":
    main()
