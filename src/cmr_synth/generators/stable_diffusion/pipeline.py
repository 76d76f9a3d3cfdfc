"""Pipeline folders of diffusers: what they must hold, how they load, how they become models.

The layout is that of `StableDiffusionControlNetPipeline.save_pretrained`. Only safetensors are
read, and only classes of diffusers and transformers that are named here: no file can bring code.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cmr_synth.errors import InputError
from cmr_synth.files import write_file, write_folder
from cmr_synth.generators.card import (
    Card,
    Grid,
    KnownConditions,
    TrainingFacts,
    file_hashes,
    write_card,
)
from cmr_synth.generators.parts import SUFFIXES, write_parts
from cmr_synth.generators.stable_diffusion.config import StableDiffusionConfig

FAMILY = "stable-diffusion"
INDEX = "model_index.json"
CLASSES = {
    "unet": ("diffusers", "UNet2DConditionModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "controlnet": ("diffusers", "ControlNetModel"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
}
WITH_WEIGHTS = ("unet", "vae", "controlnet", "text_encoder")
_VARIANT = re.compile(r"\.(fp16|bf16|non_ema)[.-]")  # other copies of the same weights
_CONVERT = (
    "load it with diffusers where you trust it, and write it again with "
    "save_pretrained(folder, safe_serialization=True)"
)


def load_pipeline(folder: Path, *, device: torch.device) -> Any:
    """A `StableDiffusionControlNetPipeline` from a folder, in single precision.

    The safety checker is left out: it is made for photographs, and blacks out what it takes for
    one.

    Raises
    ------
    InputError
        If transformers is not installed, a part is missing or of another kind, or weights are
        there as pickles only.
    """
    require_pipeline(folder)
    try:
        import transformers
    except ImportError as error:
        raise InputError(
            f"{folder}: needs the package transformers to read text; install "
            "napari-cmr-synth[text]."
        ) from error
    import diffusers

    modules = {"diffusers": diffusers, "transformers": transformers}
    parts: dict[str, Any] = {}
    for name, (library, kind) in CLASSES.items():
        options = {"use_safetensors": True} if name in WITH_WEIGHTS else {}
        parts[name] = _part(getattr(modules[library], kind), folder / name, **options)
        if name in WITH_WEIGHTS:
            parts[name].to(torch.float32).eval()
    parts["scheduler"] = _part(_scheduler_class(folder), folder / "scheduler")
    pipeline = diffusers.StableDiffusionControlNetPipeline(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def require_pipeline(folder: Path) -> None:
    """Refuse a folder that is not a pipeline with everything in safetensors.

    Raises
    ------
    InputError
        Naming the first file or part at fault, and what to do.
    """
    index = _json(folder / INDEX)
    for name in (*CLASSES, "scheduler"):
        if not (folder / name).is_dir():
            raise InputError(
                f"{folder / name}: no such folder; save the whole of a "
                "StableDiffusionControlNetPipeline with diffusers' save_pretrained."
            )
        stated = index.get(name)
        kind = stated[-1] if isinstance(stated, list) and stated else None
        if name in CLASSES and str(kind).removesuffix("Fast") != CLASSES[name][1]:
            raise InputError(
                f"{folder / INDEX}: {name} is of the kind {kind!r}, but only {CLASSES[name][1]} is "
                "read; choose a pipeline of Stable Diffusion 1 or 2 with one ControlNet."
            )
    _scheduler_class(folder)
    for name in WITH_WEIGHTS:
        if _weights(folder / name):
            continue
        others = sorted(p for p in (folder / name).iterdir() if _may_be_weights(p))
        if others:
            raise InputError(
                f"{others[0]}: is no safetensors file, and pickles are never loaded; {_CONVERT}."
            )
        raise InputError(f"{folder / name}: holds no .safetensors weights; get the pipeline again.")


def adopt(
    source: Path,
    out: Path,
    *,
    name: str | None = None,
    config: StableDiffusionConfig | None = None,
    licence: str = "not stated; see where the pipeline comes from",
) -> Card:
    """Write a model folder around a copy of a pipeline folder.

    Parameters
    ----------
    source : Path
        A pipeline saved by diffusers.
    out : Path
        The model folder; an earlier one is replaced.
    name : str, optional
        On the card; by default that of the source's folder.
    config : StableDiffusionConfig, optional
        By default with the size of the pipeline's pictures, and all else as documented there.
    licence : str

    Raises
    ------
    InputError
        If the source is no such pipeline, or something else is at `out`.
    """
    source = Path(source)
    require_pipeline(source)
    config = config or StableDiffusionConfig(pixels=pixels_of(source))
    name = name or re.sub(r"[^a-z0-9]+", "-", source.resolve().name.lower()).strip("-") or FAMILY
    with write_folder(Path(out), replaces="card.yaml") as folder:
        copied = []
        for path in _to_copy(source):
            inside = Path("pipeline") / path.relative_to(source)
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / inside)
            copied.append(inside.as_posix())
        write_parts(folder, copied)
        about = {"family": FAMILY, "config": config.model_dump(mode="json")}
        with write_file(folder / "config.json") as file:
            file.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        card = _card(name, config, licence, file_hashes(folder))
        write_card(card, folder / "card.yaml")
    return card


def _card(name: str, config: StableDiffusionConfig, licence: str, hashes: dict[str, str]) -> Card:
    return Card(
        name=name,
        family=FAMILY,
        version="0",
        title=f"{name}, Stable Diffusion with a ControlNet",
        description="Reads a text and a picture of the mask. Trained elsewhere.",
        licence=licence,
        citations=(
            "Rombach et al. 2022, arXiv:2112.10752",
            "Zhang et al. 2023, arXiv:2302.05543",
        ),
        grid=Grid(shape=config.shape, spacing_mm=config.spacing_mm),
        conditions=KnownConditions(
            vendors=config.vendors, phases=config.phases, pathologies=config.pathologies
        ),
        default_steps=20,
        default_guidance=7.5,
        training=TrainingFacts(
            cohorts=(), images_seen=0, minutes=0, machine="not known", recipe="not known"
        ),
        **hashes,
        limits=(
            "On what it was trained is not known here; it may show patients of that data.",
            "Its fidelity, utility and privacy have not been measured.",
        ),
    )


def _part(kind: Any, folder: Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except Exception as error:  # both libraries raise whatever their readers do
        lines = str(error).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        raise InputError(
            f"{folder}: cannot be loaded ({reason}); get the pipeline again."
        ) from error


def _scheduler_class(folder: Path) -> Any:
    import diffusers

    path = folder / "scheduler" / "scheduler_config.json"
    name = _json(path).get("_class_name")
    kind = getattr(diffusers, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)):
        raise InputError(f"{path}: {name!r} is no scheduler of diffusers; choose one that is.")
    return kind


def _weights(folder: Path) -> list[Path]:
    """The weights of a part that load by default, in one file or several."""
    found = folder.glob("*.safetensors")
    return sorted(p for p in found if p.is_file() and not _VARIANT.search(p.name))


def _may_be_weights(path: Path) -> bool:
    return path.suffix in (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack", ".onnx", ".h5")


def _to_copy(source: Path) -> Sequence[Path]:
    """The index, and of each part its weights that load by default and its text files."""
    found = [source / INDEX]
    for name in (*CLASSES, "scheduler"):
        found += [
            p
            for p in sorted((source / name).iterdir())
            if p.is_file() and p.suffix in SUFFIXES and not _VARIANT.search(p.name)
        ]
    return found


def pixels_of(source: Path) -> tuple[int, int]:
    """Of the pictures that the pipeline was trained on."""
    latent = _json(source / "unet" / "config.json").get("sample_size") or 64
    levels = len(_json(source / "vae" / "config.json").get("block_out_channels") or [0] * 4)
    rows, columns = (latent, latent) if isinstance(latent, int) else latent
    return rows * 2 ** (levels - 1), columns * 2 ** (levels - 1)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such file; a pipeline folder is written by diffusers' save_pretrained."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable ({error}); get the pipeline again.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: is no JSON mapping; get the pipeline again.")
    return content
