"""Hundreds of malformed and odd files: read, or refused in one line; nothing crashes or stays."""

from __future__ import annotations

import gzip
import importlib.util
import os
import random
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.imaging.nifti import read_image
from cmr_synth.imaging.readers import read_scan, read_scans
from cmr_synth.synthesis.batch import BatchFile, run_batch
from cmr_synth.synthesis.request import Request

_spec = importlib.util.spec_from_file_location(
    "try_files", Path(__file__).parents[1] / "tools" / "try_files.py"
)
try_files = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(try_files)

ENOUGH = 400


def wrong_among(files):
    """What must not happen; and how often files were read and refused."""
    outcomes = [try_files.try_file(path) for _, path in files]
    known = (try_files.READ, try_files.REFUSED)
    return [o for o in outcomes if o not in known], [outcomes.count(o) for o in known]


def test_at_least_400_files_are_tried_and_each_is_read_or_refused(tmp_path):
    wrong, (read, refused) = wrong_among(try_files.everything(tmp_path, 120, seed=1))
    assert wrong == []
    assert read + refused >= ENOUGH and read >= 40 and refused >= 100


def test_the_sound_files_that_are_damaged_are_read(tmp_path):
    for kind, content in try_files.good_files().items():
        (tmp_path / f"sound.{kind}").write_bytes(content)
        outcome = try_files.try_file(tmp_path / f"sound.{kind}")
        assert outcome == (try_files.REFUSED if kind == "png" else try_files.READ)


def test_the_trial_notices_a_reader_that_raises(tmp_path, monkeypatch):
    def raises(path):
        raise KeyError("rows")

    monkeypatch.setattr("cmr_synth.imaging.readers.read_scan", raises)
    (tmp_path / "a.nii").write_bytes(b"x")
    assert try_files.try_file(tmp_path / "a.nii") == "a.nii: raises raised KeyError: 'rows'"


def test_damaged_masks_leave_nothing_behind(tiny_model, tmp_path):
    masks, out = tmp_path / "masks", tmp_path / "out"
    masks.mkdir()
    draw = random.Random(3)
    sound = try_files.good_files()["nii"]
    for number in range(40):
        (masks / f"{number:02d}.nii").write_bytes(try_files.damaged(sound, draw))
    before = {path.name: path.read_bytes() for path in masks.iterdir()}
    request = Request(model=tiny_model, labels="mnms", steps=1, mirror="no")
    ended = {
        event.path.name: event
        for event in run_batch([masks], out, request, keep_going=True)
        if isinstance(event, BatchFile) and event.state in ("done", "failed")
    }
    assert len(ended) == 40
    failed = [event for event in ended.values() if event.state == "failed"]
    assert 5 <= len(failed) and all(len(e.message.splitlines()) == 1 for e in failed)
    done = {name.removesuffix(".nii") for name, e in ended.items() if e.state == "done"}
    made = sorted(out.iterdir()) if out.exists() else []
    assert {path.name[:2] for path in made} == done and len(made) == 2 * len(done)
    assert {path.name: path.read_bytes() for path in masks.iterdir()} == before


def test_a_folder_of_mixed_nonsense(tmp_path):
    good = try_files.good_files()
    for name, content in {
        "slice": good["dcm"],
        "bild-ä-心臓.png": good["png"],
        "mask.nii.gz": good["nii.gz"],
        "Thumbs.db": bytes(500),
        "empty": b"",
        "half": good["dcm"][:300],
        "notes.txt": b"see the other folder",
        "deep/er/report.dcm": good["dcm"][:132] + bytes(50),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "circle").symlink_to(tmp_path)
    (scan,) = read_scans(tmp_path)
    assert scan.shape == (1, 10, 12)
    (note,) = scan.notes
    assert "7 files are left out" in note and "\n" not in note


def test_names_in_other_scripts_and_long_paths(tmp_path):
    good = try_files.good_files()
    folder = tmp_path / "Größe" / "心臓" / ("a" * 200) / ("b" * 200)
    folder.mkdir(parents=True)
    for kind in ("nii", "nii.gz", "dcm"):
        path = folder / f"{'ü' * 60}.{kind}"
        path.write_bytes(good[kind])
        assert read_scan(path).array.size
    assert read_scans(folder.parent)[0].shape == (1, 10, 12)
    too_long = tmp_path / ("n" * 300)
    with pytest.raises(InputError, match="n{300}") as caught:
        read_scan(too_long)
    assert "\n" not in str(caught.value)


def test_a_zero_in_a_path(tmp_path):
    with pytest.raises(InputError):
        read_scan(tmp_path / "a\0b.nii")


def test_bombs_take_no_memory(tmp_path):
    """A gigabyte of zeros in a megabyte: not more is unpacked than the header promises."""
    header = try_files.good_files()["nii"]
    press = zlib.compressobj(9, zlib.DEFLATED, 31)
    content = press.compress(header)
    block = bytes(1 << 24)
    content += b"".join(press.compress(block) for _ in range(8)) + press.flush()
    (tmp_path / "more.nii.gz").write_bytes(content)
    assert read_image(tmp_path / "more.nii.gz").shape == (3, 10, 12)
    huge = bytearray(header)
    huge[40:56] = np.array([4, 30000, 30000, 30000, 500, 1, 1, 1], "<i2").tobytes()
    (tmp_path / "huge.nii.gz").write_bytes(gzip.compress(bytes(huge)))
    with pytest.raises(InputError, match="at most 536,870,912 in all are read"):
        read_image(tmp_path / "huge.nii.gz")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_source_that_cannot_be_written_to_is_only_read(tiny_model, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    nib.save(nib.Nifti1Image(np.ones((4, 4, 2), np.float32), np.eye(4)), source / "a.nii")
    (source / "b.dcm").write_bytes(try_files.good_files()["dcm"])
    (source / "a.nii").chmod(0o444)
    source.chmod(0o555)
    try:
        before = source.stat().st_mtime_ns
        assert read_scan(source / "a.nii").shape == (2, 4, 4)
        assert read_scan(source).shape == (1, 10, 12)
        assert source.stat().st_mtime_ns == before
        assert sorted(p.name for p in source.iterdir()) == ["a.nii", "b.dcm"]
    finally:
        source.chmod(0o755)
