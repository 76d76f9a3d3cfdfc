"""What a report of a fault should hold, as text to copy: machine, versions, device and models."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path

from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.device import (
    Surroundings,
    choose,
    imported_torch,
    installed_version,
    surroundings,
)
from cmr_synth.generators.identity import identity_of

PACKAGES = (
    "numpy",
    "scipy",
    "torch",
    "diffusers",
    "monai",
    "nibabel",
    "napari",
    "qtpy",
    "PyQt5",
    "PyQt6",
    "PySide6",
)
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")  # change speed or device


def diagnostics() -> str:
    """What a report of a fault should hold: versions, machine, torch, device, models.

    Returns
    -------
    str
        Lines of text without names of people or folders.
    """
    here = surroundings()
    try:
        device = choose(here=here)
        where = f"{device.title}. {device.reason}"
    except InputError as error:
        where = str(error)
    lines = [
        f"napari-cmr-synth {installed_version('napari-cmr-synth') or 'not installed'}",
        f"System: {platform.platform()}, {platform.machine()}",
        f"Python: {platform.python_version()} ({platform.python_implementation()})",
        f"Processor: {_processor()}, {_threads()}",
        f"Memory: {_memory()}",
        f"torch: {here.torch or 'not installed'}, {_build(here)}",
        f"Device: {where}",
        "Packages: "
        + _joined(f"{name} {v}" for name in PACKAGES if (v := installed_version(name))),
        "Environment: "
        + _joined(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ),
        "Models:",
        *_models(),
    ]
    return "\n".join(lines)


def _build(here: Surroundings) -> str:
    torch = imported_torch()
    build = f"built for CUDA {here.cuda}" if here.cuda else "built without CUDA"
    if torch is None:
        return f"{build}, not imported yet"
    return (
        f"{build}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
        + (f", {here.gpu}" if here.gpu else "")
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _threads() -> str:
    return f"{os.cpu_count()} cores, {cores_allowed()} of them for this program"


def cores_allowed() -> int | None:
    """Cores that this program may use, where the system says it; else those that there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _memory() -> str:
    import psutil

    memory = psutil.virtual_memory()
    own = psutil.Process().memory_info().rss
    gib = 2**30
    return (
        f"{memory.total / gib:.1f} GiB, {memory.available / gib:.1f} GiB available, "
        f"{own / gib:.1f} GiB used by this program"
    )


def _models() -> Iterable[str]:
    for entry in zoo.entries():
        try:
            card = zoo.card_of(entry)
            facts = f"{entry.source}, {card.family}, {card.version}"
            yield f"  {entry.name} ({facts}): {identity_of(card)}"
        except InputError:
            yield f"  {entry.name} ({entry.source}): its card is damaged"


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts) or "nothing set"
