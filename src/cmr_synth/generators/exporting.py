"""A model of the zoo as other places keep models: on Hugging Face's hub, in MONAI's bundles.

The model's own files travel unchanged, so that hashes hold and `zoo add` reads them again; what is
added says the same as the card in the words of the other place.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cmr_synth.anatomy.labels import LV, MYO, RV, SCAR
from cmr_synth.cohorts.examination import LGE
from cmr_synth.errors import InputError
from cmr_synth.files import write_folder
from cmr_synth.generators import zoo
from cmr_synth.generators.card import NOT_MEASURED, Card
from cmr_synth.generators.identity import identity_of

_LICENCES = (  # of a card's words, to the hub's; the first that is in them
    ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0"),
    ("CC BY-NC 4.0", "cc-by-nc-4.0"),
    ("CC BY-SA 4.0", "cc-by-sa-4.0"),
    ("CC BY 4.0", "cc-by-4.0"),
    ("CC0 1.0", "cc0-1.0"),
)
MODEL = "models"
"""Folder of a bundle that holds the model's own files."""


def export(name: str | Path, out: Path, *, form: str) -> Path:
    """Write a model in another place's form.

    Parameters
    ----------
    name : str or Path
        Of a bundled or added model, or a model's folder.
    out : Path
        New or empty folder.
    form : str
        Of `FORMS`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If the form is unknown, the model is damaged, or `out` holds something.
    """
    if form not in FORMS:
        raise InputError(f"format {form!r}: known are {', '.join(FORMS)}.")
    entry = zoo.find(name)
    card = zoo.verify(entry)
    with write_folder(Path(out)) as folder:
        FORMS[form](entry.folder, card, folder)
    return Path(out)


def _hub(source: Path, card: Card, folder: Path) -> None:
    from huggingface_hub import ModelCardData

    licence = next((word for known, word in _LICENCES if known in card.licence), "other")
    about: dict[str, Any] = {
        "license": licence,
        "library_name": "cmr-synth",
        "tags": ["medical", "cardiac-mri", "synthetic-data", card.family],
        "datasets": None,
    }
    if licence == "other":
        about["license_name"] = card.licence
    front = ModelCardData(**about).to_yaml()
    for file in _files(source):
        shutil.copyfile(file, folder / file.name)
    (folder / "README.md").write_text(f"---\n{front}\n---\n\n{_readme(card)}", encoding="utf-8")


def _bundle(source: Path, card: Card, folder: Path) -> None:
    for part in ("configs", MODEL, "docs"):
        (folder / part).mkdir()
    for file in _files(source):
        shutil.copyfile(file, folder / MODEL / file.name)
    rows, columns = card.grid.shape
    labels = _labels_of(card)
    metadata = {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/"
        "0.8.1/meta_schema_generator_20220729.json",
        "version": card.version,
        "changelog": {card.version: card.title},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {"napari-cmr-synth": _own_version()},
        "task": "Synthetic cardiac MR from heart masks",
        "description": card.description,
        "authors": "napari-cmr-synth developers",
        "copyright": card.licence,
        "data_source": "; ".join(use.title for use in card.training.cohorts),
        "intended_use": "Research and teaching only; no medical device.",
        "references": list(card.citations),
        "network_data_format": {
            "inputs": {
                "mask": {
                    "type": "label",
                    "format": "segmentation",
                    "num_channels": 1,
                    "spatial_shape": [rows, columns],
                    "dtype": "uint8",
                    "value_range": [0, max(labels)],
                    "is_patch_data": False,
                    "channel_def": {"0": ", ".join(f"{n} {what}" for n, what in labels.items())},
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "magnitude",
                    "num_channels": 1,
                    "spatial_shape": [rows, columns],
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": False,
                    "channel_def": {"0": "synthetic image"},
                }
            },
        },
    }
    inference = {
        "imports": [
            "$from pathlib import Path",
            "$from cmr_synth.synthesis.batch import run_batch",
        ],
        "bundle_root": ".",
        "masks": "masks",
        "output_dir": "eval",
        "vendor": card.conditions.vendors[0] if card.conditions.vendors else None,
        "device": "cpu",
        "model": {
            "_target_": "cmr_synth.generators.zoo.load",
            "name": f"$Path(@bundle_root) / '{MODEL}'",
            "device": "@device",
        },
        "network_def": "$@model.generator.network",
        "request": {
            "_target_": "cmr_synth.synthesis.request.Request",
            "model": f"$Path(@bundle_root) / '{MODEL}'",
            "device": "@device",
            "vendor": "@vendor",
        },
        "run": ["$list(run_batch(@masks, @output_dir, @request))"],
    }
    for name, content in (("metadata", metadata), ("inference", inference)):
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (folder / "configs" / f"{name}.json").write_text(text, encoding="utf-8")
    (folder / "docs" / "README.md").write_text(_readme(card), encoding="utf-8")
    (folder / "LICENSE").write_text(f"Weights: {card.licence}\n", encoding="utf-8")


FORMS: dict[str, Callable[[Path, Card, Path], None]] = {"huggingface": _hub, "monai": _bundle}
"""What writes a form: of the model's folder, its card, and the folder to fill."""


def _files(source: Path) -> list[Path]:
    """The model's files and whatever its weights list, as they lie in its folder."""
    return sorted(path for path in source.iterdir() if path.is_file())


def _own_version() -> str:
    import cmr_synth

    return cmr_synth.__version__


def _labels_of(card: Card) -> dict[int, str]:
    """What the numbers of its masks mean."""
    labels = {0: "background", LV: "LV", MYO: "myocardium", RV: "RV"}
    if LGE in (card.conditions.contrast, *card.conditions.contrasts):
        labels |= {number: name for name, number in SCAR.items()}
    return labels


def _readme(card: Card) -> str:
    uses = "\n".join(
        f"- {use.title}: {use.patients} patients, {use.slices} slices ({use.licence})"
        for use in card.training.cohorts
    )
    measured = {k: v for k, v in card.measured.model_dump(mode="json").items() if v != NOT_MEASURED}
    figures = json.dumps(measured, indent=2)
    limits = "\n".join(f"- {words}" for words in card.limits)
    citations = "\n".join(f"- {words}" for words in card.citations)
    private = card.training.privacy
    epsilon = (
        "None: the model was trained without differential privacy."
        if private is None
        else f"epsilon {private['epsilon']:g} at delta {private['delta']:g}."
    )
    return (
        f"# {card.title}\n\n{card.description}\n\n"
        f"Identity: `{identity_of(card)}`. Its pictures are synthetic and marked so; research and "
        "teaching only, no medical device.\n\n"
        "## Use\n\n"
        f"```bash\npip install napari-cmr-synth\ncmr-synth zoo add .\n"
        f"cmr-synth synthesize MASK.nii.gz --model {card.name} --out out\n```\n\n"
        f"## Training data\n\n{uses or 'Not stated.'}\n\n"
        f"## Licence\n\n{card.licence}\n\n## Differential privacy\n\n{epsilon}\n\n"
        f"## Measured of this very file\n\n```json\n{figures}\n```\n\n"
        f"## Limits\n\n{limits or '- None stated.'}\n\n## Citations\n\n{citations or '- None.'}\n"
    )
