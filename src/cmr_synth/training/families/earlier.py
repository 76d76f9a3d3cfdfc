"""The model folder of an earlier stage, which some families cannot do without."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from cmr_synth.errors import InputError
from cmr_synth.generators.latent.autoencoder import AutoencoderConfig
from cmr_synth.networks.folder import read_config
from cmr_synth.training.families.family import FamilyTask, start_from
from cmr_synth.training.recipe import Recipe, checked

AUTOENCODER = "autoencoder"
Model = TypeVar("Model", bound=torch.nn.Module)


def earlier_model(
    recipe: Recipe, *, families: Sequence[str], needs: str, starts: str
) -> tuple[Path, str]:
    """Folder and family of the model whose weights the recipe starts from.

    Parameters
    ----------
    families : sequence of str
        That it may be of.
    needs, starts : str
        For the messages: what is needed and where it comes from, and what is done with it.

    Raises
    ------
    InputError
        If the recipe names none, its folder is damaged, or it is of another family.
    """
    where = f"recipe {recipe.name!r}"
    if not recipe.initialize_from:
        raise InputError(
            f"{where}: needs {needs} and start from its weights with --from "
            "FOLDER/weights.safetensors."
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
    if family not in families:
        raise InputError(
            f"{where}: {starts}, and {folder} holds one of family {family!r}; name another with "
            "--from."
        )
    return folder, family


def on_autoencoder(
    task: FamilyTask,
    kind: type[Model],
    config_kind: type[Any],
    *,
    inner_kind: type[Any] = AutoencoderConfig,
    inner_family: str = AUTOENCODER,
    recipe_of_it: str,
    what: str,
) -> Model:
    """A model on latents with the weights of an autoencoder, or of an earlier such model, in it.

    Parameters
    ----------
    task : FamilyTask
        Whose recipe says what it starts from.
    kind, config_kind : type
        Of the model, with its `autoencoder`, and of its configuration.
    inner_kind, inner_family
        Configuration and family of the autoencoder.
    recipe_of_it, what : str
        For the messages: the recipe that trains the autoencoder, and what an earlier model is.

    Raises
    ------
    InputError
        As `earlier_model`, and if the recipe states what the autoencoder tells.
    """
    recipe, family = task.recipe, task.family
    if AUTOENCODER in recipe.model:
        raise task.wrong(
            f"model.{AUTOENCODER}",
            "is told by the trained autoencoder; start from its weights with --from.",
        )
    folder, found = earlier_model(
        recipe,
        families=(inner_family, family),
        needs=f"a trained autoencoder; train the recipe {recipe_of_it!r}",
        starts=f"starts from an autoencoder or {what}",
    )
    if found == family:
        inner = read_config(folder, config_kind, family=family).autoencoder
    else:
        inner = read_config(folder, inner_kind, family=inner_family)
    stated = {"shape": inner.shape, "spacing_mm": inner.spacing_mm, **recipe.model}
    stated[AUTOENCODER] = inner
    config = checked(config_kind, stated, where=task.where, under="model")
    task.require_learnable(config)
    torch.manual_seed(recipe.seed)
    model = kind(config)
    start_from(model if found == family else model.get_submodule(AUTOENCODER), recipe)
    return model
