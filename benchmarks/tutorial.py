"""How long the window does not answer in each action of the tutorial of the app.

    xvfb-run -a -s "-screen 0 1920x1200x24" .venv/bin/python benchmarks/tutorial.py [--model flow] \
        [--only start heart dials measurements]

The walk is that of `tests/gui/test_tutorial.py`: docs/tutorial/desktop-app.md, done by clicks, keys
and strokes of the mouse in a window of 1366 x 768. Blocked: the longest time between two events of
a 5 ms timer, less these 5 ms. Beside it, in whose code Python was meanwhile: napari's (with vispy),
ours, or neither (Qt drawing, a library). A sampler looks every 5 ms at the innermost frame of
either; the place is the one that it saw most often. Below the table: what adding and removing a
layer costs napari alone, in a window without a panel of ours.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from _window import Block, longest_block

WANTED_MS = 150
LOOK_S = 0.005
OWNERS = {
    f"{os.sep}napari{os.sep}": "napari",
    f"{os.sep}vispy{os.sep}": "napari",
    f"{os.sep}napari_cmr_synth{os.sep}": "ours",
    f"{os.sep}cmr_synth{os.sep}": "ours",
}
ALONE_SHAPE = (8, 128, 128)


@dataclass
class Seen:
    """One action.

    Attributes
    ----------
    title : str
    block : Block
    seconds : float
        Of the whole action.
    samples : list
        Time, owner and place at which the main thread was seen.
    """

    title: str
    block: Block = field(default_factory=Block)
    seconds: float = 0.0
    samples: list[tuple[float, str, str]] = field(default_factory=list)

    def shares(self) -> tuple[dict[str, float], str]:
        """Share of each owner in the longest block, and the place seen most often."""
        end, begin = self.block.end, self.block.end - self.block.ms / 1000
        during = [(o, where) for at, o, where in self.samples if begin <= at <= end]
        owners = Counter(owner for owner, _ in during)
        places = Counter(where for _, where in during if where)
        share = {owner: count / len(during) for owner, count in owners.items()} if during else {}
        return share, places.most_common(1)[0][0] if places else ""


class Watch:
    """Looks at the main thread from a thread of its own."""

    def __init__(self) -> None:
        self.actions: list[Seen] = []
        self._main = threading.main_thread().ident
        self._now: Seen | None = None
        threading.Thread(target=self._look, daemon=True).start()

    @contextmanager
    def action(self, title: str) -> Iterator[None]:
        """Measure what is done in this context."""
        seen = Seen(title)
        begin = time.perf_counter()
        with longest_block() as seen.block:
            self._now = seen
            yield
            self._now = None
        seen.seconds = time.perf_counter() - begin
        self.actions.append(seen)

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_S)
            seen = self._now
            if seen is not None:  # else Python 3.11 may crash, as when the first window is made
                frame = sys._current_frames().get(self._main)
                seen.samples.append((time.perf_counter(), *_owner(frame)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="flow-fast", help="in the zoo; makes all pictures")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="SECTION",
        help="sections of the walk, such as: start heart dials measurements; those that they "
        "build on are among them",
    )
    options = parser.parse_args()
    if sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        print("no display, and the app needs one; run this under xvfb-run")
        return
    sys.path.insert(0, str(Path(__file__).parents[1]))  # the walk is in the tests
    with tempfile.TemporaryDirectory() as folder:
        # settings of whoever runs this must not show, nor be changed
        os.environ["CMR_SYNTH_HOME"] = str(Path(folder) / "home")
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        alone = {} if options.only else napari_alone()
        tell(walked(Path(folder), options.model, options.only))
    if alone:
        print("\nnapari alone, longest block in ms:")
    for title, milliseconds in alone.items():
        print(f"  {title:28} {milliseconds:5.0f}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def walked(folder: Path, model: str, only: list[str] | None = None) -> list[Seen]:
    """Follow the tutorial, or some sections of it."""
    from napari_cmr_synth import _settings
    from tests.gui.walk import SECTIONS, Walk
    from tests.gui.walk_files import write_archive, write_files

    _settings.put("model", model)
    files = write_files(folder)
    write_archive(files.archive)
    watch = Watch()
    walk = Walk(files, action=watch.action, lasting=True)  # as the program opens it
    unknown = [section for section in only or () if section not in SECTIONS]
    if unknown:
        raise SystemExit(f"{unknown[0]}: no such section; they are {', '.join(SECTIONS)}")
    for section in only or SECTIONS:
        getattr(walk, section)()
    walk.viewer.close()
    return watch.actions


def napari_alone() -> dict[str, float]:
    """Milliseconds that napari's own window is blocked by layers, the second time each."""
    import napari
    import numpy as np

    from tests.gui.hands import rest

    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window._qt_window.resize(1366, 768)
    rest(1.0)
    pixels, numbers = np.zeros(ALONE_SHAPE, np.float32), np.zeros(ALONE_SHAPE, np.uint8)
    found: dict[str, float] = {}
    for _ in range(2):  # once to load what it needs
        for title, act in (
            ("adding an image layer", lambda: viewer.add_image(pixels, contrast_limits=(0, 1))),
            ("adding a labels layer", lambda: viewer.add_labels(numbers)),
            ("removing both", viewer.layers.clear),
        ):
            with longest_block() as block:
                act()
                rest(0.5)
            found[title] = block.ms
    viewer.close()
    return found


def tell(actions: list[Seen]) -> None:
    """Print the table, and the sum."""
    width = max(len(seen.title) for seen in actions)
    print(f"{'':{width}}  seconds  blocked (ms)  napari  ours  other  seen most often in")
    for seen in actions:
        share, where = seen.shares()
        parts = "  ".join(f"{100 * share.get(owner, 0):4.0f} %" for owner in ("napari", "ours", ""))
        over = "*" if seen.block.ms > WANTED_MS else " "
        block = f"{seen.block.ms:10.0f} {over}"
        print(f"{seen.title:{width}}  {seen.seconds:7.1f}  {block}  {parts}  {where}")
    over = sum(seen.block.ms > WANTED_MS for seen in actions)
    ours = sum(seen.block.ms * seen.shares()[0].get("ours", 0) > WANTED_MS for seen in actions)
    print(
        f"{len(actions)} actions, {over} over {WANTED_MS} ms (*); in {ours} of them our own code "
        f"takes more than {WANTED_MS} ms"
    )


def _owner(frame: FrameType | None) -> tuple[str, str]:
    """Whose code is innermost on a stack, and where; "" where it is neither's."""
    while frame is not None:
        path = frame.f_code.co_filename
        for part, owner in OWNERS.items():
            if part in path:
                return owner, f"{Path(path).stem}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "", ""


if __name__ == "__main__":
    main()
