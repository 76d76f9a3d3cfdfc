"""Help: quick, complete, and with an example for every verb."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import cmr_synth
from cmr_synth.cli import VERBS

HEAVY = ("torch", "numpy", "nibabel", "pydantic", "rich", "yaml", "PIL", "jinja2")

VERB_CALLS = [
    ("demo",),
    ("synthesize",),
    ("sample-masks",),
    ("train",),
    *(("zoo", verb) for verb in ("list", "show", "verify", "pull", "add")),
    *(("cohort", verb) for verb in ("list", "check", "prepare")),
]


def test_nothing_heavy_is_imported_for_help() -> None:
    """Import time, not wall time: what would make `--help` slow is named."""
    code = (
        "import sys, cmr_synth.cli; cmr_synth.cli.build(); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_lists_every_verb(run) -> None:
    ended = run("--help")
    assert ended.code == 0
    for verb in VERBS:
        assert re.search(rf"^  {verb} ", ended.out, re.MULTILINE)


@pytest.mark.parametrize("call", VERB_CALLS, ids=" ".join)
def test_every_verb_has_an_example_and_json(run, call: tuple[str, ...]) -> None:
    ended = run(*call, "--help")
    assert ended.code == 0
    assert f"cmr-synth {' '.join(call)}" in ended.out
    assert "--json" in ended.out


def test_version(run) -> None:
    assert run("--version").out.strip() == f"cmr-synth {cmr_synth.__version__}"


@pytest.mark.parametrize(
    "call",
    [
        ("sing",),
        ("synthesize",),
        ("synthesize", "mask.nii.gz"),
        ("synthesize", "mask.nii.gz", "--out", "o", "--n", "many"),
        ("synthesize", "mask.nii.gz", "--out", "o", "--labels", "martian"),
        ("train", "flow"),
        ("train", "flow", "--out", "o"),
        ("train", "flow", "--out", "o", "--data", "acdc=.", "--slices", "."),
        ("zoo", "pull", "owner/model"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_code_2(run, call: tuple[str, ...]) -> None:
    ended = run(*call)
    assert ended.code == 2
    assert not ended.out
    assert "Traceback" not in ended.err
