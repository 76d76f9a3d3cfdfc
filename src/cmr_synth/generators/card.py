"""The card of a model: what it is, what it was trained on, how good and how private it is."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cmr_synth.errors import InputError
from cmr_synth.files import sha256, write_file
from cmr_synth.generators import exact_yaml
from cmr_synth.generators.combinations import Combination, combinations_of
from cmr_synth.generators.phenotypes import Phenotype

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cmr_synth.cohorts.slices import SliceSet

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]*$"
FIRST_STAGE_STEPS = 16
"""Of a flow whose paths no few-step stage has straightened: with four, one of 16,000 images
was twice as far from real slices."""
SHA256_PATTERN = r"^[0-9a-f]{64}$"
NOT_MEASURED: Literal["not measured"] = "not measured"
Measurement = dict[str, Any] | Literal["not measured"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VolumeGrid(_Frozen):
    """The third axis of a model that makes whole volumes."""

    axis: Literal["z", "t"] = Field(description="slices from base to apex, or frames of a beat")
    depth: int = Field(gt=1, description="slices or frames; stacks have those with a heart")
    between_mm: float | None = Field(None, gt=0, description="distance of slices; frames have none")


class Grid(_Frozen):
    """The working grid: (rows, columns) and pixel size."""

    shape: tuple[int, int]
    spacing_mm: float = Field(gt=0)
    volume: VolumeGrid | None = None


class KnownConditions(_Frozen):
    """The words that the model was trained with."""

    vendors: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    pathologies: tuple[str, ...] = ()
    cohorts: tuple[str, ...] = ()
    contrast: str = "cine"
    contrasts: tuple[str, ...] = ()
    phenotypes: tuple[Phenotype, ...] = ()
    tissues: bool = Field(False, description="whether it takes a map of them around the heart")


class CohortUse(_Frozen):
    """One data set in the training."""

    name: str
    title: str
    licence: str
    citation: str
    vendor: str | None = None
    patients: int = Field(ge=0, description="people: somebody examined twice is one")
    slices: int = Field(ge=0)
    labels: str


class TrainingFacts(_Frozen):
    """What the training took."""

    cohorts: tuple[CohortUse, ...]
    images_seen: int = Field(ge=0)
    minutes: float = Field(ge=0)
    machine: str
    recipe: str | dict[str, Any]
    combinations: tuple[Combination, ...] = Field(
        (), description="contrast x pathology, of a model that makes several contrasts"
    )
    privacy: dict[str, Any] | None = Field(
        None, description="epsilon, and how it was accounted for; none: no such training"
    )


class Measured(_Frozen):
    """Numbers of this very file, or the text "not measured"."""

    fidelity: Measurement = NOT_MEASURED
    adherence: Measurement = NOT_MEASURED
    variety: Measurement = NOT_MEASURED
    speed: Measurement = NOT_MEASURED
    utility: Measurement = NOT_MEASURED
    privacy: Measurement = NOT_MEASURED


class Card(_Frozen):
    """What `card.yaml` in a model folder says.

    Parameters
    ----------
    sha256, config_sha256 : str
        Of `weights.safetensors` and of `config.json`; a model whose files differ is not loaded.
    default_steps, default_guidance : optional
        Used where the caller names none; absent for what takes no steps.
    """

    name: str = Field(pattern=NAME_PATTERN)
    family: str
    version: str
    title: str
    description: str
    licence: str
    citations: tuple[str, ...] = ()
    grid: Grid
    conditions: KnownConditions = KnownConditions()
    default_steps: int | None = Field(None, gt=0)
    default_guidance: float | None = Field(None, ge=0)
    training: TrainingFacts
    sha256: str = Field(pattern=SHA256_PATTERN)
    config_sha256: str = Field(pattern=SHA256_PATTERN)
    measured: Measured = Measured()
    limits: tuple[str, ...] = ()


def read_card(path: Path) -> Card:
    """Read `card.yaml`.

    Raises
    ------
    InputError
        Naming the file and the first field at fault.
    """
    try:
        stated = exact_yaml.load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such file; a model folder holds weights.safetensors, config.json and "
            "card.yaml."
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = getattr(error, "problem", None)  # of the parser, which puts it in its last line
        reason = problem or str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable card ({reason}); get the model again.") from error
    if not isinstance(stated, dict):
        raise InputError(f"{path}: a card is a YAML mapping of fields; get the model again.")
    try:
        return Card(**stated)
    except (ValidationError, TypeError) as error:
        reason = str(error).splitlines()[0]
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            reason = f"field {field!r}: {first['msg']}"
        raise InputError(f"{path}: {reason}; correct the card or get the model again.") from error


def file_hashes(folder: Path) -> dict[str, str]:
    """What a card says of the files beside it, by its fields."""
    return {
        "sha256": sha256(Path(folder) / "weights.safetensors"),
        "config_sha256": sha256(Path(folder) / "config.json"),
    }


def write_card(card: Card, path: Path) -> None:
    """Write `card.yaml`, in the order of the fields."""
    text = yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    with write_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _steps_of(family: str, recipe: dict[str, Any]) -> int | None:
    """Steps of the sampler that a stage is made for, if that is no matter of the family alone."""
    adversarial = recipe.get("loss", {}).get("adversarial")
    if isinstance(adversarial, dict):
        steps: int | None = adversarial.get("steps")
        return steps  # at the times of which it was trained
    return FIRST_STAGE_STEPS if family == "flow" else None


def this_machine() -> str:
    """Processor and number of cores, in words."""
    return f"{platform.machine()} processor, {os.cpu_count()} cores"


def draft_card(
    folder: Path,
    slices: SliceSet,
    *,
    cohorts: Sequence[str] | None = None,
    machine: str | None = None,
) -> Card:
    """The card of a freshly trained model: its training facts, and nothing measured yet.

    Parameters
    ----------
    folder : Path
        With `weights.safetensors` and `config.json`.
    slices : SliceSet
        What it was trained on; only patients of the training split count.
    cohorts : sequence of str, optional
        Those of the slice set that were used; None: all.
    machine : str, optional
        In words; by default the processor and the number of cores.

    Raises
    ------
    InputError
        If `config.json` is missing or damaged.
    """
    from cmr_synth.cohorts.registry import same_person

    path = Path(folder) / "config.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        family, config, recipe = about["family"], about["config"], about["recipe"]
        images_seen, minutes = about["images_seen"], about["minutes"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not a readable model configuration ({error}); train again."
        ) from error
    contrast = config.get("contrast", "cine")
    contrasts = tuple(config.get("contrasts") or ())
    chosen = slices.where(split="train", cohorts=cohorts, contrast=contrasts or contrast)
    volume = _volume_grid(config)
    if volume is not None:  # some of the slices may be of volumes that did not do
        chosen = _of_volumes(config, slices, cohorts)
    rows = [slices.rows[i] for i in chosen]
    uses = []
    for name, facts in slices.about["cohorts"].items():
        own = [row for row in rows if row.cohort == name]
        if not own:
            continue
        vendors = sorted({row.vendor for row in own} - {""})
        completed = sum(row.completed for row in own)
        again = same_person(name)  # somebody examined twice is one patient
        uses.append(
            CohortUse(
                name=name,
                title=facts["title"],
                licence=facts["licence"],
                citation=facts["citation"],
                vendor=vendors[0] if len(vendors) == 1 else None,
                patients=len({again.get(row.patient, row.patient) for row in own}),
                slices=len(own),
                labels=f"completed by the segmenter on {completed} slices"
                if completed
                else "given",
            )
        )

    def known(field: str, words: Sequence[str]) -> tuple[str, ...]:
        seen = {getattr(row, field) for row in rows}
        return tuple(word for word in words if word in seen)

    return Card(
        name=recipe["name"],
        family=family,
        version="0",
        title=f"{recipe['name']}, trained on {', '.join(use.title for use in uses)}",
        description=f"Trained with the recipe {recipe['name']}.",
        licence="as its training data allow: " + "; ".join(dict.fromkeys(u.licence for u in uses)),
        citations=tuple(dict.fromkeys(use.citation for use in uses)),
        grid=Grid(
            shape=config.get("shape", (128, 128)),
            spacing_mm=config.get("spacing_mm", slices.spacing),
            volume=volume,
        ),
        conditions=KnownConditions(
            vendors=known("vendor", config.get("vendors", ())),
            phases=known("phase", config.get("phases", ())),
            pathologies=known("pathology", config.get("pathologies", ())),
            cohorts=known("cohort", config.get("cohorts", ())),
            contrast=contrast,
            contrasts=known("contrast", contrasts),
            phenotypes=config.get("phenotypes", ()),
            tissues=config.get("tissues", False),
        ),
        default_steps=_steps_of(family, recipe),
        training=TrainingFacts(
            cohorts=tuple(uses),
            images_seen=images_seen,
            minutes=minutes,
            machine=machine or this_machine(),
            recipe=recipe,
            combinations=combinations_of(rows) if contrasts else (),
            privacy=about.get("privacy"),
        ),
        **file_hashes(folder),
        limits=("Its fidelity, utility and privacy have not been measured.",),
    )


def _volume_grid(config: dict[str, Any]) -> VolumeGrid | None:
    """The third axis that the configuration of a model states, its own or its autoencoder's."""
    stated = config.get("autoencoder", config)
    if "axis" not in stated:
        return None
    between = stated["between_mm"] if stated["axis"] == "z" else None
    return VolumeGrid(axis=stated["axis"], depth=stated["depth"], between_mm=between)


def _of_volumes(
    config: dict[str, Any], slices: SliceSet, cohorts: Sequence[str] | None
) -> NDArray[np.int64]:
    """The training slices of a model of volumes."""
    from cmr_synth.cohorts.volumes import Depth, volumes_of

    stated = config.get("autoencoder", config)
    depth = Depth(
        axis=stated["axis"],
        count=stated["depth"],
        between_mm=stated["between_mm"],
        least=stated["least"],
    )
    found, _ = volumes_of(slices, depth, cohorts=cohorts)
    return np.unique(np.concatenate([np.zeros(0, np.int64), *(one.members for one in found)]))
