"""The trained flow behind the interface of all generators."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.errors import InputError
from cmr_synth.generators.flow.network import FlowConfig, FlowNetwork, one_hot_mask
from cmr_synth.generators.flow.sampler import euler
from cmr_synth.generators.interface import Condition, Images, Progress, noise_for
from cmr_synth.generators.weights import load_weights, set_state

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
        folder = Path(folder)
        try:
            about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            config = FlowConfig(**about["config"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{folder / 'config.json'}: not a flow's configuration ({reason}); get the "
                "model again."
            ) from error
        network = FlowNetwork(config)
        set_state(network, load_weights(folder / "weights.safetensors"))
        return cls(network, device=device or "cpu")

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
        mappings = [self._mapping(condition) for condition in conditions]
        labels = np.stack([self._labels(condition) for condition in conditions])
        noise = np.stack([noise_for(seed, i, (1, *self.shape)) for i in indices])
        state = torch.from_numpy(noise).to(self.device)
        mask = one_hot_mask(torch.from_numpy(labels).long().to(self.device))
        run = euler(self.network, state, mask, mappings, steps=steps, guidance=guidance)
        for step, estimate in enumerate(run, start=1):
            state = estimate
            yield Progress(step, steps)
        yield Images(((state[:, 0].clamp(-1, 1) + 1) / 2).cpu().numpy())

    def _labels(self, condition: Condition) -> np.ndarray:
        if condition.mask is None:
            return np.full(self.shape, UNLABELLED, dtype=np.uint8)
        if condition.mask.shape != self.shape:
            raise ValueError(f"mask of {condition.mask.shape} given, the model's is {self.shape}")
        return np.asarray(condition.mask, dtype=np.uint8)

    def _mapping(self, condition: Condition) -> dict[str, Any]:
        for name, given, known in (
            ("vendor", condition.vendor, self.config.vendors),
            ("phase", condition.phase, self.config.phases),
            ("pathology", condition.pathology, self.config.pathologies),
        ):
            if given is not None and given not in known:
                raise InputError(
                    f"{name} {given!r}: this model knows {', '.join(known)}; choose one of them "
                    "or leave it unspecified."
                )
        return {
            "vendor": condition.vendor,
            "phase": condition.phase,
            "pathology": condition.pathology,
            "z": condition.z,
        }
