"""Where a model runs and why there: CUDA, Apple's GPU or the processor, in one sentence.

The answer is wanted long before a model is: a window that only opens shall not import torch. Until
somebody else has imported it, what torch could do is read from the files of its installation and
of the GPU's driver; once it is imported, torch itself is asked.
"""

from __future__ import annotations

import os
import platform
import runpy
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cmr_synth.errors import InputError

DEVICES = ("cpu", "cuda", "mps")
"""Every kind, as torch calls it."""

_NVIDIA = (
    Path("/proc/driver/nvidia/version"),
    Path("/dev/dxg"),  # Windows' GPU inside its Linux
    Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "nvcuda.dll",
)


@dataclass(frozen=True)
class Device:
    """Where a model runs.

    Attributes
    ----------
    name : str
        One of `DEVICES`.
    title : str
        To show: "CPU", "CUDA GPU" or "Apple GPU".
    reason : str
        One sentence.
    """

    name: str
    title: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What decides where a model can run.

    Attributes
    ----------
    torch : str or None
        Version of the installed torch.
    cuda : str or None
        Version of CUDA (or ROCm) that torch is built for.
    nvidia_driver, apple_gpu : bool
        Whether they were found on this machine.
    macos : bool
        Whether this is a Mac, so that NVIDIA is not to be expected.
    hidden : bool
        Whether CUDA_VISIBLE_DEVICES hides every GPU.
    usable : tuple of str, optional
        What torch says that it can use; None before it is imported.
    gpu : str
        Name of the CUDA GPU, where torch told it.
    """

    torch: str | None
    cuda: str | None = None
    nvidia_driver: bool = False
    apple_gpu: bool = False
    macos: bool = False
    hidden: bool = False
    usable: tuple[str, ...] | None = None
    gpu: str = ""


def available() -> tuple[str, ...]:
    """Devices that torch can use on this machine, the fastest last; imports torch."""
    import torch

    there = ["cpu"]
    if torch.cuda.is_available():
        there.append("cuda")
    if torch.backends.mps.is_available():
        there.append("mps")
    return tuple(there)


def require(device: str) -> None:
    """Check that torch can use a device; imports torch.

    Raises
    ------
    InputError
        Naming those that it can use.
    """
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"device {device!r} cannot be used here; available are {', '.join(available())}."
        ) from error


def surroundings() -> Surroundings:
    """Look at this machine; does not import torch."""
    torch, facts = imported_torch(), _torch_build()
    usable, gpu = None, ""
    if torch is not None:
        usable = available()
        if "cuda" in usable:
            gpu = torch.cuda.get_device_name()
    stated = os.environ.get("CUDA_VISIBLE_DEVICES")
    return Surroundings(
        torch=facts.get("__version__"),
        cuda=facts.get("cuda") or facts.get("hip"),
        nvidia_driver=any(path.exists() for path in _NVIDIA),
        apple_gpu=sys.platform == "darwin" and platform.machine() == "arm64",
        macos=sys.platform == "darwin",
        hidden=stated is not None and stated.strip() in ("", "-1"),
        usable=usable,
        gpu=gpu,
    )


def choose(wanted: str | None = None, *, here: Surroundings | None = None) -> Device:
    """The device that a model is going to run on, and why; does not import torch.

    Parameters
    ----------
    wanted : str, optional
        "cpu", "cuda" or "mps"; None or "auto" takes the fastest that is there.
    here : Surroundings, optional
        By default this machine's.

    Returns
    -------
    Device

    Raises
    ------
    InputError
        If torch is not installed, or what is wanted is unknown or not there, saying why.
    """
    here = here or surroundings()
    if here.torch is None:
        raise InputError("torch is not installed, and every model needs it; install it.")
    usable = here.usable
    if usable is None:
        found = {"cpu": True, "cuda": _expects_cuda(here), "mps": here.apple_gpu}
        usable = tuple(name for name in DEVICES if found[name])
    if wanted in (None, "", "auto"):
        name = usable[-1]
        return Device(name, _TITLES[name], _why(name, here))
    if wanted not in DEVICES:
        raise InputError(f"device {wanted!r} is unknown; choose {', '.join(DEVICES)} or auto.")
    if wanted not in usable:
        because = _why_no_cuda(here) if wanted == "cuda" else _why_no_apple_gpu(here)
        raise InputError(
            f"device {wanted!r} was chosen but cannot be used: {because}. Choose auto."
        )
    faster = usable[-1] != wanted
    reason = f"Chosen in the settings{', though a GPU is there' if faster else ''}."
    return Device(wanted, _TITLES[wanted], reason)


_TITLES = {"cpu": "CPU", "cuda": "CUDA GPU", "mps": "Apple GPU"}


def _why(name: str, here: Surroundings) -> str:
    if name == "cuda":
        return f"{here.gpu or 'An NVIDIA driver'} is here, and torch is built for CUDA {here.cuda}."
    if name == "mps":
        return "This Mac has an Apple GPU, which torch uses through Metal."
    because = _why_no_apple_gpu(here) if here.macos else _why_no_cuda(here)
    return f"No GPU is used: {because}."


def _why_no_cuda(here: Surroundings) -> str:
    if here.cuda is None:
        without = f"torch {here.torch} is built without CUDA"
        if here.nvidia_driver:
            return f"{without} although an NVIDIA driver is here; install a CUDA build to use it"
        return f"{without}, and no NVIDIA driver was found"
    if here.hidden:
        return "CUDA_VISIBLE_DEVICES hides every GPU"
    if not here.nvidia_driver:
        return f"torch is built for CUDA {here.cuda}, but no NVIDIA driver was found"
    return (
        f"torch is built for CUDA {here.cuda} and an NVIDIA driver is here, but torch cannot use "
        "it; the driver may be too old"
    )


def _why_no_apple_gpu(here: Surroundings) -> str:
    if not here.macos:
        return "an Apple GPU is only in a Mac"
    if not here.apple_gpu:
        return "this Mac has no Apple GPU (it is an Intel Mac, or Python runs translated)"
    return f"torch {here.torch} cannot use the Apple GPU of this Mac; it needs macOS 12.3 or later"


def _expects_cuda(here: Surroundings) -> bool:
    return here.cuda is not None and here.nvidia_driver and not here.hidden


def imported_torch() -> Any:
    """The torch module once its import has ended; asking earlier would wait for that."""
    torch = sys.modules.get("torch")
    under_way = getattr(getattr(torch, "__spec__", None), "_initializing", False)
    return None if under_way else torch


def _torch_build() -> dict[str, Any]:
    """What torch's version file states; running it alone imports nothing of torch."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return {}
    try:
        return runpy.run_path(str(Path(spec.origin).with_name("version.py")))
    except (OSError, ImportError, SyntaxError):
        return {"__version__": installed_version("torch")}


def installed_version(package: str) -> str | None:
    """Of a package; None if it is not here."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
