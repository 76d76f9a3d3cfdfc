"""What the user chose to synthesize, in one value that widgets hand to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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

    def keywords(self) -> dict[str, Any]:
        """Keyword arguments of `cmr_synth.synthesis.from_mask.synthesize`.

        Returns
        -------
        dict
            Without `slices`, which depends on what is in view.
        """
        names = ("vendor", "phase", "pathology", "z", "n", "seed", "steps", "guidance", "batch")
        return {name: getattr(self, name) for name in names}
