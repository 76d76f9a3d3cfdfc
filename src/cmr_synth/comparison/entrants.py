"""Who takes part in a comparison: finished models, and recipes that are trained for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.events import Event, Remark, Told


@dataclass(frozen=True)
class Entrant:
    """One who takes part.

    Parameters
    ----------
    name : str
    folder : Path or None
        Of a finished model; None for what is trained first.
    stages : tuple of str
        Recipes to train, each starting from the one before; none for a finished model.
    """

    name: str
    folder: Path | None
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What every training may cost, the same for all.

    Parameters
    ----------
    minutes : float, optional
        Of all stages together.
    images : int, optional
        Seen by each stage.
    seed : int
    """

    minutes: float | None = None
    images: int | None = None
    seed: int = 0


def entrants(names: Sequence[str], *, train: bool = False) -> list[Entrant]:
    """Look names up: models of the zoo or their folders, and recipes.

    Parameters
    ----------
    names : sequence of str
        A recipe that starts from another is written ``FIRST+SECOND``.
    train : bool
        Whether a name that is both a model and a recipe means the recipe.

    Raises
    ------
    InputError
        If a name is neither, a model's files are not whole, or two names are the same.
    """
    from cmr_synth.generators import zoo

    known = [entry.name for entry in zoo.entries()]
    found = [_entrant(name, train=train, known=known) for name in names]
    if len({one.name for one in found}) < len(found):
        raise InputError("a model or recipe is named twice; name each once.")
    return found


def trained(
    one: Entrant, slices: SliceSet, out: Path, budget: Budget, *, resume: bool = False
) -> Iterator[Told | Path]:
    """Train an entrant's recipes, one after the other.

    Parameters
    ----------
    out : Path
        Keeps the models, in folders below `models`.
    resume : bool
        Go on where an earlier call ended; what it finished is not trained again.

    Yields
    ------
    Told or Path
        Events of the training, then the folder of the last model.
    """
    from cmr_synth.generators.card import draft_card, write_card
    from cmr_synth.training.loop import train
    from cmr_synth.training.recipe import load_recipe
    from cmr_synth.training.registry import make_task

    title = f"train {one.name}"
    folder, earlier = Path(), None
    for number, stage in enumerate(one.stages):
        recipe = load_recipe(stage)
        changes: dict[str, Any] = {"seed": budget.seed}
        if budget.images is not None:
            warmup = min(recipe.warmup_images, budget.images // 4)
            changes |= {"images": budget.images, "warmup_images": warmup}
        if earlier is not None:
            changes["initialize_from"] = str(earlier / "weights.safetensors")
        recipe = recipe.model_copy(update=changes)
        folder = out / "models" / "+".join(Path(s).stem for s in one.stages[: number + 1])
        earlier = folder
        if resume and (folder / "card.yaml").is_file():
            yield Remark(f"{recipe.name}: was trained before, in {folder}")
            continue
        for step in train(
            make_task(recipe),
            recipe,
            slices,
            folder,
            minutes=None if budget.minutes is None else budget.minutes / len(one.stages),
            resume=resume and (folder / "checkpoint").exists(),
        ):
            losses = ", ".join(f"{k} {v:.4f}" for k, v in step.losses.items())
            yield Event(title, step.share, f"{step.images_seen} images, {losses}")
        write_card(draft_card(folder, slices, cohorts=recipe.cohorts), folder / "card.yaml")
    yield folder


def _entrant(name: str, *, train: bool, known: Sequence[str]) -> Entrant:
    from cmr_synth.generators import zoo
    from cmr_synth.generators.registry import families
    from cmr_synth.training.recipe import bundled_recipes, load_recipe
    from cmr_synth.training.registry import require_task

    stages = name.split("+")
    is_recipe = all(s.endswith((".yaml", ".yml")) or s in bundled_recipes() for s in stages)
    is_model = name in known or (Path(name) / zoo.CARD).is_file()
    if is_model and not (train and is_recipe):
        entry = zoo.find(name)
        zoo.verify(entry)
        return Entrant(entry.name, entry.folder)
    if is_recipe:
        for stage in stages:
            require_task(load_recipe(stage), where=stage)
        family = load_recipe(stages[-1]).family
        if family not in families():
            raise InputError(
                f"{stages[-1]}: trains a network of the family {family}, which makes no images to "
                f"compare; a recipe that starts from it is written {stages[-1]}+SECOND."
            )
        return Entrant("+".join(Path(stage).stem for stage in stages), None, tuple(stages))
    raise InputError(
        f"{name}: neither a model nor a recipe. Models are {', '.join(known)}; recipes are "
        f"{', '.join(bundled_recipes())}, or YAML files."
    )
