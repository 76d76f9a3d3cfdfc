"""What the record beside an image states; nobody has signed it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cmr_synth.errors import InputError
from cmr_synth.generators.precision import Precision
from cmr_synth.privacy.exact_json import read_object
from cmr_synth.synthesis.record import sidecar_of
from cmr_synth.synthesis.request import MAX_SEED

Text = Annotated[str, Field(max_length=10_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class _Stated(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class _Model(_Stated):
    name: Text
    family: Text
    version: Text
    sha256: Text
    identity: Text | None = None
    licence: Text


class _Mask(_Stated):
    labels_sha256: Text


class _Part(_Stated):
    slices: list[Count]
    frames: list[Count]


class _Record(_Stated):
    """Kinds of the fields that are looked at; see `cmr_synth.synthesis.record`."""

    sha256: Text | None = None
    model: _Model | None = None
    mask: _Mask | None = None
    vendor: Text | None = None
    phase: Text | None = None
    pathology: Text | None = None
    cohort: Text | None = None
    slice_positions: dict[str, Share] | None = None
    only: _Part | None = None
    z: Share | None = None
    phenotypes: dict[Text, float] | None = None
    steps: Annotated[int, Field(ge=1)] | None = None
    guidance: float | None = None
    sampler: Text | None = None
    prompt: Text | None = None
    device: Text | None = None
    precision: Precision = "fp32"  # of pictures older than the choice
    seed: Count = 0
    variant: Annotated[int, Field(ge=0, le=10**6)] = 0


def read_sidecar(image: Path, *, path: Path | None = None) -> dict[str, Any]:
    """Read the record beside an image; empty if there is none of a synthetic image.

    Parameters
    ----------
    image : Path
    path : Path, optional
        Of the record, where it lies elsewhere.

    Raises
    ------
    InputError
        If it cannot be read, or a field that is looked at is of another kind.
    """
    path = sidecar_of(image) if path is None else path
    if not path.is_file():
        return {}
    record = read_object(path, whole=MAX_SEED)
    if record.get("synthetic") is not True:
        return {}
    try:
        _Record.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path}: field {field!r}: {first['msg']}; make the image again, or move this file "
            "away to have it judged as an image of unknown origin."
        ) from error
    return record
