"""A model's transfer function: measured on the patients it was trained on, written with the model.

What the amplitude of each ring of frequency is in real slices, over that in the model's pictures of
the same masks: see `cmr_synth.generators.transfer`. 31 numbers a vendor, from means over patients.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.counterparts import conditions_for, made_for
from cmr_synth.evaluation.distributions import patient_means
from cmr_synth.evaluation.realism.spectrum import RINGS, log_power
from cmr_synth.evaluation.sample import Sample
from cmr_synth.files import write_file, write_folder
from cmr_synth.generators import zoo
from cmr_synth.generators.card import Card, Measured, file_hashes, write_card
from cmr_synth.generators.interface import Progress
from cmr_synth.generators.loaded import LoadedNetwork
from cmr_synth.generators.transfer import KEY, LARGEST_GAIN, Transfer

MOST = 180
"""Slices of a vendor, by default."""
FEWEST = 3
"""Patients of a vendor: fewer say more of themselves than of it."""
LAYOUT, DETAIL = 0.08, 0.145
"""Cycles a pixel: below the first nothing is changed, above the second everything is.

Coarse structures are the mask's, and their contrast is what the encoder tells hearts by. With gains
of all rings the Frechet distance of the bundled flow's pictures on ACDC's validation patients rises
from 12.2 to 13.8, with these to 13.0, while the AUC of spectra on training patients falls from 0.99
to chance with either (`benchmarks/calibration.py`).
"""


def measure_transfer(
    model: zoo.Model, slices: SliceSet, *, most: int = MOST, seed: int = 0
) -> Iterator[Progress | Transfer]:
    """Compare a model's pictures with the training slices whose masks they were made for.

    Parameters
    ----------
    model : Model
        Its network is measured: gains that it has already are put aside.
    slices : SliceSet
        With the patients it was trained on, prepared as then.
    most : int
        Slices of a vendor that are made.
    seed : int
        Of the pictures, and of which slices are taken.

    Yields
    ------
    Progress or Transfer
        Progress in slices, then the gains.

    Raises
    ------
    InputError
        If the model cannot be calibrated, or the set has too few training patients of a vendor.
    """
    _require_slices(model)
    generator: Any = copy.copy(model.generator)
    generator.transfer = None
    groups = _groups(model, slices, most, np.random.default_rng(seed))
    total, done = sum(len(sample) for sample in groups.values()), 0
    gains, patients = {}, {}
    for vendor, sample in groups.items():
        made = []
        conditions = conditions_for(generator, sample)
        steps = model.card.default_steps
        for some in made_for(generator, conditions, seed=seed, steps=steps, first=done):
            made.append(some)
            yield Progress(done + sum(map(len, made)), total)
        done += len(sample)
        found = np.exp(curve(sample.pixels, np.concatenate(made), sample.patients))
        within = found.clip(1 / LARGEST_GAIN, LARGEST_GAIN)
        gains[vendor] = tuple(round(float(gain), 4) for gain in within)
        patients[vendor] = len(np.unique(sample.patients))
    counts = {vendor: len(sample) for vendor, sample in groups.items()}
    yield Transfer(gains=gains, patients=patients, slices=counts)


def write_calibrated(source: str | Path, out: Path, transfer: Transfer) -> Card:
    """Write a model again, with a transfer function.

    Parameters
    ----------
    source : str or Path
        Name of a model, or its folder.
    out : Path
        Folder for the model; must not be there.
    transfer : Transfer

    Returns
    -------
    Card
        That of the model, with nothing measured.

    Raises
    ------
    InputError
        If the model is damaged, or the folder is there or cannot be written.
    """
    out = Path(out)
    if out.exists():
        raise InputError(f"{out}: is there already; choose another folder.")
    entry = zoo.find(source)
    card = zoo.verify(entry)
    about = json.loads((entry.folder / "config.json").read_text(encoding="utf-8"))
    about[KEY] = transfer.model_dump(mode="json")
    with write_folder(out) as folder:
        zoo.copy_files(entry.folder, folder)
        with write_file(folder / "config.json") as path:
            path.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        card = card.model_copy(update={"measured": Measured(), **file_hashes(folder)})
        write_card(card, folder / "card.yaml")
    return card


def _require_slices(model: zoo.Model) -> None:
    name = model.card.name
    if not isinstance(model.generator, LoadedNetwork) or model.card.grid.volume is not None:
        raise InputError(
            f"model {name!r}: pictures of the family {model.card.family} have no last stage for "
            "this; calibrate one that makes slices with its own network."
        )
    if model.card.training.privacy is not None:
        raise InputError(
            f"model {name!r}: was trained with differential privacy, and this measures its "
            "training patients without any: its epsilon would no longer hold."
        )


def _groups(
    model: zoo.Model, slices: SliceSet, most: int, rng: np.random.Generator
) -> dict[str, Sample]:
    """Training slices of each vendor that the model knows; of "" where it knows none."""
    config, card = model.generator.config, model.card
    contrasts = tuple(config.contrasts) or config.contrast
    cohorts = [use.name for use in card.training.cohorts]
    index = slices.where(split="train", cohorts=cohorts, contrast=contrasts)
    known = card.conditions.vendors if "vendor" in model.generator.takes else ()
    groups = {}
    for vendor in known or ("",):
        own = np.array([i for i in index if not known or slices.rows[i].vendor == vendor], np.int64)
        chosen = np.sort(rng.permutation(own)[:most])
        rows = tuple(slices.rows[i] for i in chosen)
        if len({row.patient for row in rows}) < FEWEST:
            of = f" of {vendor}" if vendor else ""
            raise InputError(
                f"the slice set has too few training patients{of} ({FEWEST} are the least); give "
                f"the one that {card.name!r} was trained on ({', '.join(cohorts)})."
            )
        pixels, labels = slices.crop(chosen, model.generator.shape)
        groups[vendor] = Sample(f"training {vendor}", pixels, labels, rows, slices.spacing)
    return groups


def curve(
    real: NDArray[np.floating],
    made: NDArray[np.floating],
    patients: NDArray[np.str_],
    *,
    below: float = LAYOUT,
    above: float = DETAIL,
) -> NDArray[np.float64]:
    """(rings,) logarithm of the amplitude of real over synthetic slices, mean over patients.

    Parameters
    ----------
    real, made : (n, y, x) array
        Slices, and pictures of their masks.
    patients : (n,) array
        Of each.
    below, above : float
        Cycles a pixel: what lies below the one counts for nothing, above the other for all.
    """
    beyond = (log_power(real) - log_power(made)) / 2
    means = [patient_means(ring, patients).mean() for ring in beyond.T]
    frequency = (np.arange(RINGS) + 0.5) / (2 * RINGS)
    counted: NDArray[np.float64] = np.clip((frequency - below) / (above - below), 0, 1) * means
    return counted
