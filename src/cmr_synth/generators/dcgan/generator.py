"""A trained DCGAN or progressive GAN behind the interface of all generators: one pass, no mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import mappings
from cmr_synth.generators.dcgan.network import DcganConfig, make_generator
from cmr_synth.generators.interface import Condition, Images, Progress, noise_for
from cmr_synth.generators.probing import Drawing
from cmr_synth.generators.refusals import refuse_guidance, refuse_prompt, refuse_sampler
from cmr_synth.networks.folder import read_config, with_weights

FAMILY = "dcgan"


class DcganGenerator:
    """A DCGAN or progressive GAN with trained weights on a device.

    It makes pictures of no particular anatomy: leave `Condition.mask` and `Condition.reference`
    out. Vendor, phase, pathology and z may be stated, or left open too.
    """

    takes = frozenset({"vendor", "phase", "pathology", "z"})
    probe = Drawing()

    def __init__(self, network: nn.Module, config: DcganConfig, *, device: str = "cpu"):
        self.device = torch.device(device)
        self.network = network.eval().to(self.device)
        # faster convolutions; torch's annotations do not know this overload
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.config = config

    @classmethod
    def load(cls, folder: Path, *, device: str | None = None) -> DcganGenerator:
        """Read `config.json` and `weights.safetensors` of a model folder.

        Raises
        ------
        InputError
            If one is missing, damaged, or does not fit the other.
        """
        config = read_config(folder, DcganConfig, family=FAMILY)
        device = device or "cpu"
        return cls(
            with_weights(make_generator(config), folder, device=device), config, device=device
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the working grid."""
        return self.config.shape

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
        refuse_prompt(FAMILY, conditions)
        _refuse_pictures(conditions)
        indices = range(len(conditions)) if indices is None else indices
        given = mappings(conditions, self.config)
        drawn = np.stack([noise_for(seed, i, (self.config.latent,)) for i in indices])
        growth = self.config.growth
        pictures = self.network(
            torch.from_numpy(drawn).to(self.device),
            given,
            self.config.fully_grown if growth is None else growth,
        )
        pictures = functional.interpolate(pictures, size=self.shape, mode="nearest")
        yield Progress(1, 1)
        yield Images(((pictures[:, 0].clamp(-1, 1) + 1) / 2).cpu().numpy())


def _refuse_pictures(conditions: Sequence[Condition]) -> None:
    if any(condition.mask is not None for condition in conditions):
        raise InputError(
            f"mask: models of {FAMILY!r} cannot follow one; leave the mask out or choose another "
            "family."
        )
    if any(condition.reference is not None for condition in conditions):
        raise InputError(
            f"reference: models of {FAMILY!r} take over no look; leave it out or choose another "
            "family."
        )
