"""Training mask control for a frozen latent model (Zhang et al. 2023, arXiv:2302.05543).

The losses are those of the latent model; the control alone is trained. Start with the weights of
a latent model, best one trained without masks and conditions, or of an earlier control.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cmr_synth.errors import InputError
from cmr_synth.generators.latent.generator import FAMILY as LATENT
from cmr_synth.generators.latent.network import LatentConfig, LatentModel
from cmr_synth.generators.latent_control.generator import FAMILY
from cmr_synth.generators.latent_control.network import ControlledModel
from cmr_synth.networks.folder import read_config, save_model
from cmr_synth.networks.weights import load_weights, set_state, state_of
from cmr_synth.training.families.latent import LatentLoss, LatentTask
from cmr_synth.training.recipe import Recipe, checked


class LatentControlTask(LatentTask):
    """The controlled latent network as the training loop sees it; losses and sheet are inherited.

    Its network is called "latent" in logs, as that of the family that it steers.
    """

    def __init__(self, recipe: Recipe):
        where = f"recipe {recipe.name!r}"
        self.loss = checked(LatentLoss, recipe.loss, where=where, under="loss")
        if recipe.model:
            raise InputError(
                f"{where}: field 'model.{next(iter(recipe.model))}': is told by the latent model "
                "that is steered; leave it out."
            )
        folder, family = _earlier(recipe)
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.model: ControlledModel = ControlledModel(
            read_config(folder, LatentConfig, family=family)
        )
        weights = load_weights(Path(str(recipe.initialize_from)))
        if family == FAMILY:
            set_state(self.model, weights)
        else:
            self._steer(weights)
        self.model.freeze()
        self.model.autoencoder.eval()
        self.network = self.model.network
        self.networks: dict[str, nn.Module] = {"latent": self.network}
        self.rates = {"latent": 1.0}
        self.words = self.network.control.conditions.words

    def _steer(self, weights: dict[str, torch.Tensor]) -> None:
        """Take over a latent model, and let the control start as a copy of it."""
        steered = LatentModel(self.model.config)
        set_state(steered, weights)
        set_state(self.model.autoencoder, state_of(steered.autoencoder))
        self.model.network.unet.load_state_dict(steered.network.unet.state_dict())
        self.model.network.conditions.load_state_dict(steered.network.conditions.state_dict())
        control = self.model.network.control
        control.start_from(steered.network.unet)
        # the scanner's own grain and the augmented one are told apart already
        control.conditions.load_state_dict(steered.network.conditions.state_dict())

    def save(self, folder: Path, *, images_seen: int, minutes: float) -> None:
        """Write `weights.safetensors` (8 bits per channel) and `config.json`, of all networks."""
        save_model(
            folder,
            family=FAMILY,
            config=self.model.config,
            weights=state_of(self.model),
            recipe=self.recipe,
            images_seen=images_seen,
            minutes=minutes,
        )


def _earlier(recipe: Recipe) -> tuple[Path, str]:
    """Folder and family of the model that the recipe starts from."""
    where = f"recipe {recipe.name!r}"
    if not recipe.initialize_from:
        raise InputError(
            f"{where}: needs a latent model to steer; train the recipe 'latent-unconditional' and "
            "start from its weights with --from FOLDER/weights.safetensors."
        )
    folder = Path(recipe.initialize_from).parent
    try:
        about: Any = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        family = str(about["family"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / 'config.json'}: not a readable configuration "
            f"({str(error).splitlines()[0]}); --from needs the weights in their model folder."
        ) from error
    if family not in (LATENT, FAMILY):
        raise InputError(
            f"{where}: steers a latent model, and {folder} holds one of family {family!r}; name "
            "another with --from."
        )
    return folder, family
