"""The private GAN behind the interface of all generators: the SPADE generator, without its encoder.

No encoder of styles was trained, which would have looked at patients; styles are standard normal.
"""

from __future__ import annotations

from typing import Any

from cmr_synth.generators.probing import Drawing
from cmr_synth.generators.spade_gan.generator import SpadeGanGenerator

FAMILY = "private-gan"


class PrivateGanGenerator(SpadeGanGenerator):
    """A private GAN with trained weights on a device; a reference is refused."""

    family = FAMILY
    in_bf16 = False  # not looked at
    takes = frozenset({"mask", "vendor", "phase", "pathology", "cohort", "z"})

    @property
    def probe(self) -> Any:
        """Nothing but its pictures."""
        return Drawing()
