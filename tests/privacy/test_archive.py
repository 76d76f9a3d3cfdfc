"""Archives: what they hold, who may read them, and which are refused."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.evaluation.sample import Sample, joined
from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.privacy.archive import ABOUT, near_duplicates, open_archive
from cmr_synth.privacy.archive_writer import add, build, remove
from cmr_synth.privacy.audit import audit_neighbours
from cmr_synth.privacy.certificate import Certificate, certify
from cmr_synth.privacy.neighbours import neighbours
from cmr_synth.reports.privacy import neighbours_content


@pytest.fixture
def own(archive, tmp_path) -> Path:
    """A copy of the archive that a test may damage."""
    return shutil.copytree(archive.folder, tmp_path / "own")


def test_it_is_for_its_owner_alone(archive):
    assert stat.S_IMODE(archive.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in archive.folder.iterdir()} == {0o600}


def test_it_cannot_be_written_to(archive):
    with pytest.raises(ValueError, match="read-only"):
        archive.whole[0] = 0


def test_copies_are_found_with_their_patient(archive, real, detector):
    found = neighbours(real.pixels[:12], archive, detector)
    assert [archive.name(int(k)) for k in found.nearest[:, 0]] == list(real.patients[:12])
    assert found.statistics[:, 0].max() < 0.1 and found.statistics[:, 1].max() < 0.3


def test_the_audit_flags_planted_copies_and_not_strangers(archive, real, others, detector):
    mixed = joined([real.take(np.arange(6)), others.take(np.arange(20))], name="mixed")
    audit = audit_neighbours(mixed, archive, detector, None)
    assert audit.flagged[:6].all() and "too close" in audit.verdict


def test_silence_without_power_is_inconclusive(archive, others, detector):
    audit = audit_neighbours(others.take(np.arange(20)), archive, detector, None)
    assert audit.verdict.startswith("inconclusive")
    weak = Certificate(0.01, {"exact": {"any": (1, 30)}}, held_out=24)
    assert "too few planted copies" in weak.reason()
    assert "held-out patients" in Certificate(0.01, {}, held_out=5).reason()


def test_a_certificate_counts_what_is_found(archive, detector):
    *_, certificate = certify(archive, archive.calibration, detector, copies=20)
    assert certificate.found["exact"]["any"] == (20, 20)
    assert certificate.as_dict()["found"]["exact"]["any"]["interval"][1] == 1


def test_keyed_archives_do_not_say_who(real, detector, tmp_path):
    *_, made = build(real, tmp_path / "a", detector, key=b"k" * 16, pixels=False)
    text = (tmp_path / "a" / "slices.csv").read_text()
    assert "real" not in text and made.pixels is None and len(made.starts) == 24
    assert not (tmp_path / "a" / "pixels.npy").exists()
    # nor by the hash of a picture that somebody has
    assert {row["sha256"] for row in made.rows} == {""}


def test_one_person_under_two_names_is_reported(real, detector, tmp_path, renamed, others):
    again = renamed(real.take(np.arange(3)), others.take(np.arange(3)))
    *_, made = build(joined([real, again], name="both"), tmp_path / "a", detector)
    assert near_duplicates(made)[0][:2] == ("drawn other0", "drawn real0")


def test_patients_on_both_sides_are_named(real, detector, tmp_path):
    with pytest.raises(InputError, match="both in .*drawn real0"):
        list(build(real, tmp_path / "a", detector, held_out=real.take(np.arange(2))))
    assert not (tmp_path / "a").exists()


def test_an_empty_archive_is_refused(real, detector, tmp_path):
    with pytest.raises(InputError, match="no slices to archive"):
        list(build(real.take(np.arange(0)), tmp_path / "a", detector))


def test_another_detector_is_refused(archive, real, detector):
    other = CopyDetector(detector.network, hash="0" * 64)
    with pytest.raises(InputError, match="build the archive again"):
        neighbours(real.pixels[:1], archive, other)


@pytest.mark.parametrize("name", ["whole.npy", "windows.npy", "slices.csv", "calibration.csv"])
def test_a_file_cut_short_is_refused(own, name):
    path = own / name
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=rf"{name} has .* bytes in place of"):
        open_archive(own)


def test_a_changed_byte_is_refused(own):
    content = bytearray((own / "pixels.npy").read_bytes())
    content[-1] ^= 1
    (own / "pixels.npy").write_bytes(content)
    with pytest.raises(InputError, match="was changed after"):
        open_archive(own)


def test_another_format_or_a_missing_file_is_refused(own):
    about = json.loads((own / ABOUT).read_text())
    (own / ABOUT).write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(InputError, match="format 99"):
        open_archive(own)
    (own / ABOUT).unlink()
    with pytest.raises(InputError, match="not a readable archive"):
        open_archive(own)


@pytest.mark.parametrize("shape", [(1, 64, 64), (128, 128)])
def test_another_grid_is_refused(archive, detector, shape):
    with pytest.raises(InputError, match="bring them to its grid"):
        neighbours(np.zeros(shape), archive, detector)


def test_pixels_out_of_range_are_refused(archive, detector):
    with pytest.raises(InputError, match="from 0 to 1"):
        neighbours(np.full((1, 128, 128), 2.0), archive, detector)


def test_it_is_replaced_only_when_the_new_one_is_complete(real, detector, tmp_path):
    out = tmp_path / "a"
    list(build(real.take(np.arange(9)), out, detector))
    events = build(real, out, detector)
    next(events)
    events.close()
    assert len(open_archive(out)) == 9
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_is_no_archive_is_not_replaced(real: Sample, detector, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        list(build(real, tmp_path / "a", detector))


def test_patients_come_and_go(real, others, detector, tmp_path):
    first = real.patients != "drawn real3"
    *_, made = build(real.take(first), tmp_path / "a", detector, held_out=others)
    before = made.calibration.statistics.copy()
    *_, grown = add(made, real.take(~first), detector)
    assert len(grown) == len(real) and len(grown.starts) == 24
    found = neighbours(real.pixels[~first], grown, detector)
    assert {grown.name(int(k)) for k in found.nearest[:, 0]} == {"drawn real3"}
    # nobody comes to lie farther away by one more patient in it
    assert (grown.calibration.statistics[:, 0] <= before[:, 0] + 1e-6).all()
    shrunk = remove(grown, ["drawn real3"])
    assert len(shrunk) == len(real) - 3
    assert shrunk.calibration.statistics == pytest.approx(before)
    assert stat.S_IMODE(shrunk.folder.stat().st_mode) == 0o700


def test_who_left_is_no_longer_part_of_the_basis(real, others, detector, tmp_path):
    """The principal components went on being those of everybody who had ever been archived."""
    gone = real.patients == "drawn real3"
    *_, whole = build(real, tmp_path / "a", detector, held_out=others)
    *_, without = build(real.take(~gone), tmp_path / "b", detector, held_out=others)
    before = whole.basis.copy()
    shrunk = remove(whole, ["drawn real3"])
    assert np.abs(before - without.basis).max() > 0.01
    assert np.array_equal(shrunk.basis, without.basis)
    assert np.array_equal(shrunk.pca, without.pca)
    assert np.array_equal(shrunk.pixels, without.pixels)
    # held-out slices are carried over: all distances but those by pixels are the same
    near, exact = shrunk.calibration.statistics, without.calibration.statistics
    assert near[:, :3] == pytest.approx(exact[:, :3], abs=0.002)  # stored in half precision
    assert near[:, 3] == pytest.approx(exact[:, 3], abs=0.02)
    assert ["approximate" in words for words in shrunk.remarks] == [True]
    assert not whole.remarks and not without.remarks


def test_without_pixels_an_archive_says_who_is_left_in_the_basis(real, others, detector, tmp_path):
    *_, made = build(real, tmp_path / "a", detector, held_out=others, pixels=False)
    shrunk = remove(made, ["drawn real3"])
    assert np.array_equal(shrunk.basis, made.basis)
    shrunk = remove(shrunk, ["drawn real5", "drawn real7"])
    (words,) = shrunk.remarks
    assert "from 3 removed patients too" in words and "build the archive again" in words
    *_, grown = add(shrunk, real.take(real.patients == "drawn real3"), detector)
    assert grown.remarks == (words,)  # letting somebody in takes nobody out
    audit = audit_neighbours(others.take(np.arange(6)), grown, detector, None)
    report = neighbours_content(grown, [audit], None)
    assert report.data["archive"]["remarks"] == [words]
    assert any(words[1:] in remark for remark in report.sections[0].remarks)


def test_added_twice_is_there_once(archive, real, detector, own):
    *_, again = add(open_archive(own), real.take(np.arange(3)), detector)
    assert len(again) == len(archive)


def test_keyed_patients_leave_by_their_names(real, detector, tmp_path):
    key = b"k" * 16
    *_, made = build(real, tmp_path / "a", detector, key=key, pixels=False)
    with pytest.raises(InputError, match="has no patient"):
        remove(made, ["drawn real3"])
    assert len(remove(made, ["drawn real3"], key=key).starts) == 23
    with pytest.raises(InputError, match="give the key"):
        list(add(made, real.take(np.arange(3)), detector))


def test_held_out_patients_are_not_let_in(archive, others, detector, own):
    with pytest.raises(InputError, match="among those held out"):
        list(add(open_archive(own), others.take(np.arange(3)), detector))


def test_the_last_patient_stays(own, archive):
    everybody = [archive.name(k) for k in range(len(archive.starts))]
    with pytest.raises(InputError, match="nobody would be left"):
        remove(open_archive(own), everybody)
    assert len(open_archive(own)) == len(archive)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_place_that_cannot_be_written_to_is_named(real, detector, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)  # root may write anywhere
    with pytest.raises(InputError, match="Read-only file system"):
        list(build(real.take(np.arange(3)), tmp_path / "a", detector))
    assert not any(tmp_path.iterdir())
