"""How conditions become what Stable Diffusion reads: a text, and a picture of the mask."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor
from torch.nn import functional

from cmr_synth.cohorts.examination import PATHOLOGIES
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.vocabulary import Vocabulary

_Level = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[_Level, _Level, _Level]


class StableDiffusionConfig(Vocabulary):
    """What `config.json` says of a pipeline; all of it depends on how the ControlNet was trained.

    Parameters
    ----------
    pixels : (rows, columns)
        Of the pipeline's pictures, which show the working grid of `shape`. Multiples of 8.
    colours : five (red, green, blue), 0 to 255
        Of background, LV blood pool, myocardium, RV blood pool and unlabelled pixels in the
        picture of the mask.
    subject : str
        How a text begins that is made of the conditions.
    phrases : dict
        What vendor, phase, pathology and z add to it, with a comma; {} stands for the word. What
        has no phrase here is not told.
    words : dict
        Words in the place of those of a condition, such as "end-diastole" for "ED".
    negative : str
        Text that guidance moves away from.
    control_scale : float
        Weight of the ControlNet's outputs.
    """

    pixels: tuple[PositiveInt, PositiveInt] = (512, 512)
    colours: tuple[Colour, Colour, Colour, Colour, Colour] = (
        (0, 0, 0),
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (127, 127, 127),
    )
    subject: str = "short-axis cardiac magnetic resonance image"
    phrases: dict[str, str] = {
        "vendor": "{} scanner",
        "phase": "{}",
        "pathology": "{}",
        "z": "slice {:.2f} of the way from base to apex",
    }
    words: dict[str, str] = {"ED": "end-diastole", "ES": "end-systole", **PATHOLOGIES}
    negative: str = ""
    control_scale: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> StableDiffusionConfig:
        if any(side % 8 for side in self.pixels):
            raise ValueError(f"pixels {self.pixels} are no multiples of 8")
        for name, phrase in self.phrases.items():
            if name not in ("vendor", "phase", "pathology", "z"):
                raise ValueError(f"phrases: {name!r} is none of vendor, phase, pathology and z")
            try:
                phrase.format(0.5 if name == "z" else "word")
            except (ValueError, LookupError, AttributeError) as error:
                raise ValueError(f"phrases: {phrase!r} cannot be filled in ({error})") from error
        return self

    def text(self, condition: Condition) -> str:
        """The prompt of a condition, or the text that its other fields make."""
        if condition.prompt:
            return condition.prompt
        parts = [self.subject]
        for name, phrase in self.phrases.items():
            given = getattr(condition, name)
            if given is not None:
                parts.append(phrase.format(self.words.get(given, given)))
        return ", ".join(parts)

    def mask_picture(self, mask: Tensor) -> Tensor:
        """The picture of masks for the ControlNet.

        Parameters
        ----------
        mask : (n, 4, y, x) tensor
            One-hot labels; all zero where unlabelled.

        Returns
        -------
        (n, 3, rows, columns) tensor in [0, 1]
        """
        colours = torch.tensor(self.colours, device=mask.device) / 255  # (5, 3)
        is_open = 1 - mask.sum(dim=1, keepdim=True)
        picture = torch.einsum("nkyx,kc->ncyx", torch.cat([mask, is_open], dim=1), colours)
        return functional.interpolate(picture, self.pixels, mode="nearest")

    def to_grid(self, pictures: Tensor) -> Tensor:
        """Pictures (n, 3, rows, columns) of the pipeline, grey and on the model's grid."""
        grey = pictures.float().mean(dim=1, keepdim=True)
        return functional.interpolate(grey, self.shape, mode="area")

    def from_grid(self, pictures: Tensor) -> Tensor:
        """Grey pictures (n, 1, y, x) on the model's grid as (n, 3, rows, columns)."""
        large = functional.interpolate(pictures, self.pixels, mode="bilinear", align_corners=False)
        return large.expand(-1, 3, -1, -1)
