"""Qt's event loop for the benchmarks of the app, and how long it does not run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

LIMIT_S = 120
TICK_S = 0.005


@dataclass
class Block:
    """The longest time for which the event loop did not run.

    Attributes
    ----------
    ms : float
        Between two events of a timer, less what it waits for.
    end : float
        When it was over, on the clock of `time.perf_counter`.
    """

    ms: float = 0.0
    end: float = 0.0


@contextmanager
def longest_block() -> Iterator[Block]:
    """Watch the event loop; what is given is complete at the end of the context."""
    from qtpy.QtCore import Qt, QTimer

    found, last = Block(), [time.perf_counter()]

    def tick() -> None:
        now = time.perf_counter()
        late, last[0] = 1000 * (now - last[0] - TICK_S), now
        if late > found.ms:
            found.ms, found.end = late, now

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(round(1000 * TICK_S))
    try:
        yield found
    finally:
        tick()  # what came last did not let the timer run
        timer.stop()


def until(done: Callable[[], Any]) -> None:
    """Let Qt's own event loop run until something holds."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, check = QEventLoop(), QTimer()
    end = time.perf_counter() + LIMIT_S

    def look() -> None:
        if done():
            loop.quit()
        elif time.perf_counter() > end:
            sys.exit(f"nothing came for {LIMIT_S} s")

    check.timeout.connect(look)
    check.start(1)
    loop.exec()
