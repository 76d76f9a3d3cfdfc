"""`cmr-synth release`: a synthetic cohort to hand over, with its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, followed, result

app = typer.Typer(help="A synthetic cohort to hand over: plan, make, verify.", no_args_is_help=True)

Asked = Annotated[Path, typer.Argument(metavar="REQUEST.yaml", help="What the release is to be.")]


@app.command()
def plan(
    request: Asked,
    out: Annotated[
        Path | None, typer.Option("--out", help="Keep the plan as JSON, for `release make --plan`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how long a release takes, how large it is, and what of it cannot be had.

    \b
    Example:
      cmr-synth release plan request.yaml
    """
    import json

    from cmr_synth.errors import InputError
    from cmr_synth.files import write_file
    from cmr_synth.release.plan import plan_release
    from cmr_synth.release.request import read_request

    found = plan_release(read_request(request))
    facts = found.as_dict()
    if out is not None:
        with write_file(out) as temporary:
            temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    minutes = "unknown"
    if found.seconds is not None:
        minutes = f"about {max(1, round(found.seconds / 60))} min"
    lines = [
        f"{found.name}: {found.patients} patients, {found.pictures} pictures, "
        f"{found.slices} slices",
        f"pathologies: {_counts(found.by_pathology)}",
        f"vendors: {_counts(found.by_vendor)}",
        f"time: {minutes} on the machine that the model's card was measured on",
        f"size: about {found.megabytes:,.0f} MB",
        f"privacy: {found.audited}",
        *(f"note: {words}" for words in found.remarks),
        *(f"cannot be had: {words}" for words in found.hindrances),
    ]
    result(facts, lines, as_json=as_json)
    if found.hindrances:
        raise InputError(f"{request}: {len(found.hindrances)} things cannot be had, as listed.")


@app.command()
def make(
    request: Asked,
    key: Annotated[Path, typer.Option(help="Private ed25519 key that signs, OpenSSH or PEM.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the release.")],
    plan: Annotated[
        Path | None, typer.Option(help="Of `release plan --out`: refuse if anything changed since.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a release: pictures, masks, evidence, datasheet, passports, signed manifest.

    Interrupted, the same command goes on. Under `accelerate launch` processes share the patients.

    \b
    Example:
      ssh-keygen -t ed25519 -N '' -f key
      cmr-synth release make request.yaml --key key --out release
    """
    from cmr_synth.privacy.exact_json import read_object
    from cmr_synth.privacy.signature import read_private_key
    from cmr_synth.processes import EndedElsewhere, joined
    from cmr_synth.release.making import Made, make_release
    from cmr_synth.release.request import read_request

    asked, signer = read_request(request), read_private_key(key)
    planned = None if plan is None else read_object(plan)
    made: list[Made] = []
    try:
        with joined() as group:
            events = make_release(asked, out, signer, plan=planned, group=group)
            made += followed(events, quiet=as_json or not group.is_main)
    except EndedElsewhere:
        raise typer.Exit(1) from None
    for one in made:
        facts, privacy = one.facts, one.facts["privacy"]
        lines = [
            f"{one.folder}: {facts['patients']} patients, {facts['slices']} slices, signed by "
            f"{facts['signer']}",
            f"privacy: {privacy['verdict']}",
            *_adherence(facts),
            f"licence: {facts['licence']['words']}",
            str(one.folder / "datasheet.html"),
        ]
        result({"folder": str(one.folder), **facts}, lines, as_json=as_json)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of a release.")],
    public_key: Annotated[
        Path | None, typer.Option(help="Of whoever is to have signed it: OpenSSH (.pub) or PEM.")
    ] = None,
    repeat: Annotated[
        int, typer.Option(min=0, help="Pictures drawn at random and made again from their records.")
    ] = 3,
    as_json: Json = False,
) -> None:
    """Check a release: signature, hashes, marks, passports, and that pictures come out again.

    \b
    Example:
      cmr-synth release verify release --public-key key.pub
    """
    from cmr_synth.errors import InputError
    from cmr_synth.privacy.signature import read_public_key
    from cmr_synth.release.verify import verify_release

    key = read_public_key(public_key) if public_key is not None else None
    (found,) = followed(verify_release(folder, public_key=key, repeat=repeat), quiet=as_json)
    facts = {
        "holds": found.holds,
        "signer": found.signer,
        "files": found.files,
        "faults": list(found.faults),
        "made_again": found.made_again,
        "remarks": list(found.remarks),
    }
    lines = [
        *found.faults,
        *(f"{name}: {words}" for name, words in found.made_again.items()),
        *(f"note: {words}" for words in found.remarks),
    ]
    if found.holds:
        date = found.document["date"]
        lines.append(f"{folder}: holds, {found.files} files, signed by {found.signer} on {date}")
    result(facts, lines, as_json=as_json)
    if not found.holds:
        raise InputError(
            f"{folder}: does not hold ({len(found.faults)} faults, the first: {found.faults[0]}); "
            "do not use it, and get it again."
        )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{word} {count}" for word, count in counts.items())


def _adherence(facts: dict) -> list[str]:
    found = facts["adherence"]
    if found is None:
        return []
    return [
        f"adherence: {found['missed']} of {found['slices']} slices miss their mask, "
        f"{found['drawn_again']} were drawn again"
    ]


@app.command()
def audit(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of a release.")],
    archive: Annotated[Path, typer.Option("--archive", help="Of this site, from `archive build`.")],
    key: Annotated[Path, typer.Option(help="Private ed25519 key of this site.")],
    site: Annotated[str, typer.Option(help="What this site is called in the document.")],
    out: Annotated[Path, typer.Option("--out", help="JSON file to write.")],
    copies: Annotated[int, typer.Option(min=20, help="Copies planted of each kind.")] = 100,
    as_json: Json = False,
) -> None:
    """Audit a release that another site made against an archive of your own; no picture leaves.

    \b
    Example:
      cmr-synth release audit release --archive archive --key key --site here --out here.json
    """
    from cmr_synth.privacy.signature import read_private_key
    from cmr_synth.release.federated import audit_release

    events = audit_release(folder, archive, read_private_key(key), out, site=site, copies=copies)
    (found,) = followed(events, quiet=as_json)
    lines = [f"{out}: {found['verdict']}", f"{len(found['flagged'])} slices are flagged"]
    result(found, lines, as_json=as_json)


@app.command()
def merge(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of a release.")],
    audits: Annotated[
        list[Path], typer.Argument(metavar="AUDIT.json...", help="Of `release audit`.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for page and JSON.")],
    as_json: Json = False,
) -> None:
    """Merge what several sites found of one release into one report.

    \b
    Example:
      cmr-synth release merge release here.json there.json --out merged
    """
    from cmr_synth.cli.report import report
    from cmr_synth.release.federated import merge_audits

    report(merge_audits(folder, audits), out, as_json=as_json, show_page=True)
