"""A training recipe: every field, its default and its check; a YAML file states departures."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cmr_synth.errors import InputError
from cmr_synth.generators.exact_yaml import Once


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_Decay = Annotated[float, Field(ge=0, lt=1)]
WIDEST = 0.28
"""Just below the relative width of the plain mean of all steps, the widest of an average."""
Settings = TypeVar("Settings", bound=BaseModel)


class Augmentation(_Frozen):
    """Ranges of the random changes made to every training slice."""

    share: float = Field(
        1.0, ge=0, le=1, description="of images changed; the others are moved by whole pixels only"
    )
    rotation_degrees: float = Field(20.0, ge=0, le=180, description="uniform, plus and minus")
    scale: float = Field(0.15, ge=0, lt=1, description="uniform in log scale, plus and minus")
    shift: float = Field(0.06, ge=0, le=0.5, description="share of the grid, plus and minus")
    gamma: float = Field(0.0, ge=0, lt=1, description="log range of a gamma curve")
    gain: float = Field(0.0, ge=0, lt=1, description="log range of a brightness factor")
    noise: float = Field(0.0, ge=0, lt=1, description="largest sd of added Gaussian noise")
    blur: float = Field(0.0, ge=0, description="largest sd of a Gaussian blur, in pixels")
    bias: float = Field(0.0, ge=0, lt=1, description="log range of a linear bias field")
    shapes: float = Field(
        0.0, ge=0, le=1, description="of images changed, share whose left ventricle is bent"
    )
    looks: float = Field(
        0.0, ge=0, le=1, description="of images changed, share that take another vendor's look"
    )


class Privacy(_Frozen):
    """Differential privacy of a training; see `cmr_synth.training.private`."""

    epsilon: float = Field(gt=0, description="not exceeded over the whole training")
    delta: float = Field(gt=0, lt=1, description="less than one over the number of patients")
    max_grad_norm: float = Field(1.0, gt=0, description="a patient's gradient is clipped to this")
    unit: Literal["patient"] = "patient"
    patients: int = Field(
        gt=0, description="about how many there are: stated, for a count would tell of each"
    )
    images: int = Field(4, gt=0, description="of a patient, in a step that it takes part in")
    accountant: Literal["rdp", "prv"] = Field("rdp", description="as opacus names them")


class Recipe(_Frozen):
    """One training run.

    Length is counted in images seen, so that recipes compare across batch sizes and numbers of
    processes. With a budget in minutes the schedule follows whichever of the two is further.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    family: str
    cohorts: tuple[str, ...] | None = Field(None, description="of the slice set; None: all")
    images: int = Field(gt=0, description="training length in images seen")
    batch_size: int = Field(16, gt=0, description="over all processes together")
    learning_rate: float = Field(4e-4, gt=0, description="peak, after warm-up")
    final_learning_rate: float = Field(0.05, ge=0, le=1, description="share of the peak")
    warmup_images: int = Field(3200, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    betas: tuple[_Decay, _Decay] = (0.9, 0.99)
    gradient_norm: float = Field(1.0, gt=0, description="gradients are clipped to this")
    ema: float = Field(0.999, ge=0, lt=1, description="decay per step, ramped up from zero")
    averages: tuple[Annotated[float, Field(gt=0, lt=WIDEST)], ...] = Field(
        (),
        description="relative widths of two further averages, of which copies are kept, so that "
        "`average` makes one of any width afterwards; such as [0.05, 0.1]",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 on processors that compute it natively, fp32 on GPUs"
    )
    seed: int = Field(0, ge=0, lt=2**63)
    checkpoint_minutes: float = Field(5.0, gt=0)
    sample_minutes: float = Field(15.0, gt=0)
    initialize_from: str | None = Field(None, description="weights of an earlier stage")
    privacy: Privacy | None = Field(None, description="none: patients may be recognised")
    augmentation: Augmentation = Augmentation()
    model: dict[str, Any] = Field(default_factory=dict, description="the family's network")
    loss: dict[str, Any] = Field(default_factory=dict, description="the family's loss")

    @model_validator(mode="after")
    def _averages_differ(self) -> Recipe:
        if len(self.averages) == 1 or len(set(self.averages)) != len(self.averages):
            raise ValueError("averages: two different widths are needed to make a third of them")
        return self


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe from a YAML file, or a bundled one by its name.

    Raises
    ------
    InputError
        Naming the file and the first field at fault.
    """
    path = Path(path)
    text = _read(path)
    try:
        stated = yaml.load(text, _Loader)  # derived from the safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise InputError(
            f"{path}: not valid YAML{line} ({problem}); correct it there, or its indentation."
        ) from error
    if not isinstance(stated, dict):
        raise InputError(f"{path}: a recipe is a YAML mapping of fields, such as 'family: flow'.")
    return checked(Recipe, {"name": path.stem.lower(), **stated}, where=str(path))


def checked(kind: type[Settings], stated: Any, *, where: str, under: str = "") -> Settings:
    """Settings of a kind from a mapping.

    Parameters
    ----------
    kind : type
        A pydantic model.
    stated : mapping
    where : str
        Named in the message: a file, or a recipe.
    under : str
        The field of `where` that holds the settings, if it is one.

    Raises
    ------
    InputError
        Naming the first field at fault.
    """
    try:
        return kind.model_validate(stated)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in (under, *first["loc"]) if part != "")
        message = first["msg"].removeprefix("Value error, ")
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        unknown = first["type"] == "extra_forbidden" and len(first["loc"]) == 1
        known = ", ".join(kind.model_fields) or "none"
        hint = f"; known fields are {known}" if unknown else ""
        raise InputError(f"{where}: field {field!r}: {message}{more}{hint}.") from error


def bundled_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with the package."""
    folder = files("cmr_synth") / "recipes"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml")))


class _Loader(Once, yaml.SafeLoader):
    """The safe loader; every key once."""


def _read(path: Path) -> str:
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read as text ({error}).") from error
    name = str(path).removesuffix(".yaml")
    if name in bundled_recipes():
        return (files("cmr_synth") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    raise InputError(f"{path}: no such file; bundled recipes are {', '.join(bundled_recipes())}.")
