"""The processes of one training and their precision, as accelerate makes them."""

from __future__ import annotations

from typing import Any

import torch

from cmr_synth.errors import InputError
from cmr_synth.generators.precision import computes_bf16
from cmr_synth.training.recipe import Recipe


class Parallel:
    """One process among those that train together; mostly it is the only one.

    Attributes
    ----------
    accelerator : accelerate.Accelerator
    count, rank : int
        How many processes there are, and which one this is.
    own : int
        Images of a step that are this process's.

    Raises
    ------
    InputError
        If the recipe's batches cannot be dealt to the processes evenly, or its privacy wants one.
    """

    def __init__(self, recipe: Recipe):
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state()  # of an earlier training at another precision
        self.accelerator: Any = Accelerator(mixed_precision=_precision(recipe.precision))
        if self.device.type == "cuda":
            # products of 10 bits in their tensor cores, sums of 24; and the fastest of the kernels
            torch.set_float32_matmul_precision("high")
            torch.backends.cudnn.benchmark = True
        self.count: int = self.accelerator.num_processes
        self.rank: int = self.accelerator.process_index
        if recipe.batch_size % self.count:
            raise InputError(
                f"field 'batch_size': {recipe.batch_size} images cannot be dealt to {self.count} "
                f"processes evenly; choose a multiple of {self.count}."
            )
        if recipe.privacy is not None and self.count > 1:
            raise InputError(
                f"recipe {recipe.name!r}: field 'privacy': {self.count} processes; train it in one."
            )
        self.own = recipe.batch_size // self.count

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        device: torch.device = self.accelerator.device
        return device

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return bool(self.accelerator.is_main_process)

    def first(self, seen: int) -> int:
        """Number of this process's first image of the step after `seen` images."""
        return seen + self.rank * self.own

    def any(self, *wanted: bool) -> list[bool]:
        """What any process wants: a budget in minutes, or Ctrl-C, must end all at one step."""
        if self.count == 1:
            return list(wanted)
        flags = torch.tensor([float(flag) for flag in wanted], device=self.device)
        return [bool(n > 0) for n in self.accelerator.reduce(flags, reduction="sum").tolist()]

    def wait(self) -> None:
        """Until every process is here."""
        self.accelerator.wait_for_everyone()


def _precision(wanted: str) -> str:
    """The autocast precision: bf16 only on processors that compute it, else it is far slower.

    A GPU has products of 10 bits without it, and networks this small wait for their launches: there
    it gains little, and two of ten trainings on one ended in a gradient that was no number.
    """
    if wanted != "auto":
        return "no" if wanted == "fp32" else "bf16"
    if torch.cuda.is_available():
        return "no"
    return "bf16" if computes_bf16() else "no"
