"""Several models on the same held-out masks, with the same seed: one row of figures each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.adherence.strata import StructureAdherence
from cmr_synth.evaluation.candidates import counterparts_by
from cmr_synth.evaluation.cost import Cost, cost
from cmr_synth.evaluation.events import Event, Told, outcome
from cmr_synth.evaluation.protocol import Protocol
from cmr_synth.evaluation.realism.estimate import Estimate
from cmr_synth.evaluation.realism.fidelity import LEAST_SLICES, Fidelity
from cmr_synth.evaluation.realism.halves import LEAST_PATIENTS
from cmr_synth.evaluation.realism.spaces import EncoderSpace, Space
from cmr_synth.evaluation.realism.variety import pairwise_ms_ssim, seed_similarity
from cmr_synth.evaluation.sample import Sample, real_sample
from cmr_synth.evaluation.setting import SEED, Setting
from cmr_synth.generators.interface import Generator
from cmr_synth.generators.zoo import load

if TYPE_CHECKING:
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.overfitting.measures import Estimate as Loss
    from cmr_synth.privacy.overfitting.measures import Vectors

SHOWN = 6  # masks on the sheet
LEFT_OUT = ("two_sample_auc",)  # a training for each model


@dataclass(frozen=True, eq=False)
class Row:
    """One model.

    Parameters
    ----------
    name, family, sha256 : str
    fidelity : Fidelity
        As `evaluate fidelity` has it, beside other real patients' figures.
    of_pictures : mapping of name of a metric to Estimate
        Those that need no feature space and no pairs: to be like the patient of a mask is no aim.
    adherence : StructureAdherence or None
        As `evaluate adherence` has it; None for a family that follows no mask.
    similarity : float or None
        Mean MS-SSIM of pictures of one mask with different seeds; None without masks.
    privacy_loss : privacy's Estimate or None
        How much closer its pictures lie to training than to held-out patients; None with too few.
    cost : Cost
    images_seen, minutes : training, from the card
    steps : int or None
    pictures : (SHOWN, y, x) array
        Counterparts of the basis' masks.
    """

    name: str
    family: str
    sha256: str
    fidelity: Fidelity
    of_pictures: Mapping[str, Estimate]
    adherence: StructureAdherence | None
    similarity: float | None
    privacy_loss: Loss | None
    cost: Cost
    images_seen: int
    minutes: float
    steps: int | None
    pictures: NDArray[np.float32]

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Every metric of the table that was measured."""
        return {**self.fidelity.estimates, **self.of_pictures}

    def as_dict(self) -> dict[str, Any]:
        """Everything but the pictures."""
        return {
            "name": self.name,
            "family": self.family,
            "sha256": self.sha256,
            "fidelity": self.fidelity.as_dict(),
            "metrics": {name: one.as_dict() for name, one in self.of_pictures.items()},
            "adherence": self.adherence and self.adherence.as_dict(),
            "similarity": self.similarity,
            "privacy_loss": self.privacy_loss and asdict(self.privacy_loss),
            "cost": asdict(self.cost),
            "images_seen": self.images_seen,
            "minutes": self.minutes,
            "steps": self.steps,
        }


@dataclass(frozen=True, eq=False)
class Basis:
    """What all models are measured on.

    Parameters
    ----------
    patients, slices : int
        Held-out.
    features : str
        Name of the feature space.
    encoder, segmenter : str
        SHA-256 of the networks that look at the pictures.
    similarity : float
        Mean MS-SSIM of different real patients at the same level.
    masks, pictures : (SHOWN, y, x) arrays
        Of different patients, with the real pictures.
    """

    split: str
    cohorts: tuple[str, ...]
    seed: int
    patients: int
    slices: int
    features: str
    encoder: str
    segmenter: str
    similarity: float
    masks: NDArray[np.uint8]
    pictures: NDArray[np.float32]

    def as_dict(self) -> dict[str, Any]:
        """Everything but masks and pictures."""
        return {k: v for k, v in asdict(self).items() if k not in ("masks", "pictures")}


class Comparison:
    """The protocol, prepared once for all models.

    Parameters
    ----------
    slices : SliceSet
    split : str
        Whose patients no model has been trained with.
    cohorts : sequence of str
        With all three structures drawn.
    seed : int
    space : Space, optional
        By default that of the bundled encoder.
    trained_on : SliceSet, optional
        Whose training patients the models have learned from, for what privacy they lose; by default
        those of `slices`. With fewer of them everything else is measured on as many as ever.

    Raises
    ------
    InputError
        If the split holds too few slices, or fewer are for training.
    """

    def __init__(
        self,
        slices: SliceSet,
        *,
        split: str = "test",
        cohorts: Sequence[str] = ("acdc",),
        seed: int = SEED,
        space: Space | None = None,
        trained_on: SliceSet | None = None,
    ):
        self.setting = Setting(slices=slices, split=split, cohorts=tuple(cohorts), seed=seed)
        self._require_enough()
        space = space or EncoderSpace()
        self.protocol = Protocol(setting=self.setting, spaces=[space], without=LEFT_OUT)
        self.training = real_sample(slices if trained_on is None else trained_on, "train")
        held_out = self.setting.held_out
        middle = one_a_patient(held_out)
        self.shown = middle[np.linspace(0, len(middle) - 1, SHOWN).astype(int)]
        self.basis = Basis(
            split=split,
            cohorts=tuple(cohorts),
            seed=seed,
            patients=len(middle),
            slices=len(held_out),
            features=space.name,
            encoder=space.hash,
            segmenter=self.protocol.segmenter.hash,
            similarity=float(pairwise_ms_ssim(held_out.pixels[middle]).mean()),
            masks=held_out.labels[self.shown],
            pictures=held_out.pixels[self.shown],
        )

    def rows(self, folder: Path, name: str) -> Iterator[Told | Row]:
        """Measure one model folder: events of the work, then its row."""
        model = load(folder)
        setting, protocol = self.setting, self.protocol
        one = yield from outcome(counterparts_by(name, model, folder, setting))
        alone = replace(one, paired=False)
        measured = yield from outcome(protocol.fidelity([alone]))
        followed = (yield from outcome(protocol.adherence([one]))) if one.masked else None
        yield Event(f"measure {name}", None, "variety and cost")
        yield Row(
            name=name,
            family=model.card.family,
            sha256=model.card.sha256,
            fidelity=measured.spaces[0],
            of_pictures=measured.pictures.estimates,
            adherence=None if followed is None else followed.adherence,
            similarity=self._similarity(model.generator, one.steps) if one.masked else None,
            privacy_loss=self._privacy_loss(one.sample),
            cost=cost(folder, steps=one.steps),
            images_seen=model.card.training.images_seen,
            minutes=model.card.training.minutes,
            steps=one.steps,
            pictures=one.sample.pixels[self.shown],
        )

    def _similarity(self, generator: Generator, steps: int | None) -> float:
        setting = self.setting
        few = self.shown[::2]
        return seed_similarity(generator, setting.held_out, few, seed=setting.seed, steps=steps)

    @cached_property
    def _described(self) -> tuple[CopyDetector, Vectors, Vectors]:
        """Training and held-out pictures as the copy detector sees them."""
        from cmr_synth.judges.copy_detector import CopyDetector

        detector = CopyDetector.load()
        sides = (self.training, self.setting.held_out)
        training, held_out = (detector.descriptors(side.pixels)[0] for side in sides)
        return detector, training, held_out

    def _privacy_loss(self, made: Sample) -> Loss | None:
        from cmr_synth.privacy.overfitting.measures import privacy_loss

        held_out = self.setting.held_out
        if min(len(np.unique(one.persons)) for one in (self.training, held_out)) < LEAST_PATIENTS:
            return None
        detector, training, others = self._described
        vectors = detector.descriptors(made.pixels)[0]
        persons = (made.persons, self.training.persons, held_out.persons)
        *_, loss = privacy_loss(vectors, training, others, *persons, seed=self.setting.seed)
        return loss

    def _require_enough(self) -> None:
        """Refuse sets that cannot be compared, before a recipe is trained on them."""
        slices, split = self.setting.slices, self.setting.split
        cohorts = ", ".join(self.setting.cohorts or ())
        held_out, training = (
            slices.where(split=name, cohorts=self.setting.cohorts) for name in (split, "train")
        )
        patients = {(slices.rows[i].cohort, slices.rows[i].patient) for i in held_out}
        if len(training) < len(held_out):
            raise InputError(
                f"the slice set has {len(training)} training slices of {cohorts} for "
                f"{len(held_out)} {split} slices; the distance between real pictures needs as "
                "many. Prepare it from more patients."
            )
        if len(patients) < LEAST_PATIENTS or len(held_out) < LEAST_SLICES:
            raise InputError(
                f"the slice set has {len(held_out)} {split} slices of {len(patients)} patients "
                f"of {cohorts}; a comparison needs {LEAST_SLICES} slices of "
                f"{LEAST_PATIENTS} patients. Prepare it from more patients, or name another split."
            )


def one_a_patient(sample: Sample) -> NDArray[np.int64]:
    """A slice near the middle of each patient's heart, patients in the order of the sample."""
    best: dict[str, tuple[float, int]] = {}
    for i, (patient, row) in enumerate(zip(sample.patients, sample.rows, strict=True)):
        best[patient] = min(best.get(patient, (np.inf, 0)), (abs(row.z - 0.5), i))
    return np.array([i for _, i in best.values()])
