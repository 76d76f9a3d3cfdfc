"""Training under differential privacy, with the patient as the unit.

DP-SGD (Abadi et al. 2016, arXiv:1607.00133) over patients instead of pictures (McMahan et al. 2018,
arXiv:1710.06963): in every step each patient takes part with the same small chance, by itself
(Poisson sampling); the gradient of a patient's pictures together is clipped; Gaussian noise is
added to the sum. Clipping, noise and account are those of opacus.

What the account covers is the weights, whichever step they are of. Two slice sets are neighbours
if one has a patient more. Who takes part and the noise are drawn from the machine's entropy and not
from the recipe's seed, which anybody may know, so that no two runs are the same. Noise comes as
float32 numbers: attacks on the last bits of those (Mironov 2012) are not covered.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_synth.cohorts.registry import same_person
from cmr_synth.errors import InputError
from cmr_synth.files import write_file
from cmr_synth.training.batches import Batch, Batches
from cmr_synth.training.recipe import Privacy, Recipe
from cmr_synth.training.task import Task

SAMPLING = "Poisson: each patient takes part in a step by itself, with the sample rate as chance"
NEIGHBOURS = "one patient added or removed"


class PrivateTraining:
    """Patients, noise and account of one training.

    Parameters
    ----------
    task : Task
    recipe : Recipe
        With `privacy`; `batch_size` is what is expected of a step, in pictures.
    batches : Batches
    entropy : int, optional
        For tests alone; by default the machine's.

    Raises
    ------
    InputError
        If the training cannot be accounted for, or opacus is not installed.
    """

    def __init__(self, task: Task, recipe: Recipe, batches: Batches, *, entropy: int | None = None):
        if recipe.privacy is None:
            raise ValueError(f"recipe {recipe.name!r} asks for no privacy")
        self.settings: Privacy = recipe.privacy
        self.batches = batches
        self.patients = _patients(batches)
        _require_accountable(task, recipe, batches, self.settings, len(self.patients))
        self.sample_rate = recipe.batch_size / self.settings.images / len(self.patients)
        self.planned_steps = -(-recipe.images // recipe.batch_size)
        self.noise_multiplier = _noise_multiplier(
            self.settings, recipe.name, self.sample_rate, self.planned_steps
        )
        self.accountant = _accountant(self.settings.accountant)
        self.drawn = 0  # pictures
        self.norm = 0.0  # largest gradient of a patient in the last step, before clipping
        entropy = secrets.randbits(256) if entropy is None else entropy
        draw, noise = np.random.SeedSequence(entropy).spawn(2)
        self._draw = np.random.default_rng(draw)
        # torch takes 64 bits of it only
        self._noise = torch.Generator().manual_seed(int(noise.generate_state(1, np.uint64)[0] >> 1))

    def wrap(self, optimizer: torch.optim.Optimizer) -> Any:
        """An optimizer that clips the patients' gradients and adds the noise."""
        from opacus.optimizers import DPOptimizer

        wrapped = DPOptimizer(
            optimizer,
            noise_multiplier=self.noise_multiplier,
            max_grad_norm=self.settings.max_grad_norm,
            # the number that takes part is itself private, so that the expected one divides
            expected_batch_size=round(self.sample_rate * len(self.patients)),
            generator=self._noise,
        )
        self._optimizer = wrapped
        return wrapped

    def losses(
        self, task: Task, device: torch.device | str = "cpu"
    ) -> Iterator[tuple[str, Tensor]]:
        """Draw the patients of a step, leave the gradient of each with its weights, count it.

        Yields
        ------
        (str, (pictures,) tensor)
            Once: the network, and the losses without a graph. The optimizer of `wrap` is to be
            stepped then, and never otherwise.
        """
        (name,) = task.networks
        weights = self._optimizer.params
        taking_part = np.flatnonzero(self._draw.random(len(self.patients)) < self.sample_rate)
        gradients: list[list[Tensor]] = [[] for _ in weights]
        losses = []
        self.norm = 0.0
        for patient in taking_part:
            batch = self._batch(self.patients[int(patient)])
            self._optimizer.zero_grad(set_to_none=True)
            ((_, per_image),) = task.losses(batch.to(device))
            per_image.mean().backward()
            squares = 0.0
            for weight, own in zip(weights, gradients, strict=True):
                gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad.detach()
                own.append(gradient)
                squares += float(gradient.double().square().sum())
            self.norm = max(self.norm, squares**0.5)
            losses.append(per_image.detach().cpu())
        self._optimizer.zero_grad(set_to_none=True)
        for weight, own in zip(weights, gradients, strict=True):
            # with nobody there is nothing but noise, which is a step all the same
            weight.grad_sample = torch.stack(own) if own else weight.new_zeros((0, *weight.shape))
        self.accountant.step(noise_multiplier=self.noise_multiplier, sample_rate=self.sample_rate)
        yield name, torch.cat(losses) if losses else torch.zeros(1)

    @property
    def steps(self) -> int:
        """Steps taken."""
        return sum(count for *_, count in self.accountant.history)

    def epsilon(self) -> float:
        """What has been spent, at the recipe's delta."""
        with warnings.catch_warnings():
            # orders beyond those tried would give a smaller epsilon: the bound holds without them
            warnings.filterwarnings("ignore", message="Optimal order is the")
            return float(self.accountant.get_epsilon(delta=self.settings.delta))

    def facts(self) -> dict[str, Any]:
        """What is said of it with the weights; holds nothing that is private itself.

        The number of patients is taken as known to anybody.
        """
        import opacus

        return {
            "epsilon": round(self.epsilon(), 4),
            "delta": self.settings.delta,
            "unit": self.settings.unit,
            "neighbours": NEIGHBOURS,
            "sampling": SAMPLING,
            "sample_rate": self.sample_rate,
            "patients": len(self.patients),
            "images_of_a_patient": self.settings.images,
            "max_grad_norm": self.settings.max_grad_norm,
            "noise_multiplier": self.noise_multiplier,
            "steps": self.steps,
            "accountant": f"{self.settings.accountant.upper()} of opacus {opacus.__version__}",
            "covers": "the weights; not the losses that were shown while they were trained",
        }

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "history": [list(entry) for entry in self.accountant.history],
            "drawn": self.drawn,
            "patients": self._fingerprint(),
        }

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        InputError
            If it was not private, or its patients or noise were others: no account adds those up.
        """
        if not isinstance(state, Mapping):
            raise InputError(
                "the checkpoint was trained without privacy, which cannot be added later; start "
                "again in another folder."
            )
        try:
            history = [(float(s), float(q), int(n)) for s, q, n in state["history"]]
            drawn, patients = int(state["drawn"]), state["patients"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"the checkpoint's privacy account is damaged ({error}); start again."
            ) from error
        if patients != self._fingerprint():
            raise InputError(
                "the checkpoint was trained on other patients, and no account covers both; start "
                "again in another folder."
            )
        if any((s, q) != (self.noise_multiplier, self.sample_rate) for s, q, _ in history):
            raise InputError(
                "the checkpoint's noise was set for another number of images; resume with the "
                "recipe that it was started with."
            )
        self.accountant.history = history
        self.drawn = drawn

    def _batch(self, slices: NDArray[np.int64]) -> Batch:
        count = self.settings.images
        chosen = self._draw.choice(slices, count, replace=len(slices) < count)
        self.drawn += count
        return self.batches.of(chosen, range(self.drawn - count, self.drawn))

    def _fingerprint(self) -> str:
        rows = self.batches.slices.rows
        names = [
            f"{rows[own[0]].cohort}/{rows[own[0]].patient}:{len(own)}" for own in self.patients
        ]
        return hashlib.sha256("\n".join(names).encode()).hexdigest()


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Add what is said of the privacy to a model's `config.json`."""
    path = Path(folder) / "config.json"
    about = {**json.loads(path.read_text(encoding="utf-8")), "privacy": dict(facts)}
    with write_file(path) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _patients(batches: Batches) -> list[NDArray[np.int64]]:
    """Slices of every person, patients known to be the same one taken together."""
    rows = batches.slices.rows
    same: dict[str, Mapping[str, str]] = {}
    found: dict[tuple[str, str], list[int]] = {}
    for i in batches.index:
        row = rows[i]
        if row.cohort not in same:
            same[row.cohort] = same_person(row.cohort)
        person = same[row.cohort].get(row.patient, row.patient)
        found.setdefault((row.cohort, person), []).append(int(i))
    return [np.array(own) for own in found.values()]


def _require_accountable(
    task: Task, recipe: Recipe, batches: Batches, settings: Privacy, patients: int
) -> None:
    where = f"recipe {recipe.name!r}: field 'privacy'"
    try:
        import opacus  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{where}: training with privacy needs opacus; install napari-cmr-synth[dp]."
        ) from error
    if reason := task.unaccounted():
        raise InputError(f"{where}: {reason}.")
    if recipe.initialize_from:
        raise InputError(
            f"{where}: the training starts from the weights in {recipe.initialize_from}, whose own "
            "patients no account covers; leave initialize_from and --from out."
        )
    normalised = [
        name
        for network in task.networks.values()
        for name, module in network.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    ]
    if normalised:
        raise InputError(
            f"{where}: {normalised[0]!r} is a batch normalisation, which mixes patients; use group "
            "normalisation."
        )
    rows = batches.slices.rows
    completed = sorted({rows[i].cohort for i in batches.index if rows[i].completed})
    if completed:
        raise InputError(
            f"{where}: masks of {', '.join(completed)} were completed by a segmenter, which has "
            "learned from other patients; leave these cohorts out (field 'cohorts')."
        )
    if settings.delta * patients >= 1:
        raise InputError(
            f"{where}: a delta of {settings.delta:g} lets one of {patients} patients be revealed "
            f"whole; give less than {1 / patients:.2g}."
        )
    if recipe.batch_size % settings.images:
        raise InputError(
            f"{where}: batch_size {recipe.batch_size} is no multiple of {settings.images}, the "
            "images of a patient in a step; change one of the two."
        )
    if recipe.batch_size // settings.images >= patients:
        raise InputError(
            f"{where}: batch_size {recipe.batch_size} would take {settings.images} images of "
            f"{recipe.batch_size // settings.images} patients in a step, and there are {patients}; "
            "a smaller batch hides each of them among the others."
        )


def _accountant(name: str) -> Any:
    from opacus.accountants import create_accountant

    return create_accountant(mechanism=name)


def _noise_multiplier(settings: Privacy, name: str, sample_rate: float, steps: int) -> float:
    from opacus.accountants.utils import get_noise_multiplier

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Optimal order is the")
            return float(
                get_noise_multiplier(
                    target_epsilon=settings.epsilon,
                    target_delta=settings.delta,
                    sample_rate=sample_rate,
                    steps=steps,
                    accountant=settings.accountant,
                    epsilon_tolerance=min(0.01, settings.epsilon / 100),
                )
            )
    except ValueError as error:
        raise InputError(
            f"recipe {name!r}: field 'privacy': no noise keeps epsilon at {settings.epsilon:g} "
            f"over {steps} steps; allow a larger epsilon or fewer images."
        ) from error
