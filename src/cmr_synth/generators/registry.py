"""The families of generators by name; third parties add theirs as entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from cmr_synth import extensions
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import TAKES, Generator
from cmr_synth.generators.probing import Probe

GROUP = "cmr_synth.generators"
WHAT = "generator"
BUILT_IN = {
    "flow": "cmr_synth.generators.flow.generator:FlowGenerator",
    "spade-gan": "cmr_synth.generators.spade_gan.generator:SpadeGanGenerator",
    "diffusion": "cmr_synth.generators.diffusion.generator:DiffusionGenerator",
    "latent": "cmr_synth.generators.latent.generator:LatentGenerator",
    "latent-control": "cmr_synth.generators.latent_control.generator:LatentControlGenerator",
    "latent-volume": "cmr_synth.generators.volumes.generator:LatentVolumeGenerator",
    "latent-codes": "cmr_synth.generators.latent_codes.generator:LatentCodesGenerator",
    "maskgit": "cmr_synth.generators.maskgit.generator:MaskgitGenerator",
    "cvae": "cmr_synth.generators.cvae.generator:CvaeGenerator",
    "factorised": "cmr_synth.generators.factorised.generator:FactorisedGenerator",
    "private-gan": "cmr_synth.generators.private_gan.generator:PrivateGanGenerator",
    "dcgan": "cmr_synth.generators.dcgan.generator:DcganGenerator",
    "stable-diffusion": "cmr_synth.generators.stable_diffusion.generator:StableDiffusionGenerator",
}


def families() -> dict[str, EntryPoint]:
    """Every family by name; nothing is imported before `load_family`."""
    return extensions.declared(GROUP, BUILT_IN, what=WHAT)


def load_family(name: str) -> Any:
    """The class of a family; its `load(folder, device=None)` makes a generator of a model folder.

    Raises
    ------
    InputError
        Listing the known families if there is none of this name; naming the package of one that
        cannot be imported, or does not declare what it takes.
    """
    known = families()
    if name not in known:
        raise InputError(
            f"no family of generators is called {name!r}; known are {', '.join(sorted(known))}. "
            "If the model comes from another package, install it."
        )
    return extensions.load(known[name], what=WHAT, fault=_fault_of_class)


def load_generator(family: str, folder: Path, *, device: str) -> Generator:
    """The generator of a model folder.

    Raises
    ------
    InputError
        As `load_family`, and as the family's own `load`; naming the package of one whose
        generators do not keep to `cmr_synth.generators.interface.Generator`.
    """
    made: Generator = load_family(family).load(folder, device=device)
    wrong = extensions.missing(made, ("config", "device", "shape", "probe"))
    if wrong is None and not isinstance(made.probe, Probe):
        wrong = "its probe is none of cmr_synth.generators.probing"
    if wrong:
        raise extensions.refusal(families()[family], WHAT, wrong)
    return made


def _fault_of_class(family: Any) -> str | None:
    lacking = extensions.missing(family, ("load", "sample", "takes"))
    if lacking:
        return lacking
    if not isinstance(family.takes, frozenset):
        return "its takes is no frozenset"
    unknown = sorted(str(word) for word in family.takes - TAKES.keys())
    return (
        f"it takes {', '.join(unknown)}, which is none of {', '.join(TAKES)}" if unknown else None
    )
