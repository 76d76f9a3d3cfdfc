"""Batches made ahead, by other processes: what a GPU takes in, one processor cannot make.

A batch hangs on its number alone, so that it is the same whoever makes it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from cmr_synth.errors import InputError
from cmr_synth.generators.diagnostics import cores_allowed
from cmr_synth.training.batches import Batch, Batches

MOST = 8
"""Processes beyond which one GPU waits for none of the built-in families."""
AHEAD = 4  # batches that each process may be ahead


def workers_for(device: torch.device, processes: int) -> int:
    """Processes that make batches for one of several that train on a machine.

    None for a processor, which has its hands full.
    """
    if device.type != "cuda" or sys.platform != "linux":
        return 0  # where processes are not forked, each would load torch and the slices anew
    return max(0, min(MOST, (cores_allowed() or 1) // processes - 1))


class Ahead:
    """The batches of a process in the order of a training.

    Parameters
    ----------
    batches : Batches
    first : int
        Number of the first image of the first batch.
    count, stride : int
        Images of a batch, and from one batch to the next: more, where others train along.
    workers : int
        Processes; 0: each batch is made when it is asked for.
    """

    def __init__(
        self,
        batches: Batches,
        *,
        first: int,
        count: int,
        stride: int,
        workers: int,
    ):
        self.batches, self.count, self.next, self.stride = batches, count, first, stride
        self._made: Iterator[Batch | InputError] | None = None
        if workers:
            loader = DataLoader(
                _Numbered(batches, count),
                batch_size=None,
                sampler=_From(first, stride),
                num_workers=workers,
                prefetch_factor=AHEAD,
                multiprocessing_context="fork",
                worker_init_fn=_deaf,
            )
            self._made = iter(loader)

    def take(self, first: int) -> Batch:
        """The batch whose first image has that number; asked for in order.

        Raises
        ------
        ValueError
            If it is not the next one.
        InputError
            If the slices cannot be read.
        """
        if first != self.next:
            raise ValueError(f"images from {first} asked for, those from {self.next} are next")
        self.next += self.stride
        if self._made is None:
            return self.batches.batch(first, self.count)
        made = next(self._made)
        if isinstance(made, InputError):
            raise made
        return made

    def close(self) -> None:
        """End the processes."""
        self._made = None


class _Numbered(Dataset[Batch | InputError]):
    """Batches by the number of their first image; an error is handed on as it is."""

    def __init__(self, batches: Batches, count: int):
        self.batches, self.count = batches, count

    def __getitem__(self, first: int) -> Batch | InputError:
        try:
            return self.batches.batch(first, self.count)
        except InputError as error:
            return error


class _From(Sampler[int]):
    """Numbers without end."""

    def __init__(self, first: int, stride: int):
        self.first, self.stride = first, stride

    def __iter__(self) -> Iterator[int]:
        number = self.first
        while True:
            yield number
            number += self.stride


def _deaf(worker: int) -> None:
    """Leave Ctrl-C to the process that trains, which ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
