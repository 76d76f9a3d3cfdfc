"""What can be trained, by the family that a recipe names; third parties add theirs."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from cmr_synth.errors import InputError

if TYPE_CHECKING:
    from cmr_synth.training.recipe import Recipe
    from cmr_synth.training.task import Task


GROUP = "cmr_synth.training"
BUILT_IN = {
    "segmenter": "cmr_synth.training.families.segmenter:SegmenterTask",
    "flow": "cmr_synth.training.families.flow:FlowTask",
    "flow-student": "cmr_synth.training.families.flow_student:FlowStudentTask",
    "spade-gan": "cmr_synth.training.families.spade_gan:SpadeGanTask",
    "diffusion": "cmr_synth.training.families.diffusion:DiffusionTask",
    "autoencoder": "cmr_synth.training.families.autoencoder:AutoencoderTask",
    "latent": "cmr_synth.training.families.latent:LatentTask",
    "latent-control": "cmr_synth.training.families.latent_control:LatentControlTask",
    "cvae": "cmr_synth.training.families.cvae:CvaeTask",
    "dcgan": "cmr_synth.training.families.dcgan:DcganTask",
    "encoder": "cmr_synth.training.families.encoder:EncoderTask",
    "copy-detector": "cmr_synth.training.families.copy_detector:CopyDetectorTask",
}
"""Family to its `Task`, made from a recipe: `module:object`, as in an entry point."""


def tasks() -> dict[str, EntryPoint]:
    """Every task by its family; nothing is imported before `.load()`."""
    found: dict[str, EntryPoint] = {}
    ours = [EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()]
    for entry in [*ours, *entry_points(group=GROUP)]:
        if entry.name in found:
            raise ValueError(
                f"task {entry.name!r} is declared twice: {found[entry.name].value}, {entry.value}"
            )
        found[entry.name] = entry
    return found


def require_task(recipe: Recipe, *, where: str) -> EntryPoint:
    """The task of a recipe's family.

    Raises
    ------
    InputError
        Naming `where` and the known families if there is none of this name.
    """
    known = tasks()
    if recipe.family not in known:
        raise InputError(
            f"{where}: field 'family': {recipe.family!r} is unknown; known are "
            f"{', '.join(sorted(known))}."
        )
    return known[recipe.family]


def make_task(recipe: Recipe) -> Task:
    """Networks and losses of a recipe.

    Raises
    ------
    InputError
        If the family is unknown, or the recipe's settings do not fit it.
    """
    task: Task = require_task(recipe, where=f"recipe {recipe.name!r}").load()(recipe)
    return task
