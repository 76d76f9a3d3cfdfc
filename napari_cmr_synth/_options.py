"""What the user chose to synthesize, in one value that widgets hand to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cmr_synth.synthesis.request import Request

Scope = Literal["slice", "stack", "cine"]
"""The slice in view, all slices of the frame in view, or all slices of all frames."""


@dataclass(frozen=True, kw_only=True)
class SynthesisOptions:
    """Everything the engine's `synthesize` can be told, and how to read the mask.

    None means unspecified: the model is then free to choose, or its card decides.

    Attributes
    ----------
    model : str
        Name in the zoo.
    vendor, phase, pathology : str, optional
        Words on the model's card.
    z : float, optional
        Slice position of a single slice, 0 at the base and 1 at the apex; a stack has its own.
    steps, guidance : optional
        None takes those on the model's card.
    seed : int
        Decides the noise; the same seed gives the same picture.
    n : int
        Variants.
    scope : "slice", "stack" or "cine"
        What is made of the mask.
    convention : str, optional
        Meaning of the mask's numbers, a key of `cmr_synth.anatomy.labels.CONVENTIONS`.
    device : str, optional
        "cpu", "cuda" or "mps"; None takes the fastest that is there.
    batch : int
        Images made at once: speed and memory, not pixels.
    """

    model: str = "flow"
    vendor: str | None = None
    phase: str | None = None
    z: float | None = None
    pathology: str | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int = 0
    n: int = 1
    scope: Scope = "stack"
    convention: str | None = None
    device: str | None = None
    batch: int = 4

    def request(self) -> Request:
        """What the engine is asked for: all but scope and convention, which are the viewer's.

        Raises
        ------
        InputError
            If a number is outside its range.
        """
        from cmr_synth.synthesis.request import Request

        names = ("model", "device", "vendor", "phase", "pathology", "z")
        numbers = ("n", "seed", "steps", "guidance", "batch")
        return Request(**{name: getattr(self, name) for name in names + numbers})
