"""The trained flow behind the interface of all generators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.flow.adapter import load_flow
from cmr_synth.generators.flow.network import FlowConfig, FlowNetwork, start_of
from cmr_synth.generators.flow.sampler import SOLVERS
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.generators.loaded import LoadedNetwork, as_images
from cmr_synth.generators.look import Look
from cmr_synth.generators.probing import Denoising
from cmr_synth.generators.refusals import refuse_sampler, refuse_untaken

FAMILY = "flow"
DEFAULT_STEPS = 4


class FlowGenerator(LoadedNetwork[FlowNetwork, FlowConfig]):
    """A flow with trained weights on a device."""

    family = FAMILY
    config_kind = FlowConfig
    network_kind = FlowNetwork
    takes = frozenset(
        {"mask", "vendor", "phase", "pathology", "z", "reference", "steps", "guidance", "sampler"}
    )

    @classmethod
    def load(cls, folder: Path, *, device: str | None = None) -> FlowGenerator:
        """Read `config.json` and `weights.safetensors` of a model folder.

        Raises
        ------
        InputError
            If one is missing, damaged, or does not fit the other; if it changes the weights of
            another model, and that is not there.
        """
        device = device or "cpu"
        return cls(load_flow(folder, device=device), device=device)

    @property
    def probe(self) -> Denoising:
        """What a membership attack may use; see `cmr_synth.generators.probing`."""
        adapter = self.config.adapter
        return Denoising(
            network=self.network,
            config=self.config,
            straight=True,
            steps=adapter.steps if adapter else None,
            start=start_of,
        )

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
        """Yield progress after every step, then the images.

        See `cmr_synth.generators.interface.Generator`. Samplers are "euler", for which the few-step
        stage and students are trained, and "heun", of second order, which takes two evaluations a
        step but for the last. A student takes no more steps than its own. Of a reference grey
        levels and grain are taken over.

        Raises
        ------
        InputError
            If a condition is not among those the model was trained with, a reference is not on
            its grid, or a sampler or prompt is asked for that it has not.
        """
        refuse_sampler(FAMILY, sampler, tuple(SOLVERS))
        refuse_untaken(FAMILY, self.takes, conditions)
        solver = SOLVERS[sampler or "euler"]
        steps = self._steps(steps)
        guidance = 1.0 if guidance is None else guidance
        indices = range(len(conditions)) if indices is None else indices
        given = mappings(conditions, self.config)
        mask = mask_tensor(conditions, self.config).to(self.device)
        start = start_of(self.config, self.noise(seed, indices, (1, *self.shape)), mask)
        look = Look(conditions, self.shape, self.device, times=steps)
        state = start
        run = solver(
            self.network,
            start,
            mask,
            given,
            steps=steps,
            guidance=guidance,
            crowding=self.config.crowding,
            look=look if look.rows else None,
        )
        for step, estimate in enumerate(run, start=1):
            state = estimate
            yield Progress(step, steps)
        yield as_images(state)

    def _steps(self, asked: int | None) -> int:
        """Steps to take: a student has learned no more than its own."""
        adapter = self.config.adapter
        most = adapter.steps if adapter else None
        steps = (most or DEFAULT_STEPS) if asked is None else asked
        if steps < 1:
            raise InputError(f"steps: {steps} given; give a whole number of 1 or more.")
        return min(steps, most) if most else steps
