"""A trained DCGAN or progressive GAN behind the interface of all generators: one pass, no mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.nn import functional

from cmr_synth.generators.conditioning import mappings
from cmr_synth.generators.dcgan.build import make_generator
from cmr_synth.generators.dcgan.network import DcganConfig
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.generators.loaded import LoadedNetwork, as_images
from cmr_synth.generators.probing import Drawing
from cmr_synth.generators.refusals import refuse_guidance, refuse_sampler, refuse_untaken

FAMILY = "dcgan"


class DcganGenerator(LoadedNetwork[nn.Module, DcganConfig]):
    """A DCGAN or progressive GAN with trained weights on a device.

    It makes pictures of no particular anatomy: leave `Condition.mask` and `Condition.reference`
    out. Vendor, phase, pathology and z may be stated, or left open too.
    """

    family = FAMILY
    config_kind = DcganConfig
    network_kind = staticmethod(make_generator)
    takes = frozenset({"vendor", "phase", "pathology", "z"})
    probe = Drawing()

    @torch.no_grad()
    def sample(
        self,
        conditions: Sequence[Condition],
        *,
        seed: int,
        indices: Sequence[int] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
    ) -> Iterator[Progress | Images]:
        """Yield progress, then the images; see `cmr_synth.generators.interface.Generator`.

        `steps` is ignored: there is one pass. A progressive network that has not grown to its full
        resolution makes coarser pictures, which are enlarged.

        Raises
        ------
        InputError
            If a mask or a reference is given, a condition is not among those the model was trained
            with, or a sampler, guidance or prompt is asked for.
        """
        refuse_sampler(FAMILY, sampler)
        refuse_guidance(FAMILY, guidance)
        refuse_untaken(FAMILY, self.takes, conditions)
        indices = range(len(conditions)) if indices is None else indices
        given = mappings(conditions, self.config)
        growth = self.config.growth
        pictures = self.network(
            self.noise(seed, indices, (self.config.latent,)),
            given,
            self.config.fully_grown if growth is None else growth,
        )
        pictures = functional.interpolate(pictures, size=self.shape, mode="nearest")
        yield Progress(1, 1)
        yield as_images(pictures)
