"""`cmr-synth audit`: is it anybody, and could the audit have seen it; one module for each verb."""

from __future__ import annotations

import typer

from cmr_synth.cli.audit import canaries
from cmr_synth.cli.audit.copying import copying
from cmr_synth.cli.audit.membership import membership
from cmr_synth.cli.audit.neighbours import neighbours
from cmr_synth.cli.audit.passport import passport
from cmr_synth.cli.audit.verify import verify
from cmr_synth.cli.audit.volumes import volumes

app = typer.Typer(help="Judge the privacy of synthetic images.", no_args_is_help=True)


@app.callback()
def top() -> None:
    """Judge the privacy of synthetic images."""


app.command("neighbours")(neighbours)
app.command("volumes")(volumes)
app.command("membership")(membership)
app.command("copying")(copying)
app.command("passport")(passport)
app.command("verify")(verify)
app.add_typer(canaries.app, name="canaries")
