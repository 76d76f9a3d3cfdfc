"""`cmr-synth zoo`: the pretrained models that are here, and more of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cmr_synth.cli.console import Json, result

app = typer.Typer(
    help="Pretrained models: list, show, verify, pull, add, export.", no_args_is_help=True
)

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
    from cmr_synth.generators.identity import identity_of

    facts: list[dict[str, Any]] = []
    lines = []
    for entry in zoo.entries():
        fact = {"name": entry.name, "source": entry.source, "folder": str(entry.folder)}
        try:
            card = zoo.card_of(entry)
            fact |= {"family": card.family, "title": card.title, "licence": card.licence}
            fact |= {"sha256": card.sha256, "identity": identity_of(card)}
            about = f"{fact['identity'][:12]} {card.family:<10} {card.title} ({card.licence})"
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
    """Show the card of a model, and the one hash of card, configuration and weights.

    \b
    Example:
      cmr-synth zoo show flow
    """
    import yaml

    from cmr_synth.generators import zoo
    from cmr_synth.generators.identity import identity_of

    card = zoo.card_of(model)
    facts = {"identity": identity_of(card), **card.model_dump(mode="json")}
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
    """Check that a model is as it was made: card, configuration, weights and further files.

    Prints its one hash, to compare with the one at a place you trust.

    \b
    Example:
      cmr-synth zoo verify
    """
    from cmr_synth.generators import zoo
    from cmr_synth.generators.identity import identity_of

    entries = [zoo.find(model) for model in models] if models else zoo.entries()
    cards = {entry.name: zoo.verify(entry) for entry in entries}
    identities = {name: identity_of(card) for name, card in cards.items()}
    said = {"folder": "as its card says", "added": "as it was added", "bundled": "as it came"}
    lines = [f"{one.name:<16} {identities[one.name]}  {said[one.source]}" for one in entries]
    weights = {name: card.sha256 for name, card in cards.items()}
    result({"verified": weights, "identities": identities}, lines, as_json=as_json)


@app.command()
def add(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A model's folder, or its .zip.")],
    sha256: Annotated[
        str | None, typer.Option(help="The model's one hash, from a source you trust: `zoo show`.")
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
    sha256: Annotated[
        str, typer.Option(help="The model's one hash, from a source you trust: `zoo show`.")
    ],
    as_json: Json = False,
) -> None:
    """Download a model into the zoo, if its hash is the one given.

    \b
    Example:
      cmr-synth zoo pull owner/model --sha256 HASH
    """
    from cmr_synth.generators import zoo

    _added(zoo.pull(source, sha256=sha256), as_json)


@app.command()
def export(
    model: Name,
    out: Annotated[Path, typer.Option("--out", help="New folder.")],
    form: Annotated[
        str, typer.Option("--format", help="huggingface (a hub's folder) or monai (a bundle).")
    ] = "huggingface",
    as_json: Json = False,
) -> None:
    """Write a model as Hugging Face's hub or MONAI keeps models; `zoo add` reads both again.

    \b
    Example:
      cmr-synth zoo export flow --format monai --out flow-bundle
    """
    from cmr_synth.generators.exporting import export as write

    folder = write(model, out, form=form)
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    result({"folder": str(folder), "files": files}, [str(folder), *files], as_json=as_json)


def _added(entry: Any, as_json: bool) -> None:
    from cmr_synth.generators import zoo
    from cmr_synth.generators.identity import identity_of

    identity = identity_of(zoo.card_of(entry))
    result(
        {"name": entry.name, "folder": str(entry.folder), "identity": identity},
        [f"{entry.name} is in the zoo now: {entry.folder}", f"its hash is {identity}"],
        as_json=as_json,
    )
