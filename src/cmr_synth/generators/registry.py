"""The families of generators by name; third parties add theirs as entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from cmr_synth.errors import InputError

GROUP = "cmr_synth.generators"
BUILT_IN = {
    "flow": "cmr_synth.generators.flow.generator:FlowGenerator",
    "spade-gan": "cmr_synth.generators.spade_gan.generator:SpadeGanGenerator",
    "diffusion": "cmr_synth.generators.diffusion.generator:DiffusionGenerator",
    "latent": "cmr_synth.generators.latent.generator:LatentGenerator",
    "latent-control": "cmr_synth.generators.latent_control.generator:LatentControlGenerator",
    "cvae": "cmr_synth.generators.cvae.generator:CvaeGenerator",
    "dcgan": "cmr_synth.generators.dcgan.generator:DcganGenerator",
    "stable-diffusion": "cmr_synth.generators.stable_diffusion.generator:StableDiffusionGenerator",
}


def families() -> dict[str, EntryPoint]:
    """Every family by name; nothing is imported before `.load()`."""
    found: dict[str, EntryPoint] = {}
    ours = [EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()]
    for entry in [*ours, *entry_points(group=GROUP)]:
        if entry.name in found:
            raise ValueError(
                f"generator {entry.name!r} is declared twice: {found[entry.name].value}, "
                f"{entry.value}"
            )
        found[entry.name] = entry
    return found


def load_family(name: str) -> Any:
    """The class of a family; its `load(folder, device=None)` makes a generator of a model folder.

    Raises
    ------
    InputError
        Listing the known families if there is none of this name.
    """
    known = families()
    if name not in known:
        raise InputError(
            f"no family of generators is called {name!r}; known are {', '.join(sorted(known))}. "
            "If the model comes from another package, install it."
        )
    return known[name].load()
