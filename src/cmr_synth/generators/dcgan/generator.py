"""A trained DCGAN or progressive GAN behind the interface of all generators: one pass, no mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn
from torch.nn import functional

from cmr_synth.generators.conditioning import mappings
from cmr_synth.generators.dcgan.build import make_generator
from cmr_synth.generators.dcgan.network import DcganConfig
from cmr_synth.generators.interface import Condition, Images, Progress, Sampling
from cmr_synth.generators.loaded import LoadedNetwork, as_images
from cmr_synth.generators.probing import Drawing

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

    def make(self, conditions: Sequence[Condition], how: Sampling) -> Iterator[Progress | Images]:
        """Yield progress, then the images.

        `steps` is ignored: there is one pass. A progressive network that has not grown to its full
        resolution makes coarser pictures, which are enlarged.

        Raises
        ------
        InputError
            If a condition is not among those the model was trained with.
        """
        given = mappings(conditions, self.config)
        growth = self.config.growth
        pictures = self.network(
            self.noise(how, (self.config.latent,)),
            given,
            self.config.fully_grown if growth is None else growth,
        )
        pictures = functional.interpolate(pictures, size=self.shape, mode="nearest")
        yield Progress(1, 1)
        yield as_images(pictures)
