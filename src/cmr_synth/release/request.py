"""What a release is asked to be: a YAML file, checked field by field before anything is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date as Date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from cmr_synth.cohorts.examination import CINE, CONTRASTS, PATHOLOGIES, VENDORS
from cmr_synth.errors import InputError
from cmr_synth.generators import exact_yaml
from cmr_synth.synthesis.request import MAX_SEED

FORMAT = 1
MOST_PATIENTS = 100_000
FUNCTION = ("lv_ef_percent", "lv_edv_ml", "lv_mass_g", "rv_ef_percent", "rv_edv_ml")
"""What can be asked of a heart's function, as `patients.csv` names it."""
LAYOUTS = ("nifti", "nnunet", "bids", "dicom")
SOURCES = ("sampled", "templates")
"""Masks of nobody; others are given as files."""

Share = Annotated[float, Field(gt=0, le=1e9)]
Words = Annotated[str, Field(max_length=500)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Spread(_Part):
    """How a measurement is spread over the patients.

    Parameters
    ----------
    low, high : float
        Written `from` and `to`.
    shape : str
        "uniform", or "normal" with 95 % of it between the two.
    tolerance : float, optional
        How far a patient's measured value may lie from the one asked for; by default a tenth of
        the range.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True
    )

    low: float = Field(alias="from", ge=0)
    high: float = Field(alias="to", ge=0)
    shape: Literal["uniform", "normal"] = "uniform"
    tolerance: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> Spread:
        if not self.low < self.high:
            raise ValueError(f"from {self.low:g} to {self.high:g} is no range; give from < to")
        return self

    @property
    def allowed(self) -> float:
        """The tolerance, stated or not."""
        return self.tolerance if self.tolerance is not None else (self.high - self.low) / 10


class Mix(_Part):
    """Some of the patients: their share, how severe their disease is, what their hearts measure.

    Parameters
    ----------
    share : float
        In relation to the other shares; they need not sum to 1.
    severity : (low, high), optional
        0 is the middle of normal hearts, 1 that of hearts with this pathology.
    function : mapping of name to Spread
        In the place of what is asked of all patients.
    """

    share: Share = 1.0
    severity: tuple[float, float] | None = None
    function: dict[str, Spread] = Field(default_factory=dict)

    @field_validator("severity")
    @classmethod
    def _range(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] <= value[1] <= 2:
            raise ValueError("give two numbers, the lower first, from 0 to 2")
        return value

    @field_validator("function")
    @classmethod
    def _known(cls, value: dict[str, Spread]) -> dict[str, Spread]:
        return _known_function(value)


class Given(_Part):
    """Masks as files: a folder of them, or the patients of a cohort.

    Parameters
    ----------
    folder : Path, optional
        NIfTI masks; patient and phase are told by their names.
    cohort : str, optional
        `NAME=PATH`, as in `cohort prepare`.
    labels : str, optional
        Convention that the numbers of a folder's masks follow; told by topology if left out.
    """

    folder: Path | None = None
    cohort: str | None = None
    labels: Literal["acdc", "mnms", "ukbb"] | None = None

    @model_validator(mode="after")
    def _one(self) -> Given:
        if (self.folder is None) == (self.cohort is None):
            raise ValueError("give either folder: PATH or cohort: NAME=PATH")
        return self


class Evidence(_Part):
    """What the release is measured against; what is left out is not measured, and is said to be.

    Parameters
    ----------
    archive : Path, optional
        Of real patients, from `archive build`; without it the release is not audited.
    real : Path, optional
        Slice set of real patients, from `cohort prepare`, for fidelity and utility.
    utility : bool
        Train a segmenter on this very set and test it on the real test patients.
    copies : int
        Of each kind, planted to prove what the audit sees.
    """

    archive: Path | None = None
    real: Path | None = None
    utility: bool = False
    copies: int = Field(100, ge=20, le=10_000)

    @model_validator(mode="after")
    def _patients(self) -> Evidence:
        if self.utility and self.real is None:
            raise ValueError("utility needs real test patients; name their slice set as real")
        return self


class ReleaseRequest(_Part):
    """Everything that decides what a release is, but for the key that signs it.

    Parameters
    ----------
    name : str
        Of the data set and its files.
    patients : int
    pathologies : mapping of pathology to Mix or share
    vendors : mapping of vendor to share
        Empty: all that the model knows, evenly.
    phases : of "ED", "ES"
    frames : int, optional
        A cine of so many frames, from ED to ES and back, in the place of still phases.
    heart_rate : float
        Of cines, beats a minute.
    contrast : str
    function : mapping of name of `FUNCTION` to Spread
    masks : "sampled", "templates" or Given
        Nobody's by default.
    slices, spacing_mm, shape
        Grid of masks that are not given: slices, mm (z, y, x), pixels (y, x). By default as many
        slices as a heart needs.
    model, steps, guidance, sampler, batch
        As in `synthesize`.
    seed : int
    format : str
        Of `LAYOUTS`.
    redraws : int
        How often a slice that misses its mask is made again.
    replacements : int
        How often a patient with a slice too close to a real one is made again, before he is left
        out.
    date : date, optional
        On every file; by default the day on which making begins. A release made again on another
        day has the same bytes if it is stated.
    creator, contact, licence : str
        For the datasheet. The licence can only narrow what the models' data allow.
    evidence : Evidence
    """

    release: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    title: Words = ""
    patients: int = Field(ge=1, le=MOST_PATIENTS)
    pathologies: dict[str, Mix] = Field(default_factory=dict)
    vendors: dict[str, Share] = Field(default_factory=dict)
    phases: tuple[Literal["ED", "ES"], ...] = Field(("ED", "ES"), min_length=1, max_length=2)
    frames: int | None = Field(None, ge=2, le=100)
    heart_rate: float = Field(60.0, ge=30, le=200)
    contrast: str = CINE
    function: dict[str, Spread] = Field(default_factory=dict)
    masks: Annotated[
        Annotated[Literal["sampled", "templates"], Tag("nobody")] | Annotated[Given, Tag("given")],
        Discriminator(lambda value: "nobody" if isinstance(value, str) else "given"),
    ] = "sampled"
    slices: int | None = Field(None, ge=1, le=40)
    spacing_mm: tuple[float, float, float] = (8.0, 1.5, 1.5)
    shape: tuple[int, int] = (128, 128)
    model: str = "flow-fast"
    steps: int | None = Field(None, ge=1, le=1000)
    guidance: float | None = Field(None, ge=0, le=100)
    sampler: Words | None = None
    batch: int = Field(16, ge=1, le=1024)
    seed: int = Field(0, ge=0, le=MAX_SEED)
    format: Literal["nifti", "nnunet", "bids", "dicom"] = "nifti"
    redraws: int = Field(2, ge=0, le=100)
    replacements: int = Field(3, ge=0, le=100)
    date: Date | None = None
    creator: Words = ""
    contact: Words = ""
    licence: Words = ""
    evidence: Evidence = Evidence()

    _folder: Path = PrivateAttr(Path())

    @field_validator("pathologies", mode="before")
    @classmethod
    def _shares(cls, value: Any) -> Any:
        """A bare number is a share; a list is even shares."""
        if isinstance(value, list):
            value = dict.fromkeys(value, 1)
        if not isinstance(value, dict):
            return value
        plain = {
            k: isinstance(v, int | float) and not isinstance(v, bool) for k, v in value.items()
        }
        return {name: {"share": mix} if plain[name] else mix for name, mix in value.items()}

    @field_validator("vendors", mode="before")
    @classmethod
    def _even(cls, value: Any) -> Any:
        return dict.fromkeys(value, 1) if isinstance(value, list) else value

    @field_validator("pathologies")
    @classmethod
    def _pathologies(cls, value: dict[str, Mix]) -> dict[str, Mix]:
        return _among(value, PATHOLOGIES, "pathology")

    @field_validator("vendors")
    @classmethod
    def _vendors(cls, value: dict[str, float]) -> dict[str, float]:
        return _among(value, VENDORS, "vendor")

    @field_validator("contrast")
    @classmethod
    def _contrast(cls, value: str) -> str:
        return next(iter(_among({value: None}, CONTRASTS, "contrast")))

    @field_validator("function")
    @classmethod
    def _function(cls, value: dict[str, Spread]) -> dict[str, Spread]:
        return _known_function(value)

    @field_validator("phases")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(phase for phase in ("ED", "ES") if phase in value)

    @field_validator("spacing_mm")
    @classmethod
    def _spacing(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        if not all(0.1 <= mm <= 50 for mm in value):
            raise ValueError("give three numbers of mm (slices, rows, columns) from 0.1 to 50")
        if value[0] < 1.5 * max(value[1:]):  # a reader could not tell which axis is which
            raise ValueError("slices lie at least 1.5 times as far apart as pixels")
        return value

    @field_validator("shape")
    @classmethod
    def _sides(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not all(32 <= side <= 1024 for side in value):
            raise ValueError("give two numbers of pixels from 32 to 1024")
        return value

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ReleaseRequest:
        asked = {name for one in self.mixes.values() for name in one.function} | set(self.function)
        needs_both = sorted(name for name in asked if "_ef_" in name)
        if needs_both and self.frames is None and set(self.phases) != {"ED", "ES"}:
            raise ValueError(
                f"function.{needs_both[0]} is asked for, which needs ED and ES, and phases are "
                f"{', '.join(self.phases)}"
            )
        if self.frames is not None and set(self.phases) != {"ED", "ES"}:
            raise ValueError(
                f"frames: a cine goes from ED to ES and back, and phases are "
                f"{', '.join(self.phases)}; leave phases out"
            )
        if not self.creator and self.contact:
            raise ValueError("contact is given without creator; name who it is")
        return self

    @property
    def mixes(self) -> dict[str | None, Mix]:
        """Pathologies with their mixes; one of an open pathology where none is asked for."""
        found: dict[str | None, Mix] = dict(self.pathologies.items())
        return found or {None: Mix()}

    def function_of(self, pathology: str | None) -> dict[str, Spread]:
        """What is asked of the function of a patient with a pathology."""
        return {**self.function, **self.mixes[pathology].function}

    def at(self, path: Path) -> Path:
        """Where a path of the request leads: it is counted from the request's own folder."""
        return self._folder / path.expanduser()

    @property
    def archive(self) -> Path | None:
        """The archive's folder."""
        return None if self.evidence.archive is None else self.at(self.evidence.archive)

    @property
    def real(self) -> Path | None:
        """The slice set's folder."""
        return None if self.evidence.real is None else self.at(self.evidence.real)

    @property
    def is_given(self) -> bool:
        """Whether the masks are somebody's files."""
        return isinstance(self.masks, Given)

    def plain(self) -> dict[str, Any]:
        """As YAML and JSON hold it, without what is left at its default but for the seed."""
        stated = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {"release": FORMAT, **stated, "seed": self.seed}

    def text(self) -> str:
        """As a YAML file."""
        return yaml.safe_dump(self.plain(), sort_keys=False, allow_unicode=True)


def read_request(path: str | Path) -> ReleaseRequest:
    """Read a request; paths in it are counted from its own folder.

    Raises
    ------
    InputError
        Naming the file and the first field at fault.
    """
    path = Path(path)
    try:
        stated = exact_yaml.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; a request is a YAML file of fields.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = getattr(error, "problem", None) or getattr(error, "strerror", None)
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise InputError(
            f"{path}: not readable as YAML ({problem or str(error).splitlines()[0]}{where}); "
            "correct it."
        ) from error
    return parse_request(stated, name=str(path), folder=path.parent)


def parse_request(stated: Any, *, name: str, folder: Path | None = None) -> ReleaseRequest:
    """Check a request that was read or filled in.

    Parameters
    ----------
    stated : mapping
    name : str
        What messages call it.
    folder : Path, optional
        That paths are counted from.

    Raises
    ------
    InputError
        Naming the first field at fault.
    """
    if not isinstance(stated, Mapping):
        raise InputError(f"{name}: a request is a YAML mapping of fields, such as patients: 20.")
    try:
        # through JSON: a request in the app and one in a file are checked alike
        request = ReleaseRequest.model_validate_json(json.dumps(dict(stated), default=str))
    except ValidationError as error:
        raise InputError(f"{name}: {_first(error)}") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {error}; correct it.") from error
    request._folder = Path() if folder is None else Path(folder)
    return request


_DECIDE = ("nobody", "given")


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"] if str(part) not in _DECIDE]
    field = ".".join(parts)
    if first["type"] == "extra_forbidden":
        known = ", ".join(ReleaseRequest.model_fields) if len(parts) == 1 else "those of the page"
        return f"field {field!r} is unknown; known are {known}."
    if first["type"] == "missing":
        return f"field {field!r} is missing; add it."
    said = first["msg"].removeprefix("Value error, ").rstrip(".")
    given = first.get("input")
    shown = f" ({given!r} given)" if isinstance(given, str | int | float) else ""
    return f"field {field!r}: {said}{shown}; correct it." if field else f"{said}; correct it."


def _among(value: dict[str, Any], known: Any, what: str) -> dict[str, Any]:
    unknown = [name for name in value if name not in known]
    if unknown:
        raise ValueError(f"{what} {unknown[0]!r} is unknown; known are {', '.join(known)}")
    return value


def _known_function(value: dict[str, Spread]) -> dict[str, Spread]:
    _among(value, FUNCTION, "measurement")
    for name, spread in value.items():
        if name.endswith("_percent") and spread.high > 100:
            raise ValueError(f"{name}: {spread.high:g} is more than 100 per cent")
    return value
