"""Training under differential privacy, with the patient as the unit.

DP-SGD (Abadi et al. 2016, arXiv:1607.00133) over patients instead of pictures (McMahan et al. 2018,
arXiv:1710.06963): in every step each patient takes part with the same small chance, by itself
(Poisson sampling); the gradient of a patient's pictures together is clipped; Gaussian noise is
added to the sum. The account is that of opacus.

What the account covers is the weights, whichever step they are of. Two slice sets are neighbours
if one has a patient more. The account supposes that this patient adds one clipped gradient to the
sum and changes nothing else, so that

- all chance is drawn by (step, patient, picture), never by a running number, which would give all
  others another augmentation, noise and dropout as soon as one patient comes before them;
- it is drawn from a secret, and not from the recipe's seed, which anybody may know;
- sample rate, noise and divisor follow from the recipe alone, which states the number of patients;
- a patient whose gradient is no number adds none, where an error would tell of it;
- a network that changes without its gradient, as statistics of a batch do, is refused.

Noise is drawn and added in double precision and rounded to the weights' own: attacks on the last
bits (Mironov 2012) are not covered.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_synth.cohorts.registry import same_person
from cmr_synth.errors import InputError
from cmr_synth.files import write_file
from cmr_synth.training.batches import Batch, Batches
from cmr_synth.training.recipe import Privacy, Recipe
from cmr_synth.training.secret import Secret
from cmr_synth.training.task import Task

SAMPLING = "Poisson: each patient takes part in a step by itself, with the sample rate as chance"
NEIGHBOURS = "one patient added or removed"

Person = tuple[str, str]  # cohort and name


class Contribution(NamedTuple):
    """What one patient gives to a step."""

    person: Person
    gradients: list[Tensor]  # of each weight, clipped together; double precision, on the CPU
    losses: Tensor  # of its pictures


class PrivateTraining:
    """Patients, noise and account of one training.

    Parameters
    ----------
    task : Task
    recipe : Recipe
        With `privacy`; `batch_size` is what is expected of a step, in pictures.
    batches : Batches
    secret : Secret, optional
        For tests alone; by default a new one.

    Raises
    ------
    InputError
        If the training cannot be accounted for, or opacus is not installed.
    """

    def __init__(
        self, task: Task, recipe: Recipe, batches: Batches, *, secret: Secret | None = None
    ):
        if recipe.privacy is None:
            raise ValueError(f"recipe {recipe.name!r} asks for no privacy")
        self.settings: Privacy = recipe.privacy
        self.where = f"recipe {recipe.name!r}: field 'privacy'"
        self.batches = batches
        self.batch_size, self.gradient_norm = recipe.batch_size, recipe.gradient_norm
        self.secret = secret or Secret()
        self.patients = _patients(batches)
        _require_accountable(task, recipe, batches, self.settings, self.where)
        # the number that takes part is itself private, so that the expected one divides
        self.expected = recipe.batch_size // self.settings.images
        self.sample_rate = self.expected / self.settings.patients
        self.planned_steps = -(-recipe.images // recipe.batch_size)
        self.noise_multiplier = _noise_multiplier(
            self.settings, self.where, self.sample_rate, self.planned_steps
        )
        self.accountant = _accountant(self.settings.accountant)

    def losses(
        self, task: Task, device: torch.device | str = "cpu"
    ) -> Iterator[tuple[str, Tensor]]:
        """Draw the patients of a step, leave their noisy gradient with the weights, count it.

        Yields
        ------
        (str, (pictures,) tensor)
            The private network, and the losses without a graph; the optimizer is to be stepped
            then. After it, those that learn from it without a patient, as a task's `afterwards`
            has them: what is made of private weights is as private as they are.

        Raises
        ------
        InputError
            If the network keeps something of the pictures beside its weights.
        """
        name, network = _private(task)
        weights = _trained(network)
        sums = [torch.zeros(weight.shape, dtype=torch.float64) for weight in weights]
        kept = {key: value.clone() for key, value in network.named_buffers()}
        losses = []
        for found in self.contributions(task, device):
            for total, own in zip(sums, found.gradients, strict=True):
                total += own
            losses.append(found.losses)
        for key, value in network.named_buffers():
            if not torch.equal(value, kept[key]):
                raise InputError(
                    f"{self.where}: {key!r} of the network follows the patients' pictures without "
                    "clipping or noise; keep it fixed."
                )
        deviation = self.noise_multiplier * self.settings.max_grad_norm
        for number, (weight, total) in enumerate(zip(weights, sums, strict=True)):
            noise = self.secret.normal(weight.numel(), "noise", self.steps, number)
            noisy = total + deviation * torch.from_numpy(noise).view(weight.shape)
            weight.grad = torch.zeros_like(weight).copy_(noisy / self.expected)
        self.accountant.step(noise_multiplier=self.noise_multiplier, sample_rate=self.sample_rate)
        yield name, torch.cat(losses) if losses else torch.zeros(1)
        yield from self._afterwards(task, device)

    def _afterwards(self, task: Task, device: torch.device | str) -> Iterator[tuple[str, Tensor]]:
        """Leave the gradients of what learns from the private network with its weights."""
        if not (learn := getattr(task, "afterwards", None)):
            return
        # the step was counted already; another name than any draw of a patient's has
        draws = [self.secret.draw("afterwards", self.steps, k) for k in range(self.batch_size)]
        for name, per_image in learn(draws, device=device):
            weights = _trained(task.networks[name])
            for weight in weights:
                weight.grad = None
            per_image.mean().backward()
            torch.nn.utils.clip_grad_norm_(weights, self.gradient_norm)
            yield name, per_image.detach()

    def contributions(self, task: Task, device: torch.device | str) -> Iterator[Contribution]:
        """What each patient that takes part in the step at hand gives to it.

        Each is of the weights, the secret, the step and the patient alone.
        """
        name_of, network = _private(task)
        weights = _trained(network)
        for person, slices in self.patients.items():
            name = (self.steps, *person)
            if self.secret.draw("takes part", *name).random() >= self.sample_rate:
                continue
            network.zero_grad(set_to_none=True)
            with torch.random.fork_rng():  # for what draws from torch's own, such as dropout
                torch.manual_seed(int(self.secret.draw("torch", *name).integers(2**63)))
                found = task.losses(self._batch(slices, name).to(device))
                per_image = next(loss for own, loss in found if own == name_of)
                per_image.mean().backward()
            gradients = [
                torch.zeros(weight.shape) if weight.grad is None else weight.grad.cpu()
                for weight in weights
            ]
            shown = per_image.detach().cpu().nan_to_num(0.0, posinf=0.0, neginf=0.0)
            yield Contribution(person, clipped(gradients, self.settings.max_grad_norm), shown)
        network.zero_grad(set_to_none=True)

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
        """What is said of it with the weights; holds nothing that is private itself."""
        import opacus

        return {
            "epsilon": round(self.epsilon(), 4),
            "delta": self.settings.delta,
            "unit": self.settings.unit,
            "neighbours": NEIGHBOURS,
            "sampling": SAMPLING,
            "sample_rate": self.sample_rate,
            "patients": self.settings.patients,
            "images_of_a_patient": self.settings.images,
            "max_grad_norm": self.settings.max_grad_norm,
            "noise_multiplier": self.noise_multiplier,
            "steps": self.steps,
            "accountant": f"{self.settings.accountant.upper()} of opacus {opacus.__version__}",
            "covers": "the weights; neither the losses shown nor the time taken while training",
        }

    def state(self) -> dict[str, Any]:
        """For a checkpoint; with the secret until the last step, and then without."""
        history = [list(entry) for entry in self.accountant.history]
        if self.steps >= self.planned_steps:
            return {"history": history}
        return {
            "history": history,
            "secret": self.secret.key.hex(),
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
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(_damaged(error)) from error
        if any((s, q) != (self.noise_multiplier, self.sample_rate) for s, q, _ in history):
            raise InputError(
                "the checkpoint's noise was set for another number of images; resume with the "
                "recipe that it was started with."
            )
        self.accountant.history = history
        if self.steps >= self.planned_steps:
            return  # nothing more is drawn
        try:
            self.secret = Secret(bytes.fromhex(state["secret"]))
            patients = state["patients"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(_damaged(error)) from error
        if patients != self._fingerprint():
            raise InputError(
                "the checkpoint was trained on other patients, and no account covers both; start "
                "again in another folder."
            )

    def _batch(self, slices: NDArray[np.int64], name: tuple[int, str, str]) -> Batch:
        """Pictures of a patient in a step."""
        count = self.settings.images
        draw = self.secret.draw("slices", *name)
        return self.batches.of(
            draw.choice(slices, count, replace=len(slices) < count),
            [self.secret.draw("picture", *name, k) for k in range(count)],
            [self.secret.draw("augmented", *name, k).random() for k in range(count)],
        )

    def _fingerprint(self) -> str:
        """Of who is trained on, and with how many slices."""
        counted = [[*person, len(own)] for person, own in self.patients.items()]
        return self.secret.fingerprint(json.dumps(counted))


def clipped(gradients: Sequence[Tensor], most: float) -> list[Tensor]:
    """Gradients of one patient, scaled down together to a norm of `most`; zero if they are none."""
    exact = [gradient.double() for gradient in gradients]
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in exact))
    if not math.isfinite(norm):
        return [torch.zeros_like(gradient) for gradient in exact]
    factor = min(1.0, most / (norm + 1e-6))  # as opacus has it
    return [factor * gradient for gradient in exact]


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Add what is said of the privacy to a model's `config.json`."""
    path = Path(folder) / "config.json"
    about = {**json.loads(path.read_text(encoding="utf-8")), "privacy": dict(facts)}
    with write_file(path) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _damaged(error: Exception) -> str:
    return f"the checkpoint's privacy account is damaged ({error}); start again."


def _private(task: Task) -> tuple[str, nn.Module]:
    """The one network whose gradients are of patients."""
    name = getattr(task, "private_network", None)
    if name is not None:
        return name, task.networks[name]
    ((name, network),) = task.networks.items()
    return name, network


def _trained(network: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in network.parameters() if weight.requires_grad]


def _patients(batches: Batches) -> dict[Person, NDArray[np.int64]]:
    """Slices of every person, patients known to be the same one taken together."""
    rows = batches.slices.rows
    same: dict[str, Mapping[str, str]] = {}
    found: dict[Person, list[int]] = {}
    for i in batches.index:
        row = rows[i]
        if row.cohort not in same:
            same[row.cohort] = same_person(row.cohort)
        person = same[row.cohort].get(row.patient, row.patient)
        found.setdefault((row.cohort, person), []).append(int(i))
    return {person: np.array(own) for person, own in found.items()}


def _require_accountable(
    task: Task, recipe: Recipe, batches: Batches, settings: Privacy, where: str
) -> None:
    patients = settings.patients
    try:
        import opacus  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{where}: training with privacy needs opacus; install napari-cmr-synth[dp]."
        ) from error
    if recipe.augmentation.looks:
        raise InputError(
            f"{where}: augmentation.looks gives one patient's pictures the look of another's, so "
            "that one patient has a part in several gradients; set it to 0."
        )
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
            f"{recipe.batch_size // settings.images} patients in a step, and it states {patients}; "
            "a smaller batch hides each of them among the others."
        )


def _accountant(name: str) -> Any:
    from opacus.accountants import create_accountant

    return create_accountant(mechanism=name)


@cache  # found by search, in seconds
def _noise_multiplier(settings: Privacy, where: str, sample_rate: float, steps: int) -> float:
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
            f"{where}: no noise keeps epsilon at {settings.epsilon:g} over {steps} steps; allow a "
            "larger epsilon or fewer images."
        ) from error
