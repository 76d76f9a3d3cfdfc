"""`cmr-synth evaluate`: is it good, as numbers; one module for each verb below it."""

from __future__ import annotations

import typer

from cmr_synth.cli.evaluate.adherence import adherence
from cmr_synth.cli.evaluate.combinations import combinations
from cmr_synth.cli.evaluate.fidelity import fidelity
from cmr_synth.cli.evaluate.phenotypes import phenotypes
from cmr_synth.cli.evaluate.reader_study import app as reader_study
from cmr_synth.cli.evaluate.reconstruction import reconstruction
from cmr_synth.cli.evaluate.utility import utility

app = typer.Typer(
    help="Judge synthetic images: fidelity, adherence, phenotypes, contrast x pathology, utility, "
    "reader study; and reconstructions.",
    no_args_is_help=True,
)
app.command("adherence")(adherence)
app.command("combinations")(combinations)
app.command("fidelity")(fidelity)
app.command("phenotypes")(phenotypes)
app.command("reconstruction")(reconstruction)
app.command("utility")(utility)
app.add_typer(reader_study, name="reader-study")
