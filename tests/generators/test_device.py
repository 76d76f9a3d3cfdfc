"""Which device is used and why, for machines of every kind, and what a fault report holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cmr_synth.errors import InputError
from cmr_synth.generators import device
from cmr_synth.generators.device import Surroundings, choose, surroundings
from cmr_synth.generators.diagnostics import diagnostics

CPU_BUILD = Surroundings(torch="2.13.0+cpu")
CUDA_BUILD = Surroundings(torch="2.13.0", cuda="12.6", nvidia_driver=True)
MAC = Surroundings(torch="2.13.0", macos=True, apple_gpu=True)


def like(here: Surroundings, **changes) -> Surroundings:
    from dataclasses import replace

    return replace(here, **changes)


@pytest.mark.parametrize(
    ("here", "name", "reason"),
    [
        (CPU_BUILD, "cpu", "built without CUDA, and no NVIDIA driver was found"),
        (like(CPU_BUILD, nvidia_driver=True), "cpu", "although an NVIDIA driver is here"),
        (CUDA_BUILD, "cuda", "built for CUDA 12.6"),
        (like(CUDA_BUILD, usable=("cpu", "cuda"), gpu="NVIDIA X"), "cuda", "^NVIDIA X is here"),
        (like(CUDA_BUILD, nvidia_driver=False), "cpu", "but no NVIDIA driver was found"),
        (like(CUDA_BUILD, hidden=True), "cpu", "CUDA_VISIBLE_DEVICES hides"),
        (like(CUDA_BUILD, usable=("cpu",)), "cpu", "torch cannot use it; the driver may be too"),
        (MAC, "mps", "Apple GPU"),
        (like(MAC, apple_gpu=False), "cpu", "this Mac has no Apple GPU"),
        (like(MAC, usable=("cpu",)), "cpu", "cannot use the Apple GPU of this Mac"),
    ],
)
def test_the_fastest_is_chosen_and_one_sentence_says_why(here, name, reason) -> None:
    import re

    for wanted in (None, "auto", ""):
        chosen = choose(wanted, here=here)
        assert chosen.name == name
        assert re.search(reason, chosen.reason)
        assert chosen.reason.endswith(".") and "\n" not in chosen.reason


def test_what_the_user_chose_is_kept() -> None:
    assert choose("cpu", here=CUDA_BUILD).name == "cpu"
    assert choose("cpu", here=CUDA_BUILD).reason == "Chosen in the settings, though a GPU is there."
    assert choose("cpu", here=CPU_BUILD).reason == "Chosen in the settings."


@pytest.mark.parametrize(
    ("wanted", "here", "message"),
    [
        ("cuda", CPU_BUILD, "'cuda' was chosen but cannot be used: torch 2.13.0.cpu is built with"),
        ("mps", CPU_BUILD, "'mps' was chosen .* only in a Mac"),
        ("cuda", like(CUDA_BUILD, usable=("cpu",)), "driver may be too old. Choose auto"),
        ("tpu", CPU_BUILD, "'tpu' is unknown; choose cpu, cuda, mps or auto"),
        (None, Surroundings(torch=None), "torch is not installed"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(wanted, here, message) -> None:
    with pytest.raises(InputError, match=message):
        choose(wanted, here=here)


def test_what_is_foreseen_is_what_torch_then_says() -> None:
    foreseen = choose(here=like(surroundings(), usable=None, gpu=""))
    import torch  # noqa: F401  from here on torch itself is asked

    here = surroundings()
    assert here.usable == device.available()
    assert choose(here=here).name == foreseen.name == device.available()[-1]


def test_looking_imports_no_torch() -> None:
    look = (
        "import sys; from cmr_synth.generators import device, diagnostics; device.choose(); "
        "diagnostics.diagnostics(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", look], timeout=120).returncode == 0


def test_the_report_names_versions_and_models_and_no_folder() -> None:
    from cmr_synth.generators import zoo
    from cmr_synth.generators.identity import identity_of

    text = diagnostics()
    for entry in zoo.entries():
        assert f"{entry.name} ({entry.source}" in text and identity_of(zoo.card_of(entry)) in text
    for word in ("System: ", "Python: ", "Processor: ", "Memory: ", "torch: ", "Device: ", "numpy"):
        assert word in text
    assert str(Path.home()) not in text
    assert str(Path(device.__file__).parent) not in text


def test_a_model_runs_where_it_is_said_to(tiny_model: Path) -> None:
    from cmr_synth.generators import zoo

    assert str(zoo.load(tiny_model).generator.device).startswith(choose().name)
