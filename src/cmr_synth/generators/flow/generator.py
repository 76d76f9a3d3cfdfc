"""The trained flow behind the interface of all generators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.flow.network import FlowConfig, FlowNetwork
from cmr_synth.generators.flow.sampler import euler
from cmr_synth.generators.folder import read_config, with_weights
from cmr_synth.generators.interface import Condition, Images, Progress, noise_for

DEFAULT_STEPS = 4


class FlowGenerator:
    """A flow with trained weights on a device."""

    def __init__(self, network: FlowNetwork, *, device: str = "cpu"):
        self.device = torch.device(device)
        self.network = network.eval().to(self.device)
        # faster convolutions; torch's annotations do not know this overload
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.config: FlowConfig = network.config

    @classmethod
    def load(cls, folder: Path, *, device: str | None = None) -> FlowGenerator:
        """Read `config.json` and `weights.safetensors` of a model folder.

        Raises
        ------
        InputError
            If one is missing, damaged, or does not fit the other.
        """
        network = FlowNetwork(read_config(folder, FlowConfig, family="flow"))
        device = device or "cpu"
        return cls(with_weights(network, folder, device=device), device=device)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the working grid."""
        return self.config.shape

    def sample(
        self,
        conditions: Sequence[Condition],
        *,
        seed: int,
        indices: Sequence[int] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Iterator[Progress | Images]:
        """Yield progress after every network evaluation, then the images.

        See `cmr_synth.generators.interface.Generator`.

        Raises
        ------
        InputError
            If a condition is not among those the model was trained with.
        """
        steps = DEFAULT_STEPS if steps is None else steps
        if steps < 1:
            raise InputError(f"steps: {steps} given; give a whole number of 1 or more.")
        guidance = 1.0 if guidance is None else guidance
        indices = range(len(conditions)) if indices is None else indices
        given = mappings(conditions, self.config)
        mask = mask_tensor(conditions, self.config).to(self.device)
        noise = np.stack([noise_for(seed, i, (1, *self.shape)) for i in indices])
        state = torch.from_numpy(noise).to(self.device)
        run = euler(self.network, state, mask, given, steps=steps, guidance=guidance)
        for step, estimate in enumerate(run, start=1):
            state = estimate
            yield Progress(step, steps)
        yield Images(((state[:, 0].clamp(-1, 1) + 1) / 2).cpu().numpy())
