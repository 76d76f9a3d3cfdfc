"""Training mask control for a frozen latent model (Zhang et al. 2023, arXiv:2302.05543).

The losses are those of the latent model; the control alone is trained. Start with the weights of
a latent model, best one trained without masks and conditions, or of an earlier control.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.generators.latent.generator import FAMILY as LATENT
from cmr_synth.generators.latent.network import LatentConfig, LatentModel
from cmr_synth.generators.latent_control.generator import FAMILY
from cmr_synth.generators.latent_control.network import ControlledModel
from cmr_synth.networks.folder import read_config
from cmr_synth.networks.weights import load_weights, set_state, state_of
from cmr_synth.training.families.earlier import earlier_model
from cmr_synth.training.families.latent import LatentTask


class LatentControlTask(LatentTask):
    """The controlled latent network as the training loop sees it; losses and sheet are inherited.

    Its network is called "latent" in logs, as that of the family that it steers.
    """

    family = FAMILY

    def _started(self) -> ControlledModel:
        """The model with the weights of an earlier one in it, and all but the control frozen."""
        recipe = self.recipe
        if recipe.model:
            raise self.wrong(
                f"model.{next(iter(recipe.model))}",
                "is told by the latent model that is steered; leave it out.",
            )
        folder, family = earlier_model(
            recipe,
            families=(LATENT, FAMILY),
            needs="a latent model to steer; train the recipe 'latent-unconditional'",
            starts="steers a latent model",
        )
        config = read_config(folder, LatentConfig, family=family)
        if config.backbone != "unet":
            raise InputError(
                f"{folder}: its backbone is a {config.backbone}, and a control is a copy of a "
                "U-Net's way down; steer a latent model that has a U-Net."
            )
        torch.manual_seed(recipe.seed)
        model = ControlledModel(config)
        weights = load_weights(Path(str(recipe.initialize_from)))
        if family == FAMILY:
            set_state(model, weights)
        else:
            _steer(model, weights)
        model.freeze()
        return model


def _steer(model: ControlledModel, weights: dict[str, Tensor]) -> None:
    """Take over a latent model, and let the control start as a copy of it."""
    steered = LatentModel(model.config)
    set_state(steered, weights)
    set_state(model.autoencoder, state_of(steered.autoencoder))
    model.network.unet.load_state_dict(steered.network.unet.state_dict())
    model.network.conditions.load_state_dict(steered.network.conditions.state_dict())
    control = model.network.control
    control.start_from(steered.network.unet)
    # the scanner's own grain and the augmented one are told apart already
    control.conditions.load_state_dict(steered.network.conditions.state_dict())
