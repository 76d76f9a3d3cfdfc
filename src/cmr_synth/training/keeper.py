"""The keeper of the checkpoint: when one is written, when it counts as good, what it gives back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cmr_synth.errors import InputError
from cmr_synth.training.average import Average
from cmr_synth.training.checkpoint import (
    forget_previous,
    load_checkpoint,
    mark_diverged,
    restore_previous,
    save_checkpoint,
)
from cmr_synth.training.parallel import Parallel
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.step import Stepper

PROOF_STEPS = 20  # with finite losses after which a checkpoint counts as good


class Keeper:
    """Keeps one training in `folder`, and counts what has been done of it.

    Parameters
    ----------
    folder : Path
    recipe : Recipe
    stepper : Stepper
        Whose networks, averages, optimizers and privacy account are written.
    parallel : Parallel
        The main process alone writes.

    Attributes
    ----------
    images_seen : int
        By the networks as they are.
    """

    def __init__(self, folder: Path, recipe: Recipe, stepper: Stepper, parallel: Parallel):
        self.folder, self.recipe, self.stepper, self.parallel = folder, recipe, stepper, parallel
        self.images_seen = 0
        self._earlier_minutes = 0.0  # of the training that is resumed
        self._whole = True  # networks, averages and `images_seen` are those of the same step
        self._proof = PROOF_STEPS  # steps since the last checkpoint
        self._start = self._last = time.monotonic()

    def resume(self) -> None:
        """Take up what the folder holds; before `Stepper.prepare`.

        Raises
        ------
        InputError
            If it cannot be read, or belongs to another network, recipe or privacy account.
        """
        stepper = self.stepper
        state = load_checkpoint(
            self.folder,
            networks=stepper.networks,
            averages=self._averages(),
            optimizers=stepper.optimizers,
            recipe=self.recipe,
        )
        self.images_seen, self._earlier_minutes = state["images_seen"], state["minutes"]
        if stepper.private is not None:
            stepper.private.restore(state.get("privacy"))

    def start_clock(self) -> None:
        """From here on minutes count; those of building and loading do not."""
        self._start = self._last = time.monotonic()

    def minutes(self, now: float | None = None) -> float:
        """Spent on this training, earlier parts of it included."""
        now = time.monotonic() if now is None else now
        return self._earlier_minutes + (now - self._start) / 60

    def share(self, minutes: float | None) -> float:
        """Of the training that is done: of its images, or of a budget in minutes if more."""
        share = self.images_seen / self.recipe.images
        return share if minutes is None else max(share, self.minutes() / minutes)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """A block within which nothing is fit to be kept; nor is it afterwards if it is cut."""
        self._whole = False
        yield
        self._whole = True

    def count_step(self, images: int) -> None:
        """A step with finite losses was taken; enough of them prove the last checkpoint good."""
        self.images_seen += images
        self._proof += 1
        if self._proof == PROOF_STEPS:
            self._forget()

    def write_if_due(self, now: float) -> None:
        """Write a checkpoint if the last one is old enough."""
        if now - self._last > 60 * self.recipe.checkpoint_minutes:
            self.write(now)
            self._last = now

    def write(self, now: float) -> None:
        """Write a checkpoint; the one before is put aside if it has proved good.

        Raises
        ------
        InputError
            If a number is NaN or infinite, or the folder cannot be written.
        """
        with self.changing():  # in vain once is enough
            if self.parallel.is_main:
                stepper = self.stepper
                account = {} if stepper.private is None else {"privacy": stepper.private.state()}
                save_checkpoint(
                    self.folder,
                    networks=stepper.networks,
                    averages=self._averages(),
                    optimizers=stepper.optimizers,
                    state={
                        "images_seen": self.images_seen,
                        "minutes": self.minutes(now),
                        "recipe": self.recipe.model_dump(mode="json"),
                        **account,
                    },
                    keep=self._proof >= PROOF_STEPS,
                )
        self._proof = 0

    def leave(self) -> None:
        """Write nothing more: all is written, or there is nothing yet."""
        self._whole = False

    def close(self) -> None:
        """At the end, whatever it was: keep the last whole step, if it was not cut short."""
        if self._whole:
            self.write(time.monotonic())
        self._forget()

    def diverged(self, what: str) -> InputError:
        """Go back to the last good checkpoint; the error that says so, to be raised."""
        if self.parallel.is_main:
            restore_previous(self.folder)  # else none was put aside: this one is good
        self.parallel.wait()
        kept = mark_diverged(self.folder) if self.parallel.is_main else None
        there = "there is no checkpoint yet; start again with"
        if kept is not None:
            there = (
                f"the last good checkpoint, of {kept} images seen, is kept in {self.folder}; go on "
                "from it with --resume and"
            )
        return InputError(
            f"{what}; {there} a learning rate lower than {self.recipe.learning_rate:g}."
        )

    def _averages(self) -> dict[str, Average]:
        """All of them, by the names that their tensors have in a checkpoint."""
        further = self.stepper.averages.items()
        return {"average": self.stepper.average} | {f"average-{w:g}": one for w, one in further}

    def _forget(self) -> None:
        if self.parallel.is_main:
            forget_previous(self.folder)
