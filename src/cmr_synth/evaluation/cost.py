"""What a model costs: seconds a slice, parameters, memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition, Generator

REPEATS = 7


@dataclass(frozen=True)
class Cost:
    """Of one slice on this machine, the model warm.

    Parameters
    ----------
    seconds, fastest, slowest : float
        Median and range over the repeats.
    parameters : int
        Numbers in the weights.
    memory_mb : float
        Largest resident memory of a process that loads the model and makes the slice.
    threads : int
    """

    seconds: float
    fastest: float
    slowest: float
    parameters: int
    memory_mb: float
    threads: int


def cost(folder: Path, *, steps: int | None = None, repeats: int = REPEATS) -> Cost:
    """Measure a model folder in a process of its own, so that models do not add up.

    Raises
    ------
    InputError
        If the process fails, with the last line that it said.
    """
    command = [sys.executable, "-m", "cmr_synth.evaluation.cost", str(folder)]
    done = subprocess.run(
        [*command, str(steps or 0), str(repeats)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise InputError(f"{folder}: its cost could not be measured ({lines[-1]}).")
    return Cost(**json.loads(done.stdout.strip().splitlines()[-1]))


def seconds_a_slice(
    generator: Generator, condition: Condition, *, steps: int | None, repeats: int
) -> list[float]:
    """Seconds of each of `repeats` slices, after one that warms up."""
    taken = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        for _ in generator.sample([condition], seed=0, steps=steps):
            pass
        taken.append(time.perf_counter() - start)
    return taken[1:]


def _main(folder: str, steps: str, repeats: str) -> None:
    import torch

    from cmr_synth.anatomy.template import draw_slice
    from cmr_synth.generators.zoo import load
    from cmr_synth.networks.weights import load_weights

    model = load(Path(folder))
    rows, columns = model.generator.shape
    spacing = model.card.grid.spacing_mm
    mask = draw_slice(shape=(rows, columns), spacing=(spacing, spacing), level="mid")
    condition = Condition(mask=mask if "mask" in model.generator.takes else None)
    wanted = int(steps) or model.card.default_steps
    taken = seconds_a_slice(model.generator, condition, steps=wanted, repeats=int(repeats))
    weights = load_weights(Path(folder) / "weights.safetensors")
    print(
        json.dumps(
            {
                "seconds": statistics.median(taken),
                "fastest": min(taken),
                "slowest": max(taken),
                "parameters": sum(value.numel() for value in weights.values()),
                "memory_mb": _peak_mb(),
                "threads": torch.get_num_threads(),
            }
        )
    )


def _peak_mb() -> float:
    """Largest resident memory of this process so far."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except InputError as error:
        sys.exit(str(error))
