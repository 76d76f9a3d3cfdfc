"""Consoles and shells as they are: old code pages, and tildes that nobody expanded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cmr_synth.cli import _at_home


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_name_that_the_console_cannot_print_is_escaped(
    mask: Path, tiny_model: Path, tmp_path: Path, encoding: str
) -> None:
    heart = mask.with_name("\u5fc3.nii.gz")
    mask.rename(heart)
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "cmr_synth.cli", "synthesize", str(heart), "--model",
         str(tiny_model), "--out", str(out)],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(encoding)
    assert "\\u5fc3_any" in done.stdout.decode(encoding)
    assert (out / "\u5fc3_any_seed0_000.nii.gz").is_file()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--out=~/made", "--out={home}/made"),
        ("--out=~", "--out={home}"),
        ("acdc=~/data", "acdc={home}/data"),
        ("--data=acdc=~/data", "--data=acdc={home}/data"),
        ("~/a.nii.gz", "{home}/a.nii.gz"),
        ("a~/b", "a~/b"),
        ("--prompt=about ~5 mm", "--prompt=about ~5 mm"),
        ("--prompt=~5 mm", "--prompt=~5 mm"),
    ],
)
def test_a_tilde_is_home_where_shells_leave_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, meant: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert _at_home(given) == meant.format(home=tmp_path)


def test_out_may_begin_with_a_tilde(run, mask, tiny_model, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ended = run("synthesize", mask, "--model", tiny_model, "--out=~/made")
    assert ended.code == 0, ended.err
    assert (tmp_path / "made").is_dir() and not (tmp_path / "~").exists()
