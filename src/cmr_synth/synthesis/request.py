"""What a user can ask for: one value that command line, app and batch build and hand on.

It is made from words and numbers, and it can be told again from the record of a picture. What needs
a picture in memory, the look of a reference, is prepared once and travels beside it: the request
names a file (`reference`), `read_reference` prepares that, and whoever has the picture in a window
instead gives his own `Reference` to `synthesize`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.phenotypes import beyond, require_known
from cmr_synth.errors import InputError
from cmr_synth.generators.card import Card
from cmr_synth.generators.combinations import NEVER_SEEN, is_new
from cmr_synth.generators.interface import Condition, Generator, Images, Progress
from cmr_synth.generators.precision import PRECISIONS, Precision, at_precision, precision_of
from cmr_synth.generators.vocabulary import WORDS
from cmr_synth.generators.zoo import DEFAULT
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.heart_side import MIRRORS, Mirror
from cmr_synth.imaging.masks import read_mask
from cmr_synth.imaging.readers import read_scan
from cmr_synth.synthesis.reference import Reference, reference_on_grid

if TYPE_CHECKING:
    from cmr_synth.generators.noise import Index
    from cmr_synth.generators.zoo import Model

MAX_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Request:
    """What shall be made of every mask, or without one.

    Parameters
    ----------
    model : str or Path
        Name in the zoo, or a model's folder.
    device : str, optional
        "cpu", "cuda" or "mps"; by default the fastest that is there.
    labels : str, optional
        The convention that mask files follow; None tells it by topology, mask by mask.
    spacing : (z, y, x) in mm, optional
        The true spacing of masks whose header never got one; None believes the header.
    mirror : str
        What is done to the display that a mask's affine gives: "auto" turns or mirrors hearts that
        lie on the wrong side, "no" believes the affine; see `cmr_synth.imaging.heart_side`.
    vendor, phase, pathology, cohort : str, optional
        Among those on the model's card; None leaves them open.
    contrast : str, optional
        What the pictures are weighted by, such as "cine" or "lge"; a model of other contrasts
        refuses. None takes the model's own, of one that makes several the first on its card.
    z : float, optional
        Slice position, 0 at the base and 1 at the apex, of a mask with one labelled slice or of the
        one slice that is made. Else the positions follow from the labelled areas of the stack; a
        single slice is left open.
    surroundings : path, optional
        A real scan on the grid of the mask, whose tissues around the heart are kept, by a model
        that takes a map of them. One scan belongs to one mask.
    phenotypes : tuple of (str, float)
        Measurements of the heart, such as ``(("ef", 35.0), ("edv", 180.0))``, among those on the
        model's card; those that are not named are open.
    n : int
        Variants: different images of the same mask and conditions.
    seed : int
        Variant k of a seed is the same whatever `n`.
    steps, guidance : optional
        By default those on the model's card.
    sampler : str, optional
        Among those of the model's family.
    prompt : str, optional
        For models that read text.
    reference, reference_mask : path, optional
        A file with a real picture whose look is taken over, and its mask.
    reference_slice : int, optional
        Which of its slices; the middle one if not given.
    reference_frame : int
        Which of its frames.
    reference_strength : float in [0, 1]
        How much of its look.
    redraws : int, optional
        Every slice is measured against its mask by the bundled segmenter, drawn again where it
        misses, at most so many times, and flagged where it still does; 0 flags alone, None does
        not look. See `cmr_synth.synthesis.checking`.
    precision : str
        Of the networks' arithmetic. In "fp32" a picture depends on nothing made beside it; in
        "bf16" by a grey level of 8 bits, or two. "auto" takes bf16 on processors that multiply it;
        see `cmr_synth.generators.precision`.
    batch : int
        Images made at once; changes speed and memory, not the images.

    Raises
    ------
    InputError
        If a number is outside its range.
    """

    model: str | Path = DEFAULT
    device: str | None = None
    labels: str | None = None
    spacing: tuple[float, float, float] | None = None
    mirror: Mirror = "auto"
    vendor: str | None = None
    phase: str | None = None
    pathology: str | None = None
    cohort: str | None = None
    contrast: str | None = None
    z: float | None = None
    surroundings: Path | None = None
    phenotypes: tuple[tuple[str, float], ...] = ()
    n: int = 1
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    prompt: str | None = None
    reference: Path | None = None
    reference_mask: Path | None = None
    reference_slice: int | None = None
    reference_frame: int = 0
    reference_strength: float = 0.5
    redraws: int | None = None
    precision: Precision = "fp32"
    batch: int = 8

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InputError(f"n: {self.n} given; ask for 1 image of each mask or more.")
        if not 0 <= self.seed <= MAX_SEED:
            raise InputError(f"seed: {self.seed} given; give a whole number from 0 to {MAX_SEED}.")
        for name in ("batch", "steps"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise InputError(f"{name}: {number} given; give a whole number of 1 or more.")
        if self.redraws is not None and self.redraws < 0:
            raise InputError(f"redraws: {self.redraws} given; give 0 or more.")
        if not 0 <= self.reference_strength <= 1:
            raise InputError(
                f"reference strength: {self.reference_strength:g} given; give 0 (none) to 1 (all "
                "of it)."
            )
        if self.precision not in PRECISIONS:
            raise InputError(
                f"precision {self.precision!r} is unknown; choose among {', '.join(PRECISIONS)}."
            )
        if self.mirror not in MIRRORS:
            raise InputError(
                f"mirror {self.mirror!r} is unknown; choose among {', '.join(MIRRORS)}."
            )
        if self.spacing is not None and not all(0 < mm < 1000 for mm in self.spacing):
            raise InputError(f"spacing {self.spacing}: give three positive numbers of mm.")
        if self.z is not None and not 0 <= self.z <= 1:
            raise InputError(f"slice position {self.z} is outside 0 (base) to 1 (apex).")
        for name, value in self.phenotypes:
            if not (isfinite(value) and value > 0):
                raise InputError(
                    f"phenotype {require_known(name)} {value:g}: give a number above 0."
                )
        if len(dict(self.phenotypes)) < len(self.phenotypes):
            raise InputError("phenotypes: one is asked for twice; name each once.")

    @classmethod
    def from_record(
        cls,
        record: Mapping[str, Any],
        *,
        reference: Path | None = None,
        reference_mask: Path | None = None,
        surroundings: Path | None = None,
    ) -> Request:
        """What made a picture, from its record, so that it can be made again.

        The picture is the last of the request's variants, made of the part of its mask that
        ``record["only"]`` names::

            request = Request.from_record(record)
            *_, again = synthesize(mask, model, request, **(record["only"] or {}))

        Parameters
        ----------
        record : mapping
            From a sidecar or a layer.
        reference, reference_mask : Path, optional
            Where the picture lies whose look was taken over; the record knows its name alone.
            Without it, give the prepared picture to `synthesize`, which refuses otherwise.
        surroundings : Path, optional
            Where the scan lies whose tissues were kept; needed where there was one.

        Raises
        ------
        InputError
            If the record lacks what is needed.
        """
        try:
            look = record["reference"]
            about = {} if look is None else {"reference_slice": look["slice"]}
            if look is not None:
                about |= {
                    "reference_frame": look["frame"],
                    "reference_strength": look["strength"],
                    "reference": reference,
                    "reference_mask": reference_mask,
                }
            if record.get("surroundings") and surroundings is None:
                raise InputError(
                    f"the tissues around the heart were those of {record['surroundings']}; name "
                    "that scan."
                )
            device = record["device"]
            return cls(
                model=record["model"]["name"],
                device=None if device is None else device.partition(":")[0],
                vendor=record["vendor"],
                phase=record["phase"],
                pathology=record["pathology"],
                cohort=record.get("cohort"),  # older programs knew no such word
                contrast=record.get("contrast"),
                spacing=None if record.get("spacing") is None else tuple(record["spacing"]),
                mirror=record.get("mirror", "no"),  # older programs turned nothing
                z=record["z"],
                surroundings=surroundings,
                phenotypes=tuple((record.get("phenotypes") or {}).items()),
                n=record["variant"] + 1,
                seed=record["seed"],
                steps=record["steps"],
                guidance=record["guidance"],
                sampler=record["sampler"],
                prompt=record["prompt"],
                redraws=record.get("redraws"),  # nor did they look at what they made
                precision=record.get("precision", "fp32"),
                **about,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"the record does not say how its picture was made ({error}); make it anew."
            ) from error

    @property
    def words(self) -> dict[str, str | None]:
        """Vendor, phase, pathology, cohort and contrast."""
        return {name: getattr(self, name) for name in WORDS}

    def check(self, card: Card) -> None:
        """Compare the conditions with the card of the model, before any weights are loaded.

        Raises
        ------
        InputError
            Naming what the model knows.
        """
        known = card.conditions
        made = known.contrasts or (known.contrast,)
        if self.contrast not in (None, *made):
            raise InputError(
                f"contrast {self.contrast!r}: model {card.name!r} makes {', '.join(made)}; choose "
                "a model of that contrast, or leave it out."
            )
        for what, given, among in (
            ("vendor", self.vendor, known.vendors),
            ("phase", self.phase, known.phases),
            ("pathology", self.pathology, known.pathologies),
            ("cohort", self.cohort, known.cohorts),
        ):
            if given is not None and given not in among:
                raise InputError(
                    f"{what} {given!r}: model {card.name!r} was trained with "
                    f"{', '.join(among) or 'none'}; choose one of them or leave it unspecified."
                )

        if self.surroundings is not None and not known.tissues:
            raise InputError(without_tissues(card))
        of_model = [one.name for one in known.phenotypes]
        for name, _ in self.phenotypes:
            if require_known(name) not in of_model:
                raise InputError(
                    f"phenotype {name!r}: model {card.name!r} was trained with "
                    f"{', '.join(of_model) or 'none'}; "
                    f"{'choose among them or ' if of_model else ''}leave it out."
                )

    def remarks(self, card: Card) -> list[str]:
        """What is to be said of the request before anything is made, a line each."""
        return [*self._never_seen(card), *self._beyond(card)]

    def contrast_of(self, card: Card) -> str:
        """What the pictures of a model will be weighted by."""
        return self.contrast or card.conditions.contrast

    def _never_seen(self, card: Card) -> list[str]:
        contrast, seen = self.contrast_of(card), card.training.combinations
        if not is_new(seen, contrast, self.pathology):
            return []
        return [
            f"contrast {contrast!r} with pathology {self.pathology!r}: {NEVER_SEEN} of model "
            f"{card.name!r}; what is shown is extrapolated from other patients."
        ]

    def _beyond(self, card: Card) -> list[str]:
        ranges = {one.name: (one.low, one.high, one.sd) for one in card.conditions.phenotypes}
        return beyond({n: v for n, v in self.phenotypes if n in ranges}, ranges)

    def options(self, card: Card) -> dict[str, Any]:
        """Options of `Generator.sample`; what was not asked for stands on the card."""
        asked: dict[str, Any] = {
            "steps": card.default_steps if self.steps is None else self.steps,
            "guidance": card.default_guidance if self.guidance is None else self.guidance,
        }
        if self.sampler is not None:  # a third party's family may know of none
            asked["sampler"] = self.sampler
        return asked

    def sample(
        self, model: Model, asked: Sequence[Condition], *, indices: Sequence[Index]
    ) -> Iterator[Progress | Images]:
        """Progress and images of a model, as the request wants them made.

        Parameters
        ----------
        model : Model
        asked : sequence of Condition
            One for each image.
        indices : sequence of int or Mixed
            What decides the noise of each.
        """
        generator = model.generator
        run = generator.sample(asked, seed=self.seed, indices=indices, **self.options(model.card))
        precision = precision_of(generator, self.precision)
        kind = str(generator.device).partition(":")[0]
        return at_precision(run, precision, device=kind)

    def made_on(self, generator: Generator) -> dict[str, str]:
        """Device and precision of a generator, for the record; see `from_record`."""
        return {
            "device": str(generator.device),
            "precision": precision_of(generator, self.precision),
        }

    def condition(
        self,
        mask: NDArray[np.uint8] | None,
        *,
        z: float | None,
        takes: Collection[str],
        card: Card,
        reference: Reference | None = None,
        tissues: NDArray[np.uint8] | None = None,
    ) -> Condition:
        """The condition of one image.

        Parameters
        ----------
        mask : (rows, columns) uint8 array, optional
            On the model's grid.
        z : float, optional
            Position of this slice.
        takes : collection of str
            Of the generator. A position that follows from the stack is left out where it is not
            taken; one that was asked for is not.
        card : Card
            Of the model: which of several contrasts it is that is made where none is asked for.
        reference : Reference, optional
            As prepared for the model's grid.
        tissues : (rows, columns) uint8 array, optional
            Around this heart, on the model's grid.
        """
        return Condition(
            mask=mask,
            vendor=self.vendor,
            phase=self.phase,
            pathology=self.pathology,
            cohort=self.cohort,
            contrast=self.contrast_of(card) if card.conditions.contrasts else None,
            z=z if "z" in takes or self.z is not None else None,
            phenotypes=dict(self.phenotypes) or None,
            tissues=tissues,
            reference=None if reference is None else reference.pixels,
            reference_strength=self.reference_strength,
            prompt=self.prompt,
        )

    def record(self, card: Card, reference: Reference | None) -> dict[str, Any]:
        """What a record says of the request, but for seed and variant; see `from_record`."""
        options = self.options(card)
        return {
            **self.words,
            "contrast": self.contrast_of(card) if card.conditions.contrasts else self.contrast,
            "spacing": None if self.spacing is None else list(self.spacing),
            "mirror": self.mirror,
            "z": self.z,
            "surroundings": None if self.surroundings is None else self.surroundings.name,
            "phenotypes": dict(self.phenotypes),
            "steps": options["steps"],
            "guidance": options["guidance"],
            "sampler": self.sampler,
            "prompt": self.prompt,
            "redraws": self.redraws,
            "reference": None if reference is None else reference.record(self.reference_strength),
        }

    def stem(self, mask_stem: str, variant: int) -> str:
        """File name of one image, without ending."""
        words = [self.vendor or "any", *filter(None, (self.phase, self.pathology, self.cohort))]
        words += [self.contrast] if self.contrast else []
        words += [f"{name}{value:g}" for name, value in self.phenotypes]
        return "_".join([mask_stem, *words, f"seed{self.seed}", f"{variant:03d}"])

    def read_reference(self, card: Card) -> Reference | None:
        """Read the picture whose look is taken over, and prepare it for the grid of a model.

        Raises
        ------
        InputError
            If it cannot be read or used; see `reference_on_grid`. If something is said of a
            reference and none is named.
        """
        if self.reference is None:
            for name in ("reference_mask", "reference_slice"):
                if getattr(self, name) is not None:
                    what = name.replace("_", " ")
                    raise InputError(f"{what}: needs a reference; name the picture.")
            return None
        mask = self.reference_mask
        return reference_on_grid(
            read_scan(self.reference),
            WorkingGrid(shape=card.grid.shape, spacing=card.grid.spacing_mm),
            k=self.reference_slice,
            frame=self.reference_frame,
            mask=None if mask is None else read_mask(mask).scan,
        )


def without_tissues(card: Card) -> str:
    """The line for whoever wants the surroundings of a scan from a model that takes none."""
    return (
        f"surroundings: model {card.name!r} was trained without a map of tissues; leave them out, "
        "or choose a model whose card says that it takes one."
    )
