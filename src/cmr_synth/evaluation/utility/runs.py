"""One training and its test: the network, how it came on, and its scores, kept on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.evaluation.adherence.patients import PatientScore, patient_scores
from cmr_synth.evaluation.sample import Sample
from cmr_synth.evaluation.utility.arms import Arm
from cmr_synth.files import write_file

if TYPE_CHECKING:
    from cmr_synth.training.recipe import Recipe
    from cmr_synth.training.task import Task

SCORES = "scores.json"
CURVE = "validation.json"
CHECKS = 12
"""Looks at the validation patients during a training; the last is at its end."""
ENOUGH = 0.75
"""Share of a training after which nothing more is to be gained."""
GAIN = 0.005
"""Mean Dice of the validation patients that counts as nothing."""


@dataclass(frozen=True)
class Run:
    """One training of one arm.

    Parameters
    ----------
    arm : str
    seed : int
    images : int
        Seen in all.
    real : int
        Of them, real slices of the cohorts trained on.
    curve : tuple of (int, float)
        Images seen, and mean Dice of the validation patients then.
    scores : list of PatientScore
        Of the test patients, at the end.
    """

    arm: str
    seed: int
    images: int
    real: int
    curve: tuple[tuple[int, float], ...]
    scores: list[PatientScore]

    def at(self, share: float) -> float:
        """Validation Dice at the last look before a share of the training was done, or NaN."""
        before = [dice for seen, dice in self.curve if seen <= share * self.images + 1e-9]
        return before[-1] if before else float("nan")

    @property
    def late_gain(self) -> float:
        """What validation Dice gained after `ENOUGH` of the training."""
        return self.at(1) - self.at(ENOUGH)

    def write(self, path: Path) -> None:
        """As JSON; NaN as null."""
        facts = asdict(self) | {"scores": [_changed(asdict(one), None) for one in self.scores]}
        with write_file(path) as temporary:
            temporary.write_text(json.dumps(facts, allow_nan=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Run:
        """What `write` wrote."""
        facts = json.loads(path.read_text(encoding="utf-8"))
        curve = tuple((int(seen), float(dice)) for seen, dice in facts.pop("curve"))
        scores = [PatientScore(**_changed(one, float("nan"))) for one in facts.pop("scores")]
        return cls(**facts, curve=curve, scores=scores)

    @classmethod
    def kept(cls, folder: Path) -> Run | None:
        """The one that was made into a folder before, if any."""
        path = folder / SCORES
        return cls.read(path) if path.is_file() else None


@dataclass(frozen=True, eq=False)
class Job:
    """A training that is to be made.

    Parameters
    ----------
    out : Path
        Its folder.
    arm : Arm
    recipe : Recipe
        Of so many images and so large batches as the arm needs.
    training : SliceSet
    streams : list of int arrays
        Kinds of slices in it that take turns.
    validation : Sample or None
        Looked at while it trains, if there are validation patients.
    test : Sample
    """

    out: Path
    arm: Arm
    recipe: Recipe
    training: SliceSet
    streams: list[Any]
    validation: Sample | None
    test: Sample

    def make(self) -> Iterator[float | Run]:
        """Train to the end and test; yields shares that are done, then the run.

        Nothing is chosen: what is tested are the averaged weights at the end of a length that was
        set before. The looks at validation patients say whether that was long enough.
        """
        from cmr_synth.evaluation.utility.styles import Styles
        from cmr_synth.judges.segmenter import Segmenter
        from cmr_synth.training.batches import Batches
        from cmr_synth.training.families.segmenter import SegmenterTask
        from cmr_synth.training.loop import train

        recipe, out = self.recipe, self.out
        batches = Batches(
            self.training,
            augmentation=recipe.augmentation,
            seed=recipe.seed,
            streams=self.streams,
            style=Styles(self.training.images) if self.arm.styled else None,
        )
        started = (out / "checkpoint").is_dir()
        task = SegmenterTask(recipe)
        curve = _read_curve(out / CURVE) if started else {}
        ahead = sorted({max(1, recipe.images * k // CHECKS) for k in range(1, CHECKS + 1)})
        images = recipe.images
        for step in train(task, recipe, batches, out, resume=started):
            images = step.images_seen
            due = [seen for seen in ahead if seen <= step.images_seen]
            if due:
                ahead = ahead[len(due) :]
                # after a checkpoint was taken up again, earlier looks are on disk
                late = step.images_seen - due[-1] >= recipe.batch_size
                if self.validation is not None and not late:
                    with step.averaged():
                        curve[step.images_seen] = _dice(task, self.validation)
                    _write_curve(out / CURVE, curve)
            yield step.share
        found = Segmenter.load(out).segment(self.test.pixels)
        run = Run(
            arm=self.arm.name,
            seed=recipe.seed,
            images=images,
            real=images // len(self.streams) if self.arm.real else 0,
            curve=tuple(sorted(curve.items())),
            scores=patient_scores(found, self.test),
        )
        run.write(out / SCORES)
        for spent in ("checkpoint", "log"):
            shutil.rmtree(out / spent, ignore_errors=True)
        yield run


def _dice(task: Task, sample: Sample) -> float:
    """Mean over patients, each over its structures, of the network as it is."""
    import torch

    (network,) = task.networks.values()
    found = []
    with torch.no_grad():
        for start in range(0, len(sample), 16):
            pixels = torch.from_numpy(sample.pixels[start : start + 16])[:, None]
            device = next(network.parameters()).device
            found.append(network(pixels.to(device)).argmax(dim=1).to(torch.uint8).cpu().numpy())
    values: dict[str, list[float]] = {}
    for one in patient_scores(np.concatenate(found), sample, distances=False):
        if one.level == "all":
            values.setdefault(one.patient, []).append(one.dice)
    return float(np.mean([np.mean(own) for own in values.values()]))


def _read_curve(path: Path) -> dict[int, float]:
    if not path.is_file():
        return {}
    return {int(seen): dice for seen, dice in json.loads(path.read_text("utf-8")).items()}


def _write_curve(path: Path, curve: Mapping[int, float]) -> None:
    with write_file(path) as temporary:
        temporary.write_text(json.dumps(curve) + "\n", encoding="utf-8")


def _changed(facts: dict[str, Any], missing: float | None) -> dict[str, Any]:
    """Distances that are not there, as JSON has them or as numbers."""
    unknown = {k for k, v in facts.items() if v is None or (isinstance(v, float) and np.isnan(v))}
    return facts | dict.fromkeys(unknown, missing)
