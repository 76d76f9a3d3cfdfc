"""The model folder of an earlier stage, which some families cannot do without."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cmr_synth.errors import InputError
from cmr_synth.training.recipe import Recipe


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
