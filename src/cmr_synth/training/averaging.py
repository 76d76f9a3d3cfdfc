"""The model folder of a training whose weights are averaged over another width."""

from __future__ import annotations

import json
from pathlib import Path

from cmr_synth.errors import InputError
from cmr_synth.files import write_folder
from cmr_synth.generators.card import Card, Measured, file_hashes, read_card, write_card
from cmr_synth.networks.folder import HALF, write_model
from cmr_synth.training.posthoc import FOLDER, averaged


def write_averaged(run: Path, out: Path, width: float) -> Card:
    """Write the model of a training with an average of any width.

    Parameters
    ----------
    run : Path
        Folder of a finished training that kept `averages`.
    out : Path
        Folder for the model; must not be there.
    width : float
        Relative to the length of the training.

    Returns
    -------
    Card
        That of the run, with nothing measured.

    Raises
    ------
    InputError
        If the run is not finished or kept no averages, the width is out of range, or the folder
        cannot be written.
    """
    run, out = Path(run), Path(out)
    if out.exists():
        raise InputError(f"{out}: is there already; choose another folder.")
    card = read_card(run / "card.yaml")
    weights, images = averaged(run / FOLDER, width)
    try:
        about = json.loads((run / "config.json").read_text(encoding="utf-8"))
        about |= {"images_seen": images, "averaged": {"width": width}}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{run / 'config.json'}: not readable ({error}); give the folder of a training that "
            "came to its end."
        ) from error
    with write_folder(out) as folder:
        write_model(folder, about, weights, bits=8 if (run / HALF).exists() else 16)
        training = card.training.model_copy(update={"images_seen": images})
        changes = {"training": training, "measured": Measured(), **file_hashes(folder)}
        card = card.model_copy(update=changes)
        write_card(card, folder / "card.yaml")
    return card
