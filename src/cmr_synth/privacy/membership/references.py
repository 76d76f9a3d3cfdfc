"""Two small models, each trained on one half of all persons: how difficult a slice is to anybody.

Some slices are harder than others for every model, whether or not it was trained on them. The
error of a model that has not seen a person says how hard that person's slices are (Carlini et al.
2022, arXiv:2112.03570, the offline attack; Zarifzadeh et al. 2024, arXiv:2312.03262). Both sides of
an audit, members and others, are dealt to the two halves alike, so that everybody has a reference
of the same kind that was trained without them.

References are kept in a folder under what they depend on, and serve every model that is audited
with the same slices. Like any model, they may remember whom they were trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceSet, persons_of
from cmr_synth.errors import InputError
from cmr_synth.evaluation.sample import Sample
from cmr_synth.files import write_file
from cmr_synth.generators import zoo
from cmr_synth.generators.card import draft_card, write_card
from cmr_synth.generators.interface import Generator, Progress
from cmr_synth.privacy.membership.measure import Errors, measured
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, Recipe
from cmr_synth.training.registry import make_task

IMAGES = 10_000
"""Of each reference's training: eight to ten minutes of one core."""
HALVES = 2
VERSION = 1
"""Raised when references of another version of the program would no longer be the same."""


@dataclass(frozen=True, eq=False)
class Difficulty:
    """Errors of the references on slices.

    Parameters
    ----------
    unseen, seen : Errors
        Of the reference that was trained without a slice's person, and of the other.
    half : (n,) int array
        Which of them was trained on the person.
    """

    unseen: Errors
    seen: Errors
    half: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class References:
    """A trained pair.

    Parameters
    ----------
    folder : Path
        Of the two models, and of their errors on samples asked about before.
    models : two Generators
    hashes : two str
        Of their weights.
    half : mapping of person to int
        Which of them was trained on a person.
    """

    folder: Path
    models: tuple[Generator, ...]
    hashes: tuple[str, ...]
    half: Mapping[str, int]

    def difficulty(
        self, sample: Sample, *, draws: int = 1, seed: int, batch: int = 8
    ) -> Iterator[Progress | Difficulty]:
        """Yield progress, then how difficult slices are.

        Raises
        ------
        InputError
            If somebody is in neither half.
        """
        unknown = sorted(set(sample.persons) - set(self.half))
        if unknown:
            raise InputError(
                f"{self.folder}: {len(unknown)} persons in neither half, {unknown[0]} the first; "
                "train references on the slices that are attacked."
            )
        found: list[Errors] = []
        for number, model in enumerate(self.models):
            path = self.folder / f"errors-{self._key(number, sample, draws, seed)}.npz"
            if path.exists():
                with np.load(path, allow_pickle=False) as kept:
                    found.append(Errors({kind: kept[kind] for kind in kept.files}))
                continue
            for event in measured(model, sample, draws=draws, seed=seed, batch=batch):
                if isinstance(event, Errors):
                    found.append(event)
                    with write_file(path) as temporary:
                        np.savez(temporary, **event.by_kind)  # type: ignore[arg-type]
                else:
                    yield Progress(number * event.steps + event.step, HALVES * event.steps)
        half = np.array([self.half[person] for person in sample.persons])
        both = [_chosen(found, 1 - half), _chosen(found, half)]
        yield Difficulty(both[0], both[1], half)

    def _key(self, number: int, sample: Sample, draws: int, seed: int) -> str:
        digest = hashlib.sha256(f"{self.hashes[number]} {draws} {seed}".encode())
        digest.update(sample.pixels.tobytes() + sample.labels.tobytes())
        digest.update(repr(sample.rows).encode())
        return digest.hexdigest()[:12]


def halves(persons: NDArray[np.str_], groups: NDArray[np.str_], *, seed: int = 0) -> dict[str, int]:
    """Deal persons to two halves, each group evenly.

    Parameters
    ----------
    persons, groups : (n,) arrays
        Of slices; a person's group is that of the first.
    seed : int

    Returns
    -------
    dict of person to 0 or 1
    """
    names, first = np.unique(persons, return_index=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    ordered = sorted(shuffled, key=lambda i: groups[first[i]])
    return {str(names[i]): place % HALVES for place, i in enumerate(ordered)}


def train_references(
    slices: SliceSet,
    folder: Path,
    *,
    members: str = "train",
    others: Sequence[str],
    cohorts: Sequence[str] | None = None,
    images: int = IMAGES,
    seed: int = 0,
) -> Iterator[Progress | References]:
    """Train the two references, go on with them, or open them if they are there.

    Parameters
    ----------
    slices : SliceSet
        What the audited models were trained on, and other persons.
    folder : Path
        For references of any slices and settings.
    members : str
        Split of the persons that audited models were trained on.
    others : sequence of str
        Splits of other persons.
    cohorts : sequence of str, optional
        None: all.
    images : int
        Seen in the training of each reference.
    seed : int

    Yields
    ------
    Progress or References
        Progress in images seen, of both.
    """
    index = np.concatenate(
        [slices.where(split=name, cohorts=cohorts) for name in (members, *others)]
    )
    rows = [slices.rows[i] for i in index]
    persons = persons_of(rows)
    groups = np.array([f"{row.cohort} {row.split == members} {row.pathology}" for row in rows])
    half = halves(persons, groups, seed=seed)
    recipe = _recipe(slices, index, images, seed)
    own = Path(folder) / _key(slices, index, half, recipe)
    models: list[zoo.Model] = []
    for number in range(HALVES):
        place = own / f"half-{number}"
        if not (place / zoo.CARD).exists():
            training = {
                int(i) for i, person in zip(index, persons, strict=True) if half[person] == number
            }
            mine = _with_only(slices, training)
            steps = train(
                make_task(recipe),
                recipe,
                mine,
                place,
                resume=(place / "checkpoint").exists(),
            )
            for step in steps:
                yield Progress(number * images + min(step.images_seen, images), HALVES * images)
            write_card(draft_card(place, mine), place / zoo.CARD)
        models.append(zoo.load(place))
    yield References(
        own,
        tuple(model.generator for model in models),
        tuple(model.card.sha256 for model in models),
        half,
    )


def _recipe(slices: SliceSet, index: NDArray[np.int64], images: int, seed: int) -> Recipe:
    """The default generator's first stage, small: it need not draw well, but know what is hard."""
    rows = [slices.rows[i] for i in index]
    words = {
        name: tuple(sorted({value for row in rows if (value := getattr(row, field))}))
        for name, field in (("vendors", "vendor"), ("pathologies", "pathology"))
    }
    model: dict[str, Any] = {"channels": [32, 48, 64], "head_width": 16, "groups": 16}
    return Recipe(
        name="membership-reference",
        family="flow",
        images=images,
        batch_size=8,
        learning_rate=1e-3,
        warmup_images=min(1600, images // 4),
        ema=0.995,
        precision="fp32",  # the same on every processor
        sample_minutes=1e6,  # nobody looks at them
        seed=seed,
        augmentation=Augmentation(share=0.7),
        model=model | {name: list(found) for name, found in words.items() if found},
    )


def _key(
    slices: SliceSet, index: NDArray[np.int64], half: Mapping[str, int], recipe: Recipe
) -> str:
    digest = hashlib.sha256(f"{VERSION}".encode())
    for planes in (slices.images, slices.labels, slices.covered):
        digest.update(np.ascontiguousarray(planes[index]).tobytes())
    digest.update(repr([slices.rows[i] for i in index]).encode())
    digest.update(json.dumps(half, sort_keys=True).encode())
    # departures alone: a field that recipes gain, with a default, makes no other references
    digest.update(recipe.model_dump_json(exclude_defaults=True).encode())
    return digest.hexdigest()[:12]


def _with_only(slices: SliceSet, training: set[int]) -> SliceSet:
    """The same slices with some of them to train on, whatever their split was."""
    rows = tuple(
        replace(row, split="train" if i in training else "left out")
        for i, row in enumerate(slices.rows)
    )
    return replace(slices, rows=rows)


def _chosen(found: Sequence[Errors], number: NDArray[np.int64]) -> Errors:
    """Of each slice the errors of one of the models."""
    slices = np.arange(len(number))
    return Errors(
        {
            kind: np.stack([one.by_kind[kind] for one in found])[number, :, slices].T
            for kind in found[0].by_kind
        }
    )
