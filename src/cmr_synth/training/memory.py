"""What to do when memory runs out: find the batch that fits, by trying, instead of guessing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from cmr_synth.training.batches import Batch
    from cmr_synth.training.task import Task

_WORDS = ("not enough memory", "can't allocate memory", "out of memory", "bad_alloc")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: numpy, torch on processors and torch on GPUs say it differently."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)


def largest_that_fits(
    task: Task,
    networks: Mapping[str, nn.Module],
    optimizers: Mapping[str, Any],
    batch: Callable[[int], Batch],
    size: int,
) -> int:
    """Halve a batch that did not fit until losses, gradients and optimizer do.

    Parameters
    ----------
    task : Task
    networks : mapping
        The task's, as they are without other processes: those are not asked to join in.
        No weight is changed; gradients are left cleared.
    optimizers : mapping
        By network.
    batch : callable
        `batch(n)`: the first n images of the batch, on the device.
    size : int
        Images that did not fit.

    Returns
    -------
    int
        How many do; 0 if not even one does.
    """
    task.networks.update(networks)
    while size > 1:
        size //= 2
        _release(networks)
        try:
            # a quarter more, for what else comes and goes during a whole training
            for _ in range(2):  # the second finds memory as the first has left it
                _step(task, networks, optimizers, batch(size + size // 4))
            return size
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        finally:
            _release(networks)
    return 0


def _step(
    task: Task,
    networks: Mapping[str, nn.Module],
    optimizers: Mapping[str, Any],
    batch: Batch,
) -> None:
    moments = []  # AdamW makes its two in the first step
    for name, per_image in task.losses(batch):
        per_image.mean().backward()
        if not optimizers[name].state_dict()["state"]:
            for weight in networks[name].parameters():
                moments += [torch.zeros_like(weight), torch.zeros_like(weight)]


def _release(networks: Mapping[str, nn.Module]) -> None:
    for network in networks.values():
        network.zero_grad(set_to_none=True)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
