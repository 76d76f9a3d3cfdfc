"""Qt's event loop for the benchmarks of the app."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

LIMIT_S = 120


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
