"""The trained SPADE GAN behind the interface of all generators: one pass, for live preview."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.interface import Condition, Images, Progress, Sampling
from cmr_synth.generators.loaded import LoadedNetwork, as_images
from cmr_synth.generators.probing import Encoding
from cmr_synth.generators.spade_gan.network import SpadeConfig, SpadeGan


class SpadeGanGenerator(LoadedNetwork[SpadeGan, SpadeConfig]):
    """A SPADE GAN with trained weights on a device."""

    family = "spade-gan"
    in_bf16 = True
    config_kind = SpadeConfig
    network_kind = SpadeGan
    takes = frozenset({"mask", "vendor", "phase", "pathology", "cohort", "z", "reference"})

    @property
    def probe(self) -> Encoding:
        """What a membership attack may use; see `cmr_synth.generators.probing`."""
        return Encoding(
            encoder=self.network.encoder, decoder=self.network.generator, config=self.config
        )

    def make(self, conditions: Sequence[Condition], how: Sampling) -> Iterator[Progress | Images]:
        """Yield progress, then the images.

        A reference gives its style, as far as its strength says; without one the style is drawn.
        `steps` is ignored: there is one pass.

        Raises
        ------
        InputError
            If a condition is not among those the model was trained with.
        """
        given = mappings(conditions, self.config)
        mask = mask_tensor(conditions, self.config).to(self.device)
        rows, columns = self.shape
        width = self.config.style
        drawn = self.noise(how, (width + rows * columns,))
        style = self.network.prior(drawn[:, :width], mask, given)
        noise = drawn[:, width:].reshape(-1, 1, rows, columns)
        style = self._with_references(style, conditions)
        pictures = self.network.generator(style, noise, mask, given)
        yield Progress(1, 1)
        yield as_images(pictures)

    def _with_references(self, style: Tensor, conditions: Sequence[Condition]) -> Tensor:
        """Drawn styles, moved towards those of the references."""
        for i, condition in enumerate(conditions):
            if condition.reference is None or not condition.reference_strength:
                continue
            picture = torch.from_numpy(np.asarray(condition.reference, dtype=np.float32))
            mean, _ = self.network.encoder(2 * picture[None, None].to(self.device) - 1)
            style[i] = torch.lerp(style[i], mean[0], condition.reference_strength)
        return style
