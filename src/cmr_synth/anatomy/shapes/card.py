"""The card of a shape model: what it was learned from, under which licence, and how good it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cmr_synth.errors import InputError
from cmr_synth.files import write_file

CARD, WEIGHTS = "card.yaml", "shapes.safetensors"
FORMAT = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LearnedFrom(_Frozen):
    """One data set.

    Attributes
    ----------
    patients : int
        People whose masks were used, each once.
    by_pathology : dict
        How many of them have what.
    """

    name: str
    title: str
    licence: str
    citation: str
    patients: int = Field(ge=1)
    by_pathology: dict[str, int]


class ShapeCard(_Frozen):
    """What `card.yaml` beside a shape model says."""

    format: Literal[1]
    name: str
    version: str
    title: str
    description: str
    licence: str
    learned_from: tuple[LearnedFrom, ...]
    split: dict[str, Any]
    pathologies: tuple[str, ...]
    modes: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    measured: dict[str, Any] = {}
    limits: tuple[str, ...] = ()


def read_card(folder: Path) -> ShapeCard:
    """Read the card of a model's folder.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    import yaml

    path = Path(folder) / CARD
    try:
        return ShapeCard(**yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such file; a shape model has {CARD} and {WEIGHTS}."
        ) from error
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            reason = f"field {'.'.join(map(str, first['loc']))!r}: {first['msg']}"
        raise InputError(f"{path}: not the card of a shape model ({reason}).") from error


def write_card(card: ShapeCard, folder: Path) -> None:
    """Write the card, in the order of its fields."""
    import yaml

    text = yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    with write_file(Path(folder) / CARD) as temporary:
        temporary.write_text(text, encoding="utf-8")
