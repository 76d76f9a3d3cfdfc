"""The network that a configuration asks for."""

from __future__ import annotations

from typing import Any

from cmr_synth.generators.backbones.config import BackboneConfig


def make_backbone(config: BackboneConfig, *, inputs: int, outputs: int) -> Any:
    """Build it; called as `UNet2DModel` of diffusers is, whatever it is.

    Parameters
    ----------
    config : BackboneConfig
    inputs, outputs : int
        Channels of a position.

    Returns
    -------
    torch Module
        From (n, inputs, rows, columns) positions, (n,) times in [0, 1000) and `class_labels`, the
        (n, `config.vector`) conditions, to an object whose `sample` is (n, outputs, rows, columns).
    """
    if config.backbone == "unet":
        from cmr_synth.generators.backbones.unet import make_unet

        return make_unet(config, inputs=inputs, outputs=outputs)
    from cmr_synth.generators.backbones.transformer import Transformer

    return Transformer(config, inputs=inputs, outputs=outputs)
