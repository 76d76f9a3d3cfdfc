"""A set of synthetic images: the sheet, the model and its limits, every file's origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cmr_synth.reports.content import Content, Link, Picture, Section, Table

if TYPE_CHECKING:
    from PIL import Image

    from cmr_synth.generators.card import Card

OPEN = "open"
HASH = 12  # digits of a hash in the table; the sidecars have all of them


def images_content(
    *,
    title: str,
    lead: str,
    sheet: Image.Image,
    card: Card,
    records: Sequence[Mapping[str, Any]],
    folder: str = "",
) -> Content:
    """Lay out a set of synthetic images.

    Parameters
    ----------
    title, lead : str
        Heading, and the sentence below it.
    sheet : PIL.Image.Image
    card : Card
        Of the model that made the images.
    records : sequence of mapping
        What `write_synthetic` returned for each image.
    folder : str
        Where the images lie, relative to the page.
    """
    picture = Picture(
        says="Each row is one mask and the synthetic images that follow it.", image=sheet
    )
    sections = [Section(title="The model", words=[card.description], facts=_model(card))]
    if card.limits:
        sections.append(Section(title="Limits", remarks=card.limits))
    sections.append(_files(records, f"{folder}/" if folder else ""))
    if card.citations:
        sections.append(Section(title="To cite", remarks=card.citations))
    return Content(
        title=title,
        lead=f"{lead} Every image here is synthetic and shows no patient.",
        plots=[picture],
        sections=sections,
        data={"records": list(records)},
    )


def _model(card: Card) -> list[tuple[str, str]]:
    rows, columns = card.grid.shape
    trained_on = (
        f"{use.title}: {use.patients} patients, {use.slices} slices ({use.licence})"
        for use in card.training.cohorts
    )
    training = (
        f"{card.training.images_seen:,} images seen in {card.training.minutes:.0f} minutes, "
        f"{card.training.machine}"
    )
    facts = [
        ("Name", f"{card.name}, version {card.version}, family {card.family}"),
        ("Weights", f"sha256 {card.sha256}"),
        ("Licence", card.licence),
        ("Grid", f"{rows} × {columns} pixels of {card.grid.spacing_mm} mm"),
        ("Trained on", "; ".join(trained_on)),
        ("Training", training),
    ]
    measured = card.measured.model_dump().items()
    return [(name, value) for name, value in facts if value] + [
        (name.capitalize(), _measured(value)) for name, value in measured
    ]


def _measured(found: Any) -> str:
    """What a card says under one heading."""
    if not isinstance(found, Mapping):
        return str(found)
    return "; ".join(f"{_words(key)}: {_figures(value)}" for key, value in found.items())


def _figures(found: Any) -> str:
    if isinstance(found, Mapping):
        return ", ".join(f"{_words(key)} {value}" for key, value in found.items())
    if isinstance(found, list | tuple):
        return ", ".join(map(str, found))
    return str(found)


def _words(key: Any) -> str:
    return str(key).replace("_", " ")


def _files(records: Sequence[Mapping[str, Any]], folder: str) -> Section:
    first = records[0]
    steps = "the default" if first["steps"] is None else first["steps"]
    versions = ", ".join(f"{name} {number}" for name, number in first["versions"].items())
    columns = (
        *("Image", "Mask", "Vendor", "Phase", "Pathology", "Seed", "Variant"),
        *("Image sha256", "Labels sha256"),
    )
    rows = [
        [
            Link(text=one["file"], to=f"{folder}{one['file']}"),
            one["mask"]["name"],
            *(one[condition] or OPEN for condition in ("vendor", "phase", "pathology")),
            *(one["seed"], one["variant"]),
            *(one["sha256"][:HASH], one["mask"]["labels_sha256"][:HASH]),
        ]
        for one in records
    ]
    return Section(
        title="The files",
        words=[
            f"Made {first['created']} with {steps} steps. {versions}. The same model, mask, "
            "conditions, seed and device give the same pixels; the sidecar beside each image "
            "(.json) holds all of it."
        ],
        tables=[Table(columns, rows)],
    )
