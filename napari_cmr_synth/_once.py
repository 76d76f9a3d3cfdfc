"""What is made once and kept while the program runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")


def once(make: Callable[..., T]) -> Callable[..., T]:
    """Keep what a function made last; two jobs that ask at once shall not make it twice.

    Parameters
    ----------
    make : callable
        Takes what can be hashed. It is called again for other arguments.
    """
    lock = threading.Lock()
    kept = lru_cache(maxsize=1)(make)

    @wraps(make)
    def under_lock(*args: Hashable) -> T:
        with lock:
            return kept(*args)

    return under_lock
