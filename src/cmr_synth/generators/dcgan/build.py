"""The networks of a configuration: those of DCGAN, or those that grow."""

from __future__ import annotations

from torch import nn

from cmr_synth.generators.dcgan.network import DcganConfig, DcganDiscriminator, DcganNetwork
from cmr_synth.generators.dcgan.progressive import ProgressiveDiscriminator, ProgressiveNetwork


def make_generator(config: DcganConfig) -> nn.Module:
    """The generator of a configuration."""
    return ProgressiveNetwork(config) if config.progressive else DcganNetwork(config)


def make_discriminator(config: DcganConfig) -> nn.Module:
    """The discriminator of a configuration."""
    return ProgressiveDiscriminator(config) if config.progressive else DcganDiscriminator(config)
