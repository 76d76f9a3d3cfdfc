"""One step of a training: losses, gradients, clipping, optimizer and average of each network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from cmr_synth.networks.folder import channels_last
from cmr_synth.training.ahead import Ahead
from cmr_synth.training.average import Average, ramped
from cmr_synth.training.batches import Batch, Batches
from cmr_synth.training.parallel import Parallel
from cmr_synth.training.posthoc import power
from cmr_synth.training.private import PrivateTraining
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.task import Task


class NotFinite(Exception):
    """A loss or a gradient is no number any more: the training has diverged."""


class Stepper:
    """Takes the steps of a training.

    Parameters
    ----------
    task : Task
        Its networks are replaced by those that the processes share; `release` undoes it.
    recipe : Recipe
    batches : Batches
    parallel : Parallel
        On whose device the networks are put.

    Attributes
    ----------
    networks : dict
        Those of the task, as they are without other processes.
    optimizers : dict
        By network.
    average : Average
        Of `networks`.
    averages : dict
        Further ones that the recipe asks for, by width.
    private : PrivateTraining or None
        If the recipe asks for privacy.
    """

    def __init__(self, task: Task, recipe: Recipe, batches: Batches, parallel: Parallel):
        self.task, self.recipe, self.batches, self.parallel = task, recipe, batches, parallel
        self.optimizers: dict[str, Any] = {}
        for name, network in task.networks.items():
            channels_last(network.to(parallel.device))
            self.optimizers[name] = torch.optim.AdamW(
                network.parameters(),
                lr=recipe.learning_rate,
                betas=recipe.betas,
                weight_decay=recipe.weight_decay,
                fused=parallel.device.type == "cuda",
            )
        self.private = None
        if recipe.privacy is not None:
            self.private = PrivateTraining(task, recipe, batches)
        self.networks: dict[str, nn.Module] = dict(task.networks)
        self.average = Average(self.networks, ramped(recipe.ema))
        self.averages = {width: Average(self.networks, power(width)) for width in recipe.averages}
        self._ahead: Ahead | None = None

    def prepare(self, seen: int, *, workers: int = 0) -> None:
        """Make ready for the steps after `seen` images.

        Networks and optimizers become those of all processes; a private training has one, and
        chooses its images itself.

        Parameters
        ----------
        workers : int
            Processes that make batches ahead.
        """
        if self.private is not None:
            return
        self._ahead = Ahead(
            self.batches,
            first=self.parallel.first(seen),
            count=self.parallel.own,
            stride=self.recipe.batch_size,
            workers=workers,
        )
        for name, network in self.networks.items():
            self.task.networks[name], self.optimizers[name] = self.parallel.accelerator.prepare(
                network, self.optimizers[name]
            )

    def release(self) -> None:
        """Give the task its own networks back."""
        self.task.networks.update(self.networks)

    def close(self) -> None:
        """End the processes that make batches."""
        if self._ahead is not None:
            self._ahead.close()

    def batch(self, seen: int, count: int) -> Batch:
        """The first images of this process in the step after `seen` images, on its device."""
        return self.batches.batch(self.parallel.first(seen), count).to(self.parallel.device)

    def take(self, seen: int, rate: float) -> list[tuple[str, float]]:
        """One step, after `seen` images.

        Parameters
        ----------
        rate : float
            Learning rate; each network has its factor on it.

        Returns
        -------
        list of (str, float)
            The networks in the order of their updates, and the mean loss of each.

        Raises
        ------
        NotFinite
            If a loss or gradient is no number, in any process.
        """
        found = []
        with self.parallel.accelerator.autocast():
            for name, per_image in self._losses(seen):
                optimizer = self.optimizers[name]
                for group in optimizer.param_groups:
                    group["lr"] = rate * self.task.rates[name]
                norm = self._gradient(name, per_image)
                loss = float(per_image.detach().mean())
                finite = math.isfinite(loss) and math.isfinite(norm)
                step = seen // self.recipe.batch_size
                if any(self.parallel.any(not finite)):
                    raise NotFinite(
                        f"step {step + 1}: the loss of {name!r} is {loss:g} and its gradient "
                        f"{float(norm):g}"
                    )
                optimizer.step()
                for average in (self.average, *self.averages.values()):
                    average.update(name, step)
                found.append((name, loss))
        return found

    def _losses(self, seen: int) -> Iterator[tuple[str, Tensor]]:
        if self.private is not None:
            return self.private.losses(self.task, self.parallel.device)
        assert self._ahead is not None
        batch = self._ahead.take(self.parallel.first(seen))
        return self.task.losses(batch.to(self.parallel.device))

    def _gradient(self, name: str, per_image: Tensor) -> Any:
        """Leave the gradient with the weights, clipped; its norm before that.

        Of a private training the norm of the weights: they tell of a divergence too, and unlike
        the patients' gradients, which lie there clipped and noisy, the account covers them.
        """
        if self.private is not None:
            return torch.stack([w.detach().norm() for w in self.networks[name].parameters()]).norm()
        accelerator = self.parallel.accelerator
        self.optimizers[name].zero_grad(set_to_none=True)
        accelerator.backward(per_image.mean())
        return accelerator.clip_grad_norm_(
            self.networks[name].parameters(), self.recipe.gradient_norm
        )
