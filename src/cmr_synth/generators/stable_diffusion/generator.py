"""A Stable Diffusion with ControlNet behind the interface of all generators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.diffusion.guide import guides, later_starts
from cmr_synth.generators.interface import Condition, Images, Progress, Sampling
from cmr_synth.generators.loaded import Family
from cmr_synth.generators.look import Look
from cmr_synth.generators.noise import Index, numbers_of
from cmr_synth.generators.probing import Drawing
from cmr_synth.generators.stable_diffusion.config import StableDiffusionConfig
from cmr_synth.generators.stable_diffusion.pipeline import FAMILY, load_pipeline
from cmr_synth.networks.folder import read_config

SAMPLERS = {
    "dpm-solver++": "DPMSolverMultistepScheduler",
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
}
DEFAULT_STEPS = 20


class StableDiffusionGenerator(Family):
    """A pipeline of diffusers on a device."""

    family = FAMILY
    takes = frozenset(
        {
            "mask",
            "vendor",
            "phase",
            "pathology",
            "z",
            "reference",
            "prompt",
            "steps",
            "guidance",
            "sampler",
        }
    )
    probe = Drawing()

    def __init__(self, pipeline: Any, config: StableDiffusionConfig, *, device: str = "cpu"):
        from diffusers import StableDiffusionControlNetImg2ImgPipeline

        self.device = torch.device(device)
        self.config = config
        self._from_noise = pipeline
        self._from_picture = StableDiffusionControlNetImg2ImgPipeline(
            **pipeline.components, requires_safety_checker=False
        )
        self._from_picture.set_progress_bar_config(disable=True)
        self._scheduler = pipeline.scheduler

    @classmethod
    def load(cls, folder: Path, *, device: str | None = None) -> StableDiffusionGenerator:
        """Read `config.json` and the folder `pipeline` of a model folder.

        `adopt` in `cmr_synth.generators.stable_diffusion.pipeline` makes one.

        Raises
        ------
        InputError
            If a part is missing or damaged, its weights are no safetensors, or transformers is
            not installed.
        """
        config = read_config(folder, StableDiffusionConfig, family=FAMILY)
        device = device or "cpu"
        pipeline = load_pipeline(Path(folder) / "pipeline", device=torch.device(device))
        return cls(pipeline, config, device=device)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the working grid."""
        return self.config.shape

    @property
    def samplers(self) -> tuple[str, ...]:
        """Names that `sampler` may have."""
        return tuple(SAMPLERS)

    def make(self, conditions: Sequence[Condition], how: Sampling) -> Iterator[Progress | Images]:
        """Yield progress after every step, then the images.

        The text is the prompt of a condition, or
        made of its other fields. Samplers are "dpm-solver++", "ddim" and "ddpm"; by default that
        of the pipeline. The look of a reference is taken over by a second start, from a picture
        with partial noise; see `cmr_synth.generators.diffusion.guide`.

        Raises
        ------
        InputError
            If a condition is not among the words of the model, or a reference is not on its grid.
        """
        mappings(conditions, self.config)  # refuses unknown words
        steps = DEFAULT_STEPS if how.steps is None else how.steps
        order, count = self._counts(how.sampler, steps)
        control = self.config.mask_picture(mask_tensor(conditions, self.config))
        look = Look(conditions, self.shape, torch.device("cpu"))
        later = later_starts(conditions, look, steps)
        # evaluations left after a later start; some samplers take more than one a step
        left = {start: count - start * order if start < steps else 0 for start in later}
        total = count + sum(left.values())
        done = 0

        def run(rows: list[int], start: int, guided: Tensor | None) -> Iterator[Any]:
            texts = [self.config.text(conditions[i]) for i in rows]
            options: dict[str, Any] = {
                "prompt": texts,
                "negative_prompt": [self.config.negative] * len(rows),
                "num_inference_steps": steps,
                "guidance_scale": 1.0 if how.guidance is None else how.guidance,
                "controlnet_conditioning_scale": self.config.control_scale,
                "generator": [own_draws(how.seed, how.indices[i]) for i in rows],
                "output_type": "pt",
                "height": self.config.pixels[0],
                "width": self.config.pixels[1],
            }
            if guided is None:
                pipeline, options["image"] = self._from_noise, control[rows]
            else:
                pipeline, options["control_image"] = self._from_picture, control[rows]
                options["image"] = self.config.from_grid((guided[rows] + 1) / 2)
                # a little more, or rounding down would lose a step
                options["strength"] = min((steps - start + 0.01) / steps, 1.0)
            pipeline.scheduler = self._fresh_scheduler(how.sampler)
            return _stepwise(pipeline, options)

        pictures = torch.empty(0)
        for result in run(list(range(len(conditions))), 0, None):
            if result is None:
                done += 1
                yield Progress(done, total)
            else:
                pictures = self.config.to_grid(result.images.cpu())
        guided = guides(2 * pictures - 1, look)
        for start, rows in later.items():  # one start for a whole batch, so by groups
            pictures[rows] = (guided[rows] + 1) / 2
            if not left[start]:
                continue
            for result in run(rows, start, guided):
                if result is None:
                    done += 1
                    yield Progress(done, total)
                else:
                    pictures[rows] = self.config.to_grid(result.images.cpu())
        yield Images(pictures[:, 0].clamp(0, 1).numpy().astype(np.float32))

    def _fresh_scheduler(self, sampler: str | None) -> Any:
        """With no memory of another picture."""
        import diffusers

        own = self._scheduler
        kind = getattr(diffusers, SAMPLERS[sampler]) if sampler else type(own)
        return kind.from_config(own.config)

    def _counts(self, sampler: str | None, steps: int) -> tuple[int, int]:
        """Order of the sampler, and the network evaluations of so many steps of it."""
        scheduler = self._fresh_scheduler(sampler)
        most = int(scheduler.config.num_train_timesteps)
        if not 1 <= steps <= most:
            raise InputError(
                f"steps: {steps} given; this model takes 1 to {most}, as many as it was trained "
                "with."
            )
        scheduler.set_timesteps(steps)
        return int(scheduler.order), len(scheduler.timesteps)


def own_draws(seed: int, index: Index) -> torch.Generator:
    """The generator of all noise of one image."""
    number = np.random.SeedSequence([seed, *numbers_of(index)]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(number) % 2**63)


def _stepwise(pipeline: Callable[..., Any], options: dict[str, Any]) -> Iterator[Any]:
    """Call a pipeline; yield None after each of its steps, and then its result.

    The pipeline runs in a thread of its own, so that a caller sees every step, and can stop: when
    the iterator is closed the steps that are left are passed over.
    """
    told: SimpleQueue[bool] = SimpleQueue()
    stop = False

    def after_step(running: Any, _step: int, _time: Any, given: dict[str, Any]) -> dict[str, Any]:
        running._interrupt = stop  # how diffusers' pipelines are stopped
        told.put(True)
        return given

    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(pipeline, callback_on_step_end=after_step, **options)
        future.add_done_callback(lambda _: told.put(False))
        try:
            while told.get():
                yield None
            yield future.result()
        finally:
            stop = True
