"""What the tasks of built-in families share: checked settings, a seeded network, a model folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import with_new_inputs, with_new_words
from cmr_synth.generators.flow.head import with_new_head
from cmr_synth.generators.measures import with_new_measures
from cmr_synth.generators.phenotypes import Phenotype
from cmr_synth.generators.vocabulary import Vocabulary
from cmr_synth.networks.folder import save_model
from cmr_synth.networks.weights import load_weights, set_state, state_of
from cmr_synth.training.batches import Batches
from cmr_synth.training.recipe import Recipe, Settings, checked

Network = TypeVar("Network", bound=nn.Module)


class FamilyTask:
    """Base of the built-in tasks; see `cmr_synth.training.task.Task` for what is left to add.

    A subclass states the family and the bits of its model folder, sets `networks`, `rates` and
    `words`, and says with `finished` what is saved.

    Parameters
    ----------
    recipe : Recipe
    """

    family: ClassVar[str]
    bits: ClassVar[int] = 8
    contrasts: ClassVar[tuple[str, ...]] = ("cine",)  # that the family can be trained on
    contrast: str | tuple[str, ...] = "cine"
    knows_contrasts: ClassVar[bool] = False  # whether its networks take several as a word
    knows_phenotypes: ClassVar[bool] = False  # whether its networks read them
    phenotypes: tuple[str, ...] = ()
    knows_tissues: ClassVar[bool] = False  # whether its networks take a map of them
    tissues: tuple[str, ...] = ()
    networks: dict[str, nn.Module]
    rates: dict[str, float]
    words: Mapping[str, Sequence[str]]

    def __init__(self, recipe: Recipe):
        self.recipe = recipe

    @property
    def where(self) -> str:
        """The recipe, as messages name it."""
        return f"recipe {self.recipe.name!r}"

    def loss_settings(self, kind: type[Settings]) -> Settings:
        """The recipe's field `loss`, checked."""
        return checked(kind, self.recipe.loss, where=self.where, under="loss")

    def model_settings(self, kind: type[Settings]) -> Settings:
        """The recipe's field `model`, checked."""
        settings = checked(kind, self.recipe.model, where=self.where, under="model")
        self.require_learnable(settings)
        return settings

    def require_learnable(self, settings: BaseModel) -> None:
        """Refuse settings of a model that the family cannot be trained to.

        Raises
        ------
        InputError
            Naming the field.
        """
        contrast = getattr(settings, "contrast", "cine")
        if contrast not in self.contrasts:
            raise self.wrong(
                "model.contrast",
                f"the family {self.recipe.family!r} makes {', '.join(self.contrasts)}; choose it, "
                "or the family flow.",
            )
        named = getattr(settings, "phenotypes", ())
        if named and not self.knows_phenotypes:
            raise self.wrong(
                "model.phenotypes",
                f"the family {self.recipe.family!r} reads none; leave it out, or choose the family "
                "flow.",
            )
        if getattr(settings, "tissues", False) and not self.knows_tissues:
            raise self.wrong(
                "model.tissues",
                f"the family {self.recipe.family!r} takes no map of them; leave it out, or choose "
                "the family flow.",
            )
        if getattr(settings, "contrasts", None) and not self.knows_contrasts:
            raise self.wrong(
                "model.contrasts",
                f"the family {self.recipe.family!r} makes one contrast alone; leave it out, or "
                "choose the family latent.",
            )

    def measured(self, config: Vocabulary, batches: Batches) -> tuple[Phenotype, ...]:
        """The phenotypes of a configuration with what the training patients had.

        Raises
        ------
        InputError
            Naming one that was measured on too few.
        """
        return tuple(
            Phenotype.of(one.name, batches.values_of(one.name)) for one in config.phenotypes
        )

    def wrong(self, field: str, why: str) -> InputError:
        """The error that a field of the recipe is at fault, to be raised."""
        return InputError(f"{self.where}: field {field!r}: {why}")

    def build(self, make: Callable[[], Network]) -> Network:
        """A network by the recipe's seed, with the weights that the recipe starts from, if any."""
        torch.manual_seed(self.recipe.seed)
        network = make()
        if self.recipe.initialize_from:
            start_from(network, self.recipe)
        return network

    def unaccounted(self) -> str:
        """That no account of privacy covers this family, unless a subclass knows better."""
        return (
            f"the family {self.recipe.family!r} learns from patients in ways that no account "
            "covers; choose flow, diffusion or cvae"
        )

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """Configuration and weights of the model that was trained."""
        raise NotImplementedError

    def save(self, folder: Path, *, images_seen: int, minutes: float) -> None:
        """Write `weights.safetensors` and `config.json`."""
        config, weights = self.finished()
        save_model(
            folder,
            family=self.family,
            config=config,
            weights=weights,
            recipe=self.recipe,
            images_seen=images_seen,
            minutes=minutes,
            bits=self.bits,
        )


def start_from(network: nn.Module, recipe: Recipe) -> None:
    """Take over the weights that a recipe starts from.

    What the network has more of than they do (words, classes of the mask, phenotypes, a head)
    starts at zero, so that nothing is lost.
    """
    own = state_of(network)
    state = load_weights(Path(str(recipe.initialize_from)))
    for grown in (with_new_inputs, with_new_measures, with_new_words, with_new_head):
        state = grown(state, own)
    set_state(network, state)
