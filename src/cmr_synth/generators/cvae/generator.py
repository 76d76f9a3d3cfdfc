"""The conditional VAE: the SPADE networks, trained as a variational autoencoder alone.

Encoder, prior of styles and decoder are those of `generators.spade_gan`, so that a comparison of
the two families shows what the discriminator brings.
"""

from __future__ import annotations

from cmr_synth.generators.spade_gan.generator import SpadeGanGenerator


class CvaeGenerator(SpadeGanGenerator):
    """A conditional VAE with trained weights on a device."""

    family = "cvae"
    in_bf16 = True
