"""The whole experiment, run by run, each kept on disk so that it can go on where it ended."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.adherence.patients import PatientScore, patient_scores
from cmr_synth.evaluation.events import Event
from cmr_synth.evaluation.sample import real_sample, require_disjoint
from cmr_synth.evaluation.utility.arms import Arm, synthetic_copy, training_set
from cmr_synth.files import write_file

if TYPE_CHECKING:
    from cmr_synth.generators.zoo import Model
    from cmr_synth.training.recipe import Recipe

SCORES = "scores.json"
REAL = Arm(real=True, copies=0)


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
    images : int
        Seen by every training.
    seed : int
        Of the synthetic slices.
    """

    trained_on: tuple[str, ...] = ("acdc",)
    split: str = "test"
    seeds: int = 2
    ratios: tuple[int, ...] = (1, 2)
    images: int = 9600
    seed: int = 2026

    def arms(self) -> list[Arm]:
        """The reference, synthetic alone, and the mixtures."""
        mixed = [Arm(real=True, copies=k) for k in sorted(set(self.ratios))]
        return [REAL, Arm(real=False, copies=1), *mixed]


Scores = dict[str, list[list[PatientScore]]]
"""Arm to the scores of each seed."""


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
        require_disjoint(training, self.test)
        self.patients = len(np.unique(training.patients))
        if self.patients < 2:
            raise InputError(
                f"{', '.join(self.protocol.trained_on)}: has one training patient; a segmenter "
                "needs at least two, and a fair one dozens."
            )

    def scores(self, name: str, model: Model) -> Iterator[Event | Scores]:
        """Every arm with one model: progress, then the scores."""
        arms = self.protocol.arms()
        numbers = sorted({number for arm in arms for number in arm.chosen})
        # a training is worth about three copies on the machines this was written on
        jobs = len(numbers) + 3 * len(arms) * self.protocol.seeds
        done = 0
        copies: list[NDArray[np.uint8]] = []
        for number in range(max(numbers, default=-1) + 1):
            for event in self._copy(name, model, number):
                if isinstance(event, np.ndarray):
                    copies.append(event)
                else:
                    words = f"{name}: synthetic slices, copy {number}"
                    yield Event("utility", (done + event) / jobs, words)
            done += 1
        result: Scores = {}
        for arm in arms:
            # what is trained on real slices alone serves every model
            owner = self.folder if arm == REAL else self.folder / name
            runs = []
            for seed in range(self.protocol.seeds):
                key = "" if arm == REAL else _identity_of(model)
                for share in self._run(arm, copies, owner, seed, key):
                    if isinstance(share, list):
                        runs.append(share)
                    else:
                        words = f"{name}: {arm.name}, seed {seed}"
                        yield Event("utility", (done + 3 * share) / jobs, words)
                done += 3
            result[arm.name] = runs
        yield result

    def _copy(self, name: str, model: Model, number: int) -> Iterator[float | NDArray[np.uint8]]:
        path = self.folder / name / f"copy-{number}-{self._key(_identity_of(model))}.npy"
        if path.is_file():
            kept = np.load(path, allow_pickle=False)
            if kept.dtype == np.uint8 and kept.shape[:1] == self.index.shape:
                yield kept
                return
        for event in synthetic_copy(
            model.generator,
            self.slices,
            self.index,
            copy=number,
            vendors=model.card.conditions.vendors,
            seed=self.protocol.seed,
            steps=model.card.default_steps,
        ):
            if isinstance(event, np.ndarray):
                path.parent.mkdir(parents=True, exist_ok=True)
                with write_file(path) as temporary:
                    np.save(temporary, event, allow_pickle=False)
                yield event
            else:
                yield event.step / event.steps

    def _run(
        self, arm: Arm, copies: Sequence[NDArray[np.uint8]], owner: Path, seed: int, key: str
    ) -> Iterator[float | list[PatientScore]]:
        """Train one network and test it, unless that was done before."""
        from cmr_synth.judges.segmenter import Segmenter
        from cmr_synth.training.families.segmenter import SegmenterTask
        from cmr_synth.training.loop import train

        out = owner / f"{arm.name.replace(' ', '')}-{seed}-{self._key(key)}"
        if (out / SCORES).is_file():
            facts = json.loads((out / SCORES).read_text(encoding="utf-8"))
            yield [PatientScore(**_numbers(one)) for one in facts["scores"]]
            return
        recipe = self._recipe(seed)
        training = training_set(arm, self.slices, self.index, copies)
        started = (out / "checkpoint").is_dir()
        for step in train(SegmenterTask(recipe), recipe, training, out, resume=started):
            yield step.share
        found = Segmenter.load(out).segment(self.test.pixels)
        scores = patient_scores(found, self.test)
        facts = {"arm": arm.name, "seed": seed, "scores": [_nulls(asdict(one)) for one in scores]}
        with write_file(out / SCORES) as path:
            path.write_text(json.dumps(facts) + "\n", encoding="utf-8")
        for spent in ("checkpoint", "log"):
            shutil.rmtree(out / spent, ignore_errors=True)
        yield scores

    def _recipe(self, seed: int) -> Recipe:
        from cmr_synth.training.recipe import load_recipe

        recipe = load_recipe("utility")
        images = self.protocol.images
        warmup = min(recipe.warmup_images, images // 4)
        changes = {"seed": seed, "images": images, "warmup_images": warmup, "cohorts": None}
        return recipe.model_copy(update=changes)

    def _key(self, model: str) -> str:
        """What a kept file depends on: data, model and protocol, in twelve letters."""
        rows = [f"{r.cohort} {r.patient} {r.phase} {r.slice} {r.split}" for r in self.slices.rows]
        about = {
            "rows": rows,
            "model": model,
            "protocol": [self.protocol.trained_on, self.protocol.split, self.protocol.seed],
            "images": self.protocol.images,
        }
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]


def _nulls(facts: dict[str, Any]) -> dict[str, Any]:
    return facts | {"hd95": None if np.isnan(facts["hd95"]) else facts["hd95"]}


def _numbers(facts: dict[str, Any]) -> dict[str, Any]:
    return facts | {"hd95": float("nan") if facts["hd95"] is None else facts["hd95"]}


def _identity_of(model: Model) -> str:
    """What its slices depend on: weights, configuration and steps."""
    return f"{model.card.sha256} {model.generator.config} {model.card.default_steps}"
