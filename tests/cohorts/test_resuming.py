"""A preparation that is cut short goes on; several processes make what one makes."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.cohorts.prepare import prepare, unfinished
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.errors import InputError

KILLS = 20

# Forks a process for every line that it reads, so that each need not import everything again.
FORKS = """
import os, sys
from pathlib import Path
from cmr_synth.cohorts.prepare import prepare
import nibabel, scipy.ndimage, safetensors.numpy
import cmr_synth.cohorts.folder

for line in sys.stdin:
    root, out = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if not child:
        for _ in prepare([("folder", Path(root))], Path(out)):
            pass
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def run(root, out, **options):
    return list(prepare([("folder", root)], out, **options))


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def identities(shards: Path) -> dict[str, tuple[int, int]]:
    """The files of finished shards: what is written anew is another one."""
    there = [path for path in shards.glob("*.safetensors") if not path.name.startswith(".")]
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in there}


def test_killed_at_any_moment_it_resumes(folder, tmp_path):
    """Without redoing what is done, and to the same set."""
    began = time.monotonic()
    run(folder, tmp_path / "whole")
    takes = time.monotonic() - began
    whole = files_of(tmp_path / "whole")
    draw = random.Random(7)
    killed = rounds = 0
    with subprocess.Popen(
        [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as forks:
        while killed < KILLS:
            out, rounds = tmp_path / f"set{rounds}", rounds + 1
            done: dict[str, tuple[int, int]] = {}
            finished = False
            while not finished:
                forks.stdin.write(f"{folder}\t{out}\n")
                forks.stdin.flush()
                child = int(forks.stdout.readline())
                if killed < KILLS:
                    time.sleep(draw.uniform(0, takes))
                    with suppress(ProcessLookupError):  # it may be done
                        os.kill(child, signal.SIGKILL)
                code = int(forks.stdout.readline())
                assert code in (0, -signal.SIGKILL)
                finished = code == 0
                killed += not finished
                shards = (out if out.exists() else unfinished(out)) / "shards"
                now = identities(shards) if shards.exists() else {}
                assert done.items() <= now.items()
                done = now
            assert files_of(out) == whole
            assert not unfinished(out).exists()
        forks.stdin.close()
    assert killed == KILLS


def test_an_interrupted_run_keeps_what_is_done(folder, tmp_path):
    out = tmp_path / "set"
    running = prepare([("folder", folder)], out)
    said = [next(running) for _ in range(3)]
    running.close()
    assert not out.exists() and len(identities(unfinished(out) / "shards")) == 2
    assert len(run(folder, out)) == 8 - 2  # the third was not written yet
    assert len(said) == 3 and not unfinished(out).exists()
    assert len(open_slice_set(out)) == 32


def test_before_anything_is_done_nothing_is_left(folder, tmp_path):
    out = tmp_path / "new" / "set"
    running = prepare([("folder", folder)], out)
    next(running)
    running.close()
    assert not out.parent.exists()


def test_a_set_that_is_there_is_not_made_again(folder, tmp_path):
    """Another split, or another patient, costs no more than that."""
    run(folder, tmp_path / "set", seed=0)
    before = identities(tmp_path / "set" / "shards")
    assert run(folder, tmp_path / "set", seed=5, test=0.5) == []
    assert identities(tmp_path / "set" / "shards") == before
    assert open_slice_set(tmp_path / "set").about["split"]["seed"] == 5
    time.sleep(0.01)
    (folder / "images" / "p2_ES.nii.gz").touch()
    assert run(folder, tmp_path / "set") == ["folder p2 ES"]
    (folder / "cohort.csv").write_text("patient,vendor\np1,ge\n")
    assert run(folder, tmp_path / "set") == []
    vendors = {(row.patient, row.vendor) for row in open_slice_set(tmp_path / "set").rows}
    assert vendors == {("p0", ""), ("p1", "ge"), ("p2", ""), ("p3", "")}


def test_other_choices_make_it_anew(folder, tmp_path):
    run(folder, tmp_path / "set")
    assert len(run(folder, tmp_path / "set", complete=lambda images, labels, hide: labels)) == 8


def test_an_older_set_that_was_put_aside_comes_back(folder, tmp_path):
    """Killed between the two renames that put a new set in the place of an older one."""
    run(folder, tmp_path / "set")
    (tmp_path / "set").rename(tmp_path / ".set.replaced")
    running = prepare([("folder", folder)], tmp_path / "set", strict=True)
    assert list(running) == []  # nothing had to be done again
    assert open_slice_set(tmp_path / "set").about["slices"] == 32
    assert not (tmp_path / ".set.replaced").exists()


def test_workers_make_what_one_process_makes(folder, tmp_path):
    lines = run(folder, tmp_path / "several", jobs=2)
    assert sorted(lines) == sorted(run(folder, tmp_path / "one"))
    assert files_of(tmp_path / "several") == files_of(tmp_path / "one")


def test_long_units_are_cut_into_shards(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("cmr_synth.cohorts.prepare.SLICES", 6)
    monkeypatch.setattr("cmr_synth.cohorts.units.UNITS", 1)
    whole = tmp_path / "whole"
    run(folder, whole)
    assert len(list((whole / "shards").iterdir())) == 5
    out = tmp_path / "set"
    running = prepare([("folder", folder)], out)
    for _ in range(6):
        next(running)
    running.close()
    assert len(run(folder, out)) == 8 - 4  # two shards of two examinations were there
    assert files_of(out) == files_of(whole)


def test_a_worker_that_is_ended_is_one_line(folder, tmp_path):
    out = tmp_path / "set"
    running = prepare([("folder", folder)], out, jobs=2)
    next(running)
    for worker in multiprocessing.active_children():
        os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(InputError, match="a worker process was ended from outside"):
        list(running)
    assert not out.exists()
    assert multiprocessing.active_children() == []
    run(folder, out)
    assert len(open_slice_set(out)) == 32


def test_what_cannot_be_used_is_left_out_and_counted(folder, tmp_path, write_pair):
    """A mask that does not fit, and a patient of whom nothing can be made."""
    write_pair(tmp_path / "a.nii.gz", folder / "labels" / "p1_ES.nii.gz", labels=stack_of(5))
    (folder / "cohort.yaml").write_text("labels: acdc\ndrawn: [LV, RV]\n")
    calls = []

    def complete(images, labels, may_hide):
        calls.append(1)
        if len(calls) == 1:
            raise InputError("nothing can be made of it.")
        return labels

    run(folder, tmp_path / "set", complete=complete)
    first, second = open_slice_set(tmp_path / "set").about["cohorts"]["folder"]["left_out"]
    assert first == {"what": "images/p0_ED.nii.gz", "reason": "nothing can be made of it."}
    assert "p1_ES" in second["what"] and "the mask is 5 x 96 x 96" in second["reason"]
    with pytest.raises(InputError, match="2 files are left out, and nothing may be"):
        run(folder, tmp_path / "set", strict=True, complete=complete)


def stack_of(count):
    """A drawn heart on so many slices."""
    return np.stack([draw_slice(level=(k + 0.5) / count, shape=(96, 96)) for k in range(count)])
