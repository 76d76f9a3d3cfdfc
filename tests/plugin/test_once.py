"""What is made once: kept for the same arguments, made once for all who ask at a time."""

from __future__ import annotations

import threading
import time

from napari_cmr_synth._once import once


def test_those_who_ask_at_once_get_the_same():
    made: list[int] = []

    @once
    def slow(number: int) -> object:
        made.append(number)
        time.sleep(0.05)
        return object()

    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(slow(1))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1] and len(set(map(id, found))) == 1
    assert slow(2) is not found[0] and made == [1, 2]


def test_a_failure_is_not_kept():
    tries: list[int] = []

    @once
    def second_time() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not yet")
        return len(tries)

    try:
        second_time()
    except OSError:
        pass
    assert second_time() == 2 and second_time() == 2
