"""The trained flow behind the interface of all generators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.flow.adapter import load_flow
from cmr_synth.generators.flow.network import FlowConfig, FlowNetwork, start_of
from cmr_synth.generators.flow.sampler import SOLVERS
from cmr_synth.generators.interface import Condition, Images, Progress, Sampling
from cmr_synth.generators.layout import Layout
from cmr_synth.generators.loaded import LoadedNetwork, as_images
from cmr_synth.generators.look import Look
from cmr_synth.generators.probing import Denoising
from cmr_synth.generators.transfer import read_transfer

FAMILY = "flow"
DEFAULT_STEPS = 4


class FlowGenerator(LoadedNetwork[FlowNetwork, FlowConfig]):
    """A flow with trained weights on a device."""

    family = FAMILY
    in_bf16 = True
    config_kind = FlowConfig
    network_kind = FlowNetwork
    takes = frozenset(
        {
            *("mask", "vendor", "phase", "pathology", "cohort", "z", "phenotypes", "tissues"),
            *("reference", "layout"),
            *("steps", "guidance", "sampler"),
        }
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
        network = load_flow(folder, device=device)
        return cls(network, device=device, transfer=read_transfer(folder))

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

    @property
    def samplers(self) -> tuple[str, ...]:
        """Names that `sampler` may have."""
        return tuple(SOLVERS)

    def make(self, conditions: Sequence[Condition], how: Sampling) -> Iterator[Progress | Images]:
        """Yield progress after every step, then the images.

        Samplers are "euler", for which the few-step
        stage and students are trained, and "heun", of second order, which takes two evaluations a
        step but for the last. A student takes no more steps than its own. Of a reference grey
        levels and grain are taken over.

        Raises
        ------
        InputError
            If a condition is not among those the model was trained with, or a reference is not
            on its grid.
        """
        solver = SOLVERS[how.sampler or "euler"]
        steps = self._steps(how.steps)
        given = mappings(conditions, self.config)
        mask = mask_tensor(conditions, self.config).to(self.device)
        start = start_of(self.config, self.noise(how, (1, *self.shape)), mask)
        look = Look(conditions, self.shape, self.device, times=steps)
        layout = Layout(conditions, self.shape, self.device)
        state = start
        run = solver(
            self.network,
            start,
            mask,
            given,
            steps=steps,
            guidance=1.0 if how.guidance is None else how.guidance,
            crowding=self.config.crowding,
            look=(lambda x: look(layout(x))) if look.rows or layout.rows else None,
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
