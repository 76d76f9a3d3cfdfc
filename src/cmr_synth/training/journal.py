"""What a training tells while it runs: losses, averaged, and pictures of what is made so far."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from cmr_synth.files import write_file
from cmr_synth.training.batches import Batches
from cmr_synth.training.task import Task

AVERAGED_STEPS = 20


class Journal:
    """Losses of the last steps, and with `logged` `log/` (TensorBoard) and `samples/` of a folder.

    Parameters
    ----------
    folder : Path
    logged : bool
        Whether anything is written.
    sample_minutes : float
        Between two pictures.
    """

    def __init__(self, folder: Path, *, logged: bool, sample_minutes: float):
        from torch.utils.tensorboard import SummaryWriter

        self.folder, self.sample_minutes = folder, sample_minutes
        self._log = SummaryWriter(str(folder / "log")) if logged else None
        self._sums: dict[str, list[float]] = {}
        self._last_sheet = time.monotonic()

    def add(
        self, losses: Sequence[tuple[str, float]], *, rate: float, images_seen: int
    ) -> dict[str, float]:
        """Take down the losses of a step; returns their means over the last 20 at most."""
        for name, loss in losses:
            self._sums.setdefault(name, []).append(loss)
        means = {name: float(np.mean(values)) for name, values in self._sums.items()}
        if len(next(iter(self._sums.values()))) >= AVERAGED_STEPS:
            self._sums.clear()
            if self._log is not None:
                for name, loss in means.items():
                    self._log.add_scalar(f"loss/{name}", loss, images_seen)
                self._log.add_scalar("learning_rate", rate, images_seen)
        return means

    def wants_sheet(self, now: float) -> bool:
        """Whether a picture is due, and is to be written at all."""
        return self._log is not None and now - self._last_sheet > 60 * self.sample_minutes

    @torch.no_grad()
    def add_sheet(self, task: Task, batches: Batches, *, images_seen: int, now: float) -> None:
        """Write a picture of what the networks make of the first images."""
        from PIL import Image

        assert self._log is not None  # `wants_sheet` was asked
        sheet = task.sheet(batches.batch(0, 8))
        (self.folder / "samples").mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(np.uint8(np.clip(sheet, 0, 1) * 255))
        with write_file(self.folder / "samples" / f"{images_seen:08d}.png") as temporary:
            picture.save(temporary)
        self._log.add_image("samples", sheet[None], images_seen)
        self._last_sheet = now

    def close(self) -> None:
        """Nothing more is written."""
        if self._log is not None:
            with suppress(OSError):  # a full disk; what else failed matters more
                self._log.close()
