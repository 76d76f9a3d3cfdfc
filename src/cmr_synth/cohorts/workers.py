"""Worker processes of one machine: each does units of work as they are handed out.

They end with the process that started them, however that ends.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from cmr_synth.cohorts.units import Unfinished

_Job = TypeVar("_Job")
_LOOK_S = 0.2
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def spread(
    make: Callable[[], Callable[[_Job], Iterator[str]]],
    jobs: Iterator[_Job],
    count: int,
    *,
    check: Callable[[], None] = lambda: None,
) -> Iterator[str]:
    """Do jobs in worker processes.

    Parameters
    ----------
    make : callable
        Makes what does a job and yields lines for people; called once in each worker, so it can be
        pickled.
    jobs : iterator
        The next one is taken when a worker is free.
    count : int
        Worker processes.
    check : callable
        Called while waiting; what it raises ends the work.

    Yields
    ------
    str
        The lines, as they come.

    Raises
    ------
    Unfinished
        If one was ended from outside.
    Exception
        What a worker raises.
    """
    context = multiprocessing.get_context("spawn")
    workers: dict[Connection, Any] = {}
    try:
        for _ in range(count):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(make, there), daemon=True)
            with _one_thread_each():
                process.start()
            there.close()
            workers[here] = process
        busy = set(workers)
        for here in workers:
            _hand_out(here, jobs, busy)
        while busy:
            check()
            ready = wait(list(busy), timeout=_LOOK_S)
            for here in [one for one in workers if one in ready]:
                kind, said = here.recv()
                if kind == "line":
                    yield said
                elif kind == "done":
                    _hand_out(here, jobs, busy)
                else:
                    raise said
    except (EOFError, BrokenPipeError, ConnectionResetError) as error:
        raise Unfinished(
            "a worker process was ended from outside, perhaps for want of memory; run the same "
            "command again, with fewer --jobs if that was it."
        ) from error
    finally:
        for process in workers.values():
            process.terminate()
        for process in workers.values():
            process.join()


def _hand_out(here: Connection, jobs: Iterator[_Job], busy: set[Connection]) -> None:
    try:
        here.send(next(jobs))
    except StopIteration:
        busy.discard(here)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile compute in one thread: they share the cores already."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(make: Callable[[], Callable[[Any], Iterator[str]]], there: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        do = make()
        while True:
            for line in do(there.recv()):
                there.send(("line", line))
            there.send(("done", None))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return
    except Exception as error:
        there.send(("failed", error))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
