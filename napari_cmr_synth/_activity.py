"""Bars in napari's activity dock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def bar_in_the_dock(title: str, step: int, steps: int, cancel: Callable[[], None]) -> Any:
    """A bar in napari's activity dock, with time left and a cancel button.

    It is not there before the first step: napari's animation beside it has the whole window
    composed again for every picture of it, which takes half the time of what is waited for.
    """
    from napari.utils.progress import cancelable_progress

    class Bar(cancelable_progress):
        def cancel(self) -> None:
            super().cancel()
            cancel()

    # napari shows what follows the last "|" beside the bar
    return Bar(
        desc=title,
        total=steps,
        initial=step,
        bar_format="{desc}|{n_fmt} of {total_fmt}, {remaining} left",
    )
