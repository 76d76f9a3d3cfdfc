"""Distilling the flow: one or two evaluations that show what the teacher shows after several.

The student is a low-rank change of the teacher's weights (`generators.flow.adapter`). It learns at
the times of its own sampler only, from two judges: the picture that the teacher makes of the same
noise, mask and conditions (Luhman and Luhman 2021, arXiv:2101.02388; a few steps of a flow are
nearly straight), and a patch discriminator that has seen real pictures, because the squared error
alone blurs what one evaluation cannot know (adversarial diffusion distillation, Sauer et al. 2023,
arXiv:2311.17042).

A teacher's picture costs several evaluations. With `pairs`, each slice has that many noises for
good, made from a hash of the slice, and their pictures are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.files import sha256, write_file
from cmr_synth.generators import zoo
from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.flow.adapter import AdaptedFlow, load_flow
from cmr_synth.generators.flow.generator import FAMILY
from cmr_synth.generators.flow.network import AdapterOf, start_of
from cmr_synth.generators.flow.sampler import euler, time_grid
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.few_steps import (
    balanced,
    discriminator_of_times,
    judged,
    put_own_states,
)
from cmr_synth.training.families.sheet import given, shown, tiled
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.weighting import near_heart


class StudentModel(BaseModel):
    """Whose student, and how large a change."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    teacher: str = Field(zoo.DEFAULT, description="name in the zoo, or model folder, of a flow")
    teacher_steps: int | None = Field(None, gt=0, description="None: those of its card")
    steps: int = Field(1, gt=0, description="evaluations that the student takes")
    rank: int = Field(20, gt=0, description="of the change of a matrix or convolution")


class StudentLoss(Dropping):
    """Settings of the losses."""

    taught: float = Field(
        1.0, ge=0, le=1, description="share of images compared with the teacher's; all are judged"
    )
    pairs: int = Field(
        0, ge=0, description="noises a slice whose teacher's pictures are kept; 0: always new ones"
    )
    pairs_folder: str | None = Field(
        None, description="where they are kept for the next training too; None: in memory"
    )
    heart_weight: float = Field(1.0, ge=0, description="added to the weight 1 near the heart")
    adversarial: float = Field(
        1.0,
        ge=0,
        description="force on the picture, relative to that of the difference from the teacher, "
        "of a discriminator that is always right",
    )
    channels: int = Field(32, gt=0, description="of the discriminator's first layer")
    layers: int = Field(3, gt=0, description="strided layers of the discriminator")
    rate: float = Field(1.0, gt=0, description="discriminator's learning rate, times the recipe's")


class FlowStudentTask(FamilyTask):
    """The student as the training loop sees it."""

    family = FAMILY

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.model = self.model_settings(StudentModel)
        self.loss = self.loss_settings(StudentLoss)
        if self.loss.pairs and (recipe.augmentation.share or recipe.augmentation.shift):
            raise self.wrong(
                "loss.pairs",
                "kept pictures are of slices as they are; set augmentation.share and "
                "augmentation.shift to 0, or pairs to 0.",
            )
        entry = zoo.find(self.model.teacher)
        card = zoo.verify(entry)
        if card.family != "flow":
            raise self.wrong(
                "model.teacher",
                f"{card.name!r} is of family {card.family!r}; name a model of family 'flow'.",
            )
        teacher = load_flow(entry.folder)
        if teacher.config.adapter is not None:
            raise self.wrong(
                "model.teacher",
                f"{card.name!r} is an adapter itself; name its base "
                f"{teacher.config.adapter.base!r}.",
            )
        self.teacher_steps = self.model.teacher_steps or card.default_steps or 4
        adapter = AdapterOf(
            base=card.name,
            sha256=sha256(entry.folder / zoo.WEIGHTS),
            rank=self.model.rank,
            steps=self.model.steps,
        )
        self.student = self.build(lambda: AdaptedFlow(teacher, adapter))
        self.networks = {
            "student": self.student,
            "discriminator": discriminator_of_times(
                channels=self.loss.channels, layers=self.loss.layers
            ),
        }
        self.rates = {"student": 1.0, "discriminator": self.loss.rate}
        self.words = teacher.conditions.words
        self.phenotypes = tuple(one.name for one in teacher.config.phenotypes)
        folder = self.loss.pairs_folder
        self.kept = _Kept(None if folder is None else Path(folder))

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Student first, then the discriminator on the same pictures."""
        pictures = 2 * batch.images - 1
        batch, names, taught = self._paired(batch)
        labels, conditions = dropped(batch, self.loss)
        mask = one_hot_mask(labels)
        noise = batch.normal(*pictures.shape[1:])
        start = start_of(self.student.config, noise, mask)
        student, discriminator = self.networks["student"], self.networks["discriminator"]
        time, state = self._states(batch, start, mask, conditions)
        estimate = student(state, time, mask, conditions)
        goal = self._goals(names, taught, start, mask, conditions)
        # a teacher's picture is right everywhere, also where the scan showed nothing
        weight = 1 + self.loss.heart_weight * near_heart(batch.labels)
        error = ((estimate - goal) ** 2 * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))
        push, hinge = judged(
            discriminator,
            estimate,
            pictures,
            mask,
            time,
            batch.covered,
            weight=self.loss.adversarial,
        )
        yield "student", balanced(error.where(taught, 0.0), estimate, taught, [push])
        yield "discriminator", hinge

    def _paired(self, batch: Batch) -> tuple[Batch, list[str], Tensor]:
        """The batch with the draws of kept pairs, the pairs' names, and which are taught."""
        draws, names, taught = [], [], []
        for i, own in enumerate(batch.draws):
            chance, name = own.random(), ""
            if self.loss.pairs:
                variant = int(own.random() * self.loss.pairs)
                name = self._name(batch.labels[i], batch.conditions[i], variant)
                fixed = np.random.default_rng(int(name[:16], 16))
                chance = fixed.random()
            taught.append(chance < self.loss.taught)
            draws.append(fixed if self.loss.pairs and taught[-1] else own)
            names.append(name)
        asked = torch.tensor(taught, device=batch.images.device)
        return replace(batch, draws=tuple(draws)), names, asked

    def _name(self, labels: Tensor, conditions: dict[str, Any], variant: int) -> str:
        """A hash of all that the teacher's picture depends on, but for what is drawn from it."""
        adapter = self.student.config.adapter
        assert adapter is not None
        shares = {name: getattr(self.loss, name) for name in Dropping.model_fields}
        facts = [adapter.sha256, self.teacher_steps, conditions, variant, shares, self.recipe.seed]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        digest.update(labels.to(torch.uint8).cpu().numpy().tobytes())
        return digest.hexdigest()

    def _states(
        self, batch: Batch, start: Tensor, mask: Tensor, conditions: list[dict[str, Any]]
    ) -> tuple[Tensor, Tensor]:
        """A time of the student's sampler for each image, and its own state there."""
        steps = self.model.steps
        step = torch.tensor((batch.uniform() * steps).astype(np.int64), device=start.device)
        times = torch.tensor(time_grid(steps), dtype=torch.float32, device=start.device)
        state, student = start.clone(), self.networks["student"]
        put_own_states(
            state, student, start, mask, conditions, step=step, where=step > 0, steps=steps
        )
        return times[step], state

    def _goals(
        self,
        names: list[str],
        taught: Tensor,
        start: Tensor,
        mask: Tensor,
        conditions: list[dict[str, Any]],
    ) -> Tensor:
        """The teacher's pictures, (n, 1, y, x); zero where an image is not taught."""
        goals = torch.zeros_like(start)
        asked = torch.nonzero(taught).flatten().tolist()
        pictures = {i: self.kept.get(names[i]) for i in asked}
        missing = [i for i in asked if pictures[i] is None]
        # on a processor one by one, so that a picture is the same whatever else is in the batch
        together = [missing] if start.is_cuda and missing else [[i] for i in missing]
        for rows in together:
            made = self._taught(start[rows], mask[rows], [conditions[i] for i in rows])
            for i, picture in zip(rows, made, strict=True):
                self.kept.put(names[i], picture)
                pictures[i] = picture
        for i, kept in pictures.items():
            assert kept is not None
            goals[i] = kept.to(goals)
        return goals

    def _taught(self, start: Tensor, mask: Tensor, conditions: list[dict[str, Any]]) -> Tensor:
        base = self.student.base
        crowding = base.config.crowding  # as the teacher samples
        *_, last = euler(base, start, mask, conditions, steps=self.teacher_steps, crowding=crowding)
        return last.half()

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, their masks, what the teacher makes of them, and the student."""
        mask = one_hot_mask(batch.labels)
        start = start_of(self.student.config, batch.normal(*batch.images.shape[1:]), mask)
        asked = list(batch.conditions)
        rows = given(batch)
        for network, steps in (
            (self.student.base, self.teacher_steps),
            (self.student, self.model.steps),
        ):
            crowding = network.config.crowding
            *_, last = euler(network, start, mask, asked, steps=steps, crowding=crowding)
            rows.append(shown(last))
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The change of the teacher's weights."""
        return self.student.config, state_of(self.student)


class _Kept:
    """Teacher's pictures by name, in half precision, in memory or in a folder."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.pictures: dict[str, Tensor] = {}

    def get(self, name: str) -> Tensor | None:
        if not name:
            return None
        if self.folder is None or name in self.pictures:
            return self.pictures.get(name)
        path = self.folder / f"{name}.npy"
        try:
            return torch.from_numpy(np.load(path, allow_pickle=False))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError) as error:
            raise InputError(
                f"{path}: not a readable picture of the teacher ({error}); delete it."
            ) from error

    def put(self, name: str, picture: Tensor) -> None:
        if not name:
            return
        if self.folder is None:
            self.pictures[name] = picture.cpu()
            return
        with write_file(self.folder / f"{name}.npy") as path:
            np.save(path, picture.cpu().numpy())
