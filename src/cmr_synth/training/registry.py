"""What can be trained, by the family that a recipe names; third parties add theirs."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

from cmr_synth import extensions
from cmr_synth.errors import InputError

if TYPE_CHECKING:
    from cmr_synth.training.recipe import Recipe
    from cmr_synth.training.task import Task


GROUP = "cmr_synth.training"
WHAT = "task"
BUILT_IN = {
    "segmenter": "cmr_synth.training.families.segmenter:SegmenterTask",
    "flow": "cmr_synth.training.families.flow:FlowTask",
    "flow-student": "cmr_synth.training.families.flow_student:FlowStudentTask",
    "spade-gan": "cmr_synth.training.families.spade_gan:SpadeGanTask",
    "diffusion": "cmr_synth.training.families.diffusion:DiffusionTask",
    "autoencoder": "cmr_synth.training.families.autoencoder:AutoencoderTask",
    "latent": "cmr_synth.training.families.latent:LatentTask",
    "latent-control": "cmr_synth.training.families.latent_control:LatentControlTask",
    "latent-codes": "cmr_synth.training.families.latent_codes:LatentCodesTask",
    "maskgit": "cmr_synth.training.families.maskgit:MaskgitTask",
    "cvae": "cmr_synth.training.families.cvae:CvaeTask",
    "factorised": "cmr_synth.training.families.factorised:FactorisedTask",
    "private-gan": "cmr_synth.training.families.private_gan:PrivateGanTask",
    "volume-autoencoder": "cmr_synth.training.families.volume_autoencoder:VolumeAutoencoderTask",
    "latent-volume": "cmr_synth.training.families.latent_volume:LatentVolumeTask",
    "mask-flow": "cmr_synth.training.families.mask_flow:MaskFlowTask",
    "covariate-gan": "cmr_synth.training.families.covariate_gan:CovariateGanTask",
    "stable-diffusion": "cmr_synth.training.families.stable_diffusion:StableDiffusionTask",
    "dcgan": "cmr_synth.training.families.dcgan:DcganTask",
    "reccgan": "cmr_synth.training.families.reccgan:ReccganTask",
    "encoder": "cmr_synth.training.families.encoder:EncoderTask",
    "copy-detector": "cmr_synth.training.families.copy_detector:CopyDetectorTask",
}
"""Family to its `Task`, made from a recipe: `module:object`, as in an entry point."""
PARTS = ("networks", "rates", "words", "losses", "unaccounted", "sheet", "save")
"""What a task must have, as `cmr_synth.training.task.Task` says."""


def tasks() -> dict[str, EntryPoint]:
    """Every task by its family; nothing is imported before `make_task`."""
    return extensions.declared(GROUP, BUILT_IN, what=WHAT)


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
        If the family is unknown, or the recipe's settings do not fit it; naming the package of a
        task that cannot be imported, or lacks something of `cmr_synth.training.task.Task`.
    """
    entry = require_task(recipe, where=f"recipe {recipe.name!r}")
    task: Task = extensions.load(entry, what=WHAT, fault=_fault_of_class)(recipe)
    wrong = extensions.missing(task, PARTS) or _fault_of_networks(task)
    if wrong:
        raise extensions.refusal(entry, WHAT, wrong)
    return task


def _fault_of_class(found: Any) -> str | None:
    return None if callable(found) else "it makes nothing of a recipe"


def _fault_of_networks(task: Task) -> str | None:
    if not task.networks:
        return "it has no networks"
    lacking = sorted(task.networks.keys() ^ task.rates.keys())
    return f"its networks and rates differ in {', '.join(lacking)}" if lacking else None
