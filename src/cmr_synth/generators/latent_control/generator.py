"""The latent model with mask control behind the interface of all generators."""

from __future__ import annotations

from cmr_synth.generators.latent.generator import LatentGenerator
from cmr_synth.generators.latent_control.network import ControlledModel
from cmr_synth.generators.probing import Drawing

FAMILY = "latent-control"


class LatentControlGenerator(LatentGenerator):
    """A frozen latent model and its control with trained weights on a device."""

    family = FAMILY
    in_bf16 = False  # not looked at
    network_kind = ControlledModel

    @property
    def probe(self) -> Drawing:
        """Its network is asked for nothing but pictures; see `cmr_synth.generators.probing`."""
        return Drawing()
