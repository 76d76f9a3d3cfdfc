"""Several processes at one job, as `accelerate launch` starts them: who does what, and who failed.

They talk in JSON through the key-value store that torch's launcher keeps. A collective operation
would wait without answering to signals, and would give up after a time that a long job may need;
here everybody who waits looks again and again, and so notices within moments that another process
has failed, or within `PATIENCE_S` that it has vanished.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from cmr_synth.errors import InputError

PATIENCE_S = 60.0  # a process that has not been heard of for so long has vanished
_BEAT_S = 1.0
_LOOK_S = 0.05
_PIECE = 1 << 20  # bytes; the store refuses values of many megabytes
_GRACE_S = 3.0  # for the others to see why the process that keeps the store ends


class EndedElsewhere(Exception):
    """Another process of the job has failed and says why: this one ends without a word."""


class Processes:
    """The processes of one job, as one of them sees them.

    Attributes
    ----------
    rank, count : int
        Which one this is, from 0, and how many there are.
    """

    def __init__(
        self, rank: int = 0, count: int = 1, store: Any = None, *, patience_s: float = PATIENCE_S
    ):
        self.rank, self.count = rank, count
        self._store, self._patience_s = store, patience_s
        self._gatherings = 0
        self._listened = 0.0  # when the beats of the others were last looked at
        self._heard: dict[int, tuple[int, float]] = {}  # last beat of each process, and when

    @property
    def is_main(self) -> bool:
        """Whether this is the one that reports."""
        return self.rank == 0

    @property
    def device(self) -> str | None:
        """Where this process computes: a GPU of its own; None leaves the choice open."""
        if self.count == 1:
            return None
        import torch
        from accelerate.utils import parse_flag_from_env

        if parse_flag_from_env("ACCELERATE_USE_CPU"):
            return "cpu"
        if not torch.cuda.is_available():
            return None
        return f"cuda:{int(os.environ.get('LOCAL_RANK', self.rank)) % torch.cuda.device_count()}"

    def owns(self, place: int) -> bool:
        """Whether this process is dealt the item at a place of a list that all of them have."""
        return place % self.count == self.rank

    def turns(self, name: str, total: int) -> Iterator[int]:
        """Places of a list, each given to the one process that asks for it first.

        Slow and fast processes, short and long items even out. What is made of an item must not
        depend on the process.
        """
        if self.count == 1:
            yield from range(total)
            return
        while (place := self.add(f"turn/{name}", 1) - 1) < total:
            yield place

    def add(self, name: str, amount: int) -> int:
        """Add to a number that all processes share, 0 at first; returns the sum."""
        if self.count == 1:
            raise ValueError("a process alone shares no number")
        self.check()
        return int(self._ask("add", name, amount))

    def gather(self, items: list[Any]) -> list[Any]:
        """What every process brought to this call, in the order of the processes.

        All of them come to it equally often. It waits for the last one.

        Parameters
        ----------
        items : list
            Of what JSON can hold.

        Raises
        ------
        EndedElsewhere
            If another process has failed.
        InputError
            If another process has vanished.
        """
        found: list[Any] = []
        for found_or_none in self.gathering(items):
            found = found_or_none or []
        return found

    def gathering(self, items: list[Any]) -> Iterator[list[Any] | None]:
        """As `gather`: yields None again and again while it waits, and then the items."""
        if self.count == 1:
            yield items
            return
        call, self._gatherings = f"gather/{self._gatherings}", self._gatherings + 1
        self._put(f"{call}/{self.rank}", items)
        everybody = [f"{call}/{rank}" for rank in range(self.count)]
        while not self._ask("check", everybody):
            self.check()
            yield None
            time.sleep(_LOOK_S)
        yield [item for key in everybody for item in self._take(key)]

    def check(self) -> None:
        """Raise if another process has failed or vanished; cheap enough for every step."""
        if self.count == 1:
            return
        if self._ask("check", ["failed"]):
            raise EndedElsewhere
        now = time.monotonic()
        if now - self._listened < _BEAT_S:
            return
        self._listened = now
        for rank in range(self.count):
            beat = self._beat_of(rank)
            last, heard = self._heard.setdefault(rank, (-1, now))
            if beat != last:
                self._heard[rank] = (beat, now)
            elif now - heard > self._patience_s and not self._ask("check", [f"left/{rank}"]):
                raise InputError(
                    f"process {rank} of {self.count} has vanished: nothing was heard of it for "
                    f"{self._patience_s:g} s; look at its machine, then go on with --resume."
                )

    @contextmanager
    def collective(self) -> Iterator[None]:
        """Name the cause where torch's own operations among processes fail.

        Raises
        ------
        EndedElsewhere
            If another process has failed and says why.
        InputError
            If it was ended from outside.
        """
        try:
            yield
        except RuntimeError as error:  # torch has no type of its own for what gloo says
            if self.count == 1 or not _is_about_connection(error):
                raise
            until = time.monotonic() + _GRACE_S  # what ended it may be told a moment later
            while time.monotonic() < until:
                self.check()
                time.sleep(_LOOK_S)
            raise InputError(
                "another process was ended from outside, and the training cannot go on without "
                "it; start it again with --resume."
            ) from error

    def _beat_of(self, rank: int) -> int:
        key = f"beat/{rank}"
        return int(self._ask("get", key)) if self._ask("check", [key]) else -1

    def _put(self, key: str, items: list[Any]) -> None:
        content = json.dumps(items).encode()
        pieces = [content[k : k + _PIECE] for k in range(0, len(content), _PIECE)]
        for k, piece in enumerate(pieces):
            self._ask("set", f"{key}/{k}", piece)
        self._ask("set", key, str(len(pieces)))  # last: its being there says that all are

    def _take(self, key: str) -> list[Any]:
        pieces = range(int(self._ask("get", key)))
        content: list[Any] = json.loads(b"".join(self._ask("get", f"{key}/{k}") for k in pieces))
        return content

    def _ask(self, verb: str, *arguments: Any) -> Any:
        """Call the store; without it, the process or launcher that kept it has ended."""
        try:
            return getattr(self._store, verb)(*arguments)
        except (RuntimeError, OSError) as error:
            raise InputError(
                "the process that all others report to has ended; see what it says, then go on "
                "with --resume."
            ) from error

    def _leave(self, *, failed: bool, grace_s: float) -> bool:
        """Say goodbye; whether this process is the first to tell of a failure."""
        first = True
        try:
            if failed:
                first = self._store.add("failures", 1) == 1
                self._store.set("failed", "1")
            self._store.set(f"left/{self.rank}", "1")
            if self.is_main:  # it may be the one that keeps the store
                until = time.monotonic() + grace_s
                others = [f"left/{rank}" for rank in range(self.count)]
                while not self._store.check(others) and time.monotonic() < until:
                    time.sleep(_LOOK_S)
        except (RuntimeError, OSError):
            pass  # nobody is left to be told
        return first

    def _beats(self, until: threading.Event) -> None:
        beat = 0
        try:
            while not until.wait(_BEAT_S):
                beat += 1
                self._store.set(f"beat/{self.rank}", str(beat))
        except (RuntimeError, OSError):
            return  # the store is gone: the others notice that by themselves


ALONE = Processes()
"""One process, which does everything."""


@contextmanager
def joined(*, patience_s: float = PATIENCE_S) -> Iterator[Processes]:
    """Be one of the processes that were launched together, for the length of a block.

    An error in the block ends all of them: in the first that fails it goes on as it is, in the
    others it becomes `EndedElsewhere`, so that it is told once.

    Parameters
    ----------
    patience_s : float
        A process that has not been heard of for so long has vanished.

    Yields
    ------
    Processes
        `ALONE` if none were launched together.

    Raises
    ------
    InputError
        If the others cannot be found.
    EndedElsewhere
        If another process has failed.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) < 2:
        yield ALONE
        return
    rank, count, store = _meet()
    group = Processes(rank, count, store, patience_s=patience_s)
    ended = threading.Event()
    threading.Thread(target=group._beats, args=(ended,), daemon=True).start()
    try:
        yield group
    except EndedElsewhere:
        group._leave(failed=False, grace_s=_GRACE_S)
        raise
    except BaseException as error:
        if group._leave(failed=True, grace_s=_GRACE_S):
            raise
        raise EndedElsewhere from error
    else:
        group._leave(failed=False, grace_s=patience_s)
    finally:
        ended.set()


def _meet() -> tuple[int, int, Any]:
    """Rank, number of processes and store, from the environment that the launcher made."""
    # torch's annotations do not know that these are public
    from torch.distributed import PrefixStore, rendezvous  # type: ignore[attr-defined]

    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29500")
    try:
        store, rank, count = next(rendezvous("env://", timeout=timedelta(minutes=5)))
    except (RuntimeError, ValueError, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}: the processes launched "
            f"together do not find each other ({reason}); launch them with `accelerate launch`."
        ) from error
    return rank, count, PrefixStore("cmr-synth", store)


def _is_about_connection(error: RuntimeError) -> bool:
    said = str(error).lower()
    return any(word in said for word in ("gloo", "nccl", "connection", "broken pipe", "peer"))
