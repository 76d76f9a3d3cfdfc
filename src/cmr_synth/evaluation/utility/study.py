"""The whole experiment, run by run, each kept on disk so that it can go on where it ended.

Every arm is trained for the same length, set before and counted in real slices seen; what it is
tested with are the averaged weights at the end, so that no test patient and no look at validation
patients chooses anything. The looks say whether the length was enough: the gain after three
quarters of it is reported for every arm. Runs go seed by seed, so that what was cut short has whole
seeds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.events import Event, Remark
from cmr_synth.evaluation.sample import real_sample, require_disjoint
from cmr_synth.evaluation.utility.arms import Arm
from cmr_synth.evaluation.utility.hearts import NewSlices
from cmr_synth.evaluation.utility.pictures import Pictures, identity_of
from cmr_synth.evaluation.utility.results import Runs
from cmr_synth.evaluation.utility.runs import Job, Run
from cmr_synth.evaluation.utility.sets import TrainingSet, training_set

if TYPE_CHECKING:
    from cmr_synth.generators.zoo import Model
    from cmr_synth.training.recipe import Recipe


@dataclass(frozen=True)
class Protocol:
    """What is the same for all arms and models.

    Parameters
    ----------
    trained_on : tuple of str
        Cohorts whose training patients give real slices and masks.
    split : str
        Whose patients are tested on, of every cohort of the slice set.
    seeds : int
        Trainings of each arm, seeds 0, 1, ...
    ratios : tuple of int
        The k of real + k x synthetic.
    rivals : bool
        Whether real slices in other styles and those of the other cohorts are trained on too.
    new_hearts : bool
        Whether synthetic slices of new hearts are trained on too, alone and beside real ones.
    images : int
        Real slices seen by every training that has some; synthetic ones by those without.
    seed : int
        Of the synthetic slices.
    """

    trained_on: tuple[str, ...] = ("acdc",)
    split: str = "test"
    seeds: int = 5
    ratios: tuple[int, ...] = (1,)
    rivals: bool = True
    new_hearts: bool = False
    images: int = 9600
    seed: int = 2026

    def arms(self, *, others: bool) -> list[Arm]:
        """The reference, its rivals, synthetic alone, and the mixtures.

        Parameters
        ----------
        others : bool
            Whether there are slices of cohorts that are not trained on.
        """
        arms = [Arm(real=True)]
        if self.rivals:
            arms += [Arm(real=True, styled=True)]
            arms += [Arm(real=True, others=True)] * others
        arms += [Arm(copies=1)]
        ratios = sorted(set(self.ratios))
        arms += [Arm(real=True, copies=k) for k in ratios]
        if self.rivals and ratios:
            arms += [Arm(real=True, copies=ratios[0], styled=True)]
        if self.new_hearts:
            arms += [Arm(hearts=True)]
            arms += [Arm(real=True, hearts=True)] * bool(ratios)
        return arms

    def recipe(self, arm: Arm, seed: int) -> Recipe:
        """As many steps for every arm; a batch grows by what comes on top of the real slices."""
        from cmr_synth.training.recipe import load_recipe

        recipe = load_recipe("utility")
        images = self.images
        changes = {
            "seed": seed,
            "images": images * arm.streams,
            "batch_size": recipe.batch_size * arm.streams,
            "warmup_images": min(recipe.warmup_images, images // 4) * arm.streams,
            "cohorts": None,
        }
        return recipe.model_copy(update=changes)


class Study:
    """The experiment on one slice set.

    Parameters
    ----------
    slices : SliceSet
        Prepared without completing labels: a segmenter's guess is no truth to test on.
    folder : Path
        Keeps pictures, networks and scores.

    Raises
    ------
    InputError
        If test labels were completed, a split is empty, or patients stand on both sides.
    """

    def __init__(self, slices: SliceSet, folder: Path, protocol: Protocol | None = None):
        self.slices, self.folder = slices, Path(folder)
        self.protocol = protocol or Protocol()
        self.test = real_sample(slices, self.protocol.split)
        completed = [row for row in self.test.rows if row.completed]
        if completed:
            names = sorted({row.cohort for row in completed})
            raise InputError(
                f"the slice set holds labels that a segmenter completed ({', '.join(names)}), "
                "which are no truth to test on; prepare it with `cmr-synth cohort prepare "
                "--no-complete`."
            )
        self.index = slices.where(split="train", cohorts=self.protocol.trained_on)
        training = real_sample(slices, "train", self.protocol.trained_on)
        self.validation = None
        if len(slices.where(split="validation", cohorts=self.protocol.trained_on)):
            self.validation = real_sample(slices, "validation", self.protocol.trained_on)
        require_disjoint(training, self.test)
        self.patients = len(np.unique(training.patients))
        if self.patients < 2:
            raise InputError(
                f"{', '.join(self.protocol.trained_on)}: has one training patient; a segmenter "
                "needs at least two, and a fair one dozens."
            )
        known = {row.cohort for row in slices.rows} - set(self.protocol.trained_on)
        self.others = slices.where(split="train", cohorts=sorted(known))
        self.arms = self.protocol.arms(others=bool(len(self.others)))

    def runs(self, name: str, model: Model, *, jobs: int = 1) -> Iterator[Event | Remark | Runs]:
        """Every arm with one model: progress, then the runs of each arm by seed.

        Parameters
        ----------
        name : str
            Of the folder in which the model's runs are kept.
        model : Model
        jobs : int
            Trainings that go on at once, each in a process of its own.
        """
        known = {one.name for one in model.card.training.cohorts}
        unseen = {self.slices.rows[i].cohort for i in self.others} - known
        if self.protocol.rivals and unseen:
            yield Remark(
                f"{name} has not learned from {', '.join(sorted(unseen))}: what it is worth beside "
                "the other vendors' real slices says nothing of a generator that has."
            )
        wanted = [(arm, seed) for seed in range(self.protocol.seeds) for arm in self.arms]
        folders = {one: self._folder(*one, name, model) for one in wanted}
        kept = {one: Run.kept(folder) for one, folder in folders.items()}
        found = {(arm.name, seed): run for (arm, seed), run in kept.items() if run is not None}
        missing = [one for one, run in kept.items() if run is None]
        sets: dict[Arm, TrainingSet] = {}
        for event in self._sets({arm for arm, _ in missing}, name, model):
            if isinstance(event, dict):
                sets = event
            else:
                yield event
        todo = [
            Job(
                folders[arm, seed],
                arm,
                self.protocol.recipe(arm, seed),
                *sets[arm],
                self.validation,
                self.test,
            )
            for arm, seed in missing
        ]
        for made in _made(todo, jobs):
            share, now = 0.0, ""
            if isinstance(made, Run):
                found[made.arm, made.seed] = made
            else:
                job, share = made
                now = f"; {job.arm.name}, seed {job.recipe.seed}"
            words = f"{len(found)} of {len(wanted)} trainings{now}"
            yield Event(f"{name}: segmenters", (len(found) + share) / len(wanted), words)
        yield {
            arm.name: [found[arm.name, seed] for seed in range(self.protocol.seeds)]
            for arm in self.arms
        }

    def kept(self, name: str, model: Model) -> Runs:
        """The arms of which every training was made before; nothing is trained.

        Parameters
        ----------
        name : str
            Of the folder in which the model's runs are kept.
        model : Model
        """
        found = {
            arm.name: [
                Run.kept(self._folder(arm, seed, name, model))
                for seed in range(self.protocol.seeds)
            ]
            for arm in self.arms
        }
        whole = {arm: [one for one in runs if one is not None] for arm, runs in found.items()}
        return {arm: runs for arm, runs in whole.items() if len(runs) == self.protocol.seeds}

    def _sets(
        self, arms: Set[Arm], name: str, model: Model
    ) -> Iterator[Event | dict[Arm, TrainingSet]]:
        """What those arms are trained on; pictures that none of them needs are not made."""
        pictures = Pictures(self.folder / name, model, self.slices, self.index, self.protocol.seed)
        copies: dict[int, NDArray[np.uint8]] = {}
        for number in sorted({number for arm in arms for number in arm.chosen}):
            for done in pictures.copy(number, self._key):
                if isinstance(done, np.ndarray):
                    copies[number] = done
                else:
                    yield Event(f"{name}: synthetic slices, copy {number}", done)
        hearts: dict[int, NewSlices] = {}
        for number in sorted({arm.styled_as for arm in arms if arm.hearts}):
            for drawn in pictures.hearts(number, self._key):
                if isinstance(drawn, NewSlices):
                    hearts[number] = drawn
                else:
                    yield Event(f"{name}: slices of new hearts, copy {number}", drawn)
        yield {
            arm: training_set(
                arm, self.slices, self.index, self.others, copies, hearts.get(arm.styled_as)
            )
            for arm in arms
        }

    def _folder(self, arm: Arm, seed: int, name: str, model: Model) -> Path:
        """In which a training is kept, named after all that it depends on."""
        recipe = self.protocol.recipe(arm, seed)
        # what no model has a part in serves all
        owner = self.folder if arm.serves_all else self.folder / name
        model_words = "" if arm.serves_all else identity_of(model)
        # what a later version adds, and leaves as it was, makes no other recipe
        key = self._key(model_words, recipe.model_dump(mode="json", exclude_defaults=True))
        slug = arm.name.replace(",", "").replace(" ", "-")
        return owner / f"{slug}-{seed}-{key}"

    def _key(self, *depends: object) -> str:
        """What a kept file depends on besides data and protocol, in twelve letters."""
        rows = [f"{r.cohort} {r.patient} {r.phase} {r.slice} {r.split}" for r in self.slices.rows]
        protocol = [self.protocol.trained_on, self.protocol.split, self.protocol.seed]
        about = json.dumps([rows, protocol, *depends])
        return hashlib.sha256(about.encode()).hexdigest()[:12]


def _made(todo: Iterable[Job], jobs: int) -> Iterator[tuple[Job, float] | Run]:
    """Make runs in order, some at once: shares of one, where it is alone, and each that is done."""
    if jobs < 2:
        for job in todo:
            for event in job.make():
                yield event if isinstance(event, Run) else (job, event)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_with_threads, initargs=(jobs,)) as pool:
        waiting = [pool.submit(_whole, job) for job in todo]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _whole(job: Job) -> Run:
    *_, run = job.make()
    assert isinstance(run, Run)
    return run


def _with_threads(jobs: int) -> None:
    """The processor is shared by so many processes."""
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))
