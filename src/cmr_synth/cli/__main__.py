"""`python -m cmr_synth.cli`: the command line without its installed script."""

from cmr_synth.cli import main

main()
