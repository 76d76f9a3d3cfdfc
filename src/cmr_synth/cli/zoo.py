"""`cmr-synth zoo`: the pretrained models that are here, and more of them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cmr_synth.cli.console import Json, result

app = typer.Typer(help="Pretrained models: list, show, verify, pull, add.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="MODEL", help="Name in the zoo, or a model's folder.")]


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the models that are here.

    \b
    Example:
      cmr-synth zoo list
    """
    from cmr_synth.errors import InputError
    from cmr_synth.generators import zoo

    facts: list[dict[str, Any]] = []
    lines = []
    for entry in zoo.entries():
        fact = {"name": entry.name, "source": entry.source, "folder": str(entry.folder)}
        try:
            card = zoo.card_of(entry)
            fact |= {"family": card.family, "title": card.title, "licence": card.licence}
            fact |= {"sha256": card.sha256}
            about = f"{card.family:<10} {card.title} ({card.licence})"
        except InputError as error:  # one damaged model must not hide the others
            fact["problem"] = str(error)
            about = f"damaged: {error}"
        facts.append(fact)
        lines.append(f"{entry.name:<16} {entry.source:<8} {about}")
    result(
        {"models": facts},
        lines or [f"no models here; added ones go to {zoo.home()}"],
        as_json=as_json,
    )


@app.command()
def show(model: Name, as_json: Json = False) -> None:
    """Show the card of a model.

    \b
    Example:
      cmr-synth zoo show flow
    """
    import yaml

    from cmr_synth.generators import zoo

    facts = zoo.card_of(model).model_dump(mode="json")
    text = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=96)
    result(facts, [text.rstrip()], as_json=as_json)


@app.command()
def verify(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Names or folders; by default all."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that the weights are those of the card, by SHA-256.

    \b
    Example:
      cmr-synth zoo verify
    """
    from cmr_synth.generators import zoo

    entries = [zoo.find(model) for model in models] if models else zoo.entries()
    found = {entry.name: zoo.verify(entry).sha256 for entry in entries}
    lines = [f"{name:<16} {sha256}  as on its card" for name, sha256 in found.items()]
    result({"verified": found}, lines, as_json=as_json)


@app.command()
def add(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A model's folder, or its .zip.")],
    sha256: Annotated[
        str | None, typer.Option(help="What the weights must have, from a source you trust.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Copy a model into the zoo.

    \b
    Example, after `cmr-synth train ... --out my-model`:
      cmr-synth zoo add my-model
    """
    from cmr_synth.generators import zoo

    _added(zoo.add(source, sha256=sha256), as_json)


@app.command()
def pull(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Address of a .zip, or a hub id: owner/model.")
    ],
    sha256: Annotated[str, typer.Option(help="Of the .zip; of weights.safetensors for a hub id.")],
    as_json: Json = False,
) -> None:
    """Download a model into the zoo, if its hash is the one given.

    \b
    Example:
      cmr-synth zoo pull owner/model --sha256 HASH
    """
    from cmr_synth.generators import zoo

    _added(zoo.pull(source, sha256=sha256), as_json)


def _added(entry: Any, as_json: bool) -> None:
    result(
        {"name": entry.name, "folder": str(entry.folder)},
        [f"{entry.name} is in the zoo now: {entry.folder}"],
        as_json=as_json,
    )
