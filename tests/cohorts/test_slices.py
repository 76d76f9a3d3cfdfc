"""The prepared slice set: what is written is what is opened, whole or not at all."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.cohorts.prepare import prepare
from cmr_synth.cohorts.preparing import Preparing
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.errors import InputError
from cmr_synth.imaging.normalise import AROUND_HEART, NORMALISATIONS

WIDE_GRID = Preparing().wide_grid


def run(folder, out, *, normalisation="percentile", **options):
    """Prepare to the end; the lines said on the way."""
    choices = Preparing(normalisation=normalisation)
    return list(prepare([("folder", folder)], out, choices=choices, **options))


def files_of(folder):
    """Names and contents of the files of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def slice_set(folder, tmp_path):
    """The drawn cohort, prepared."""
    run(folder, tmp_path / "set")
    return tmp_path / "set"


def test_every_labelled_slice_is_there(slice_set):
    opened = open_slice_set(slice_set)
    assert len(opened) == 4 * 2 * 4
    assert opened.images.shape == opened.labels.shape == (32, *WIDE_GRID.shape)
    assert opened.spacing == WIDE_GRID.spacing
    assert {v for v in np.unique(opened.labels)} == {0, LV, MYO, RV}
    assert {row.phase for row in opened.rows} == {"ED", "ES"}
    assert opened.rows[0].vendor == "" and opened.rows[0].cohort == "folder"
    assert not any(row.completed for row in opened.rows)


def test_it_is_read_only(slice_set):
    opened = open_slice_set(slice_set)
    for array in (opened.images, opened.labels, opened.covered):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_anatomy_survives_the_grid(slice_set, folder):
    """Areas in mm2 on the grid are those of the masks, within the width of their outlines."""
    from cmr_synth.cohorts.reading import read_cohort

    opened = open_slice_set(slice_set)
    row = 0
    for examination in read_cohort("folder", folder, []):
        _, y, x = examination.spacing
        for labels in examination.labels:
            for value in (LV, MYO, RV):
                there = (opened.labels[row] == value).sum() * opened.spacing**2
                assert there == pytest.approx((labels == value).sum() * y * x, rel=0.06, abs=40)
            row += 1


def test_covered_is_the_scans_field_of_view(slice_set):
    """The drawn scans are 144 mm wide, the grid 240 mm."""
    covered = open_slice_set(slice_set).covered
    assert set(np.unique(covered).tolist()) == {0, 1}
    assert covered[0].mean() == pytest.approx((144 / 240) ** 2, rel=0.05)


def test_splits_are_by_patient(slice_set):
    opened = open_slice_set(slice_set)
    splits = {}
    for row in opened.rows:
        splits.setdefault(row.patient, set()).add(row.split)
    assert all(len(s) == 1 for s in splits.values())
    chosen = [opened.where(split=s) for s in ("train", "validation", "test")]
    np.testing.assert_array_equal(np.sort(np.concatenate(chosen)), np.arange(len(opened)))
    assert opened.where(cohorts=["acdc"]).size == 0
    assert opened.where(cohorts=["acdc", "folder"]).size == len(opened)


def test_a_person_examined_twice_is_on_one_side(folder, tmp_path, monkeypatch):
    """With half of the patients tested, each by its own number, two of them would be apart."""
    from cmr_synth.cohorts import folder as adapter

    run(folder, tmp_path / "apart", test=0.5)
    side = {row.patient: row.split for row in open_slice_set(tmp_path / "apart").rows}
    one = next(p for p in side if side[p] == "train")
    other = next(p for p in side if side[p] == "test")
    monkeypatch.setattr(adapter, "same_person", {one: other})
    run(folder, tmp_path / "together", test=0.5)
    opened = open_slice_set(tmp_path / "together")
    assert {row.split for row in opened.rows if row.patient in (one, other)} == {"test"}


def test_one_person_under_two_names_is_not_split(folder, tmp_path):
    """`p0-visit1` and `p0-visit2` were two patients, and one of them could be tested."""
    for kind in ("images", "labels"):
        for path in sorted((folder / kind).iterdir()):
            name = path.name.replace("_ED", "-visit1_ED").replace("_ES", "-visit2_ES")
            path.rename(path.with_name(name))
    with pytest.raises(InputError, match="4 people .*: p0-visit1, p0-visit2; p1.*cohort.csv"):
        run(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    rows = [f"{path.name},{path.name[:2]}" for path in sorted((folder / "images").iterdir())]
    (folder / "cohort.csv").write_text("\n".join(["file,patient", *rows]))
    run(folder, tmp_path / "out")
    assert {row.patient for row in open_slice_set(tmp_path / "out").rows} == {
        "p0",
        "p1",
        "p2",
        "p3",
    }


def test_who_is_settled_keeps_the_side(folder, tmp_path, monkeypatch):
    from cmr_synth.cohorts import folder as adapter

    for settled in ("p0", "p1"):
        monkeypatch.setattr(adapter, "settled", {settled: "test"})
        run(folder, tmp_path / settled, validation=0)
        rows = open_slice_set(tmp_path / settled).rows
        assert {row.patient for row in rows if row.split == "test"} == {settled}


@pytest.mark.parametrize("normalisation", [*NORMALISATIONS, AROUND_HEART])
def test_every_normalisation_makes_a_set(normalisation, folder, tmp_path):
    (tmp_path / "one").mkdir()
    for part in ("images", "labels"):
        (tmp_path / "one" / part).mkdir()
        name = "p0_ED.nii.gz"
        (tmp_path / "one" / part / name).write_bytes((folder / part / name).read_bytes())
    run(tmp_path / "one", tmp_path / "set", normalisation=normalisation)
    opened = open_slice_set(tmp_path / "set")
    assert opened.about["normalisation"] == normalisation
    assert np.max(opened.images) > 150 and len(np.unique(opened.images)) > 50


def test_around_heart_evens_out_what_fat_has_spoilt(folder, tmp_path):
    """A bright rim darkens hearts under percentiles of the volume, not around the heart."""
    import nibabel as nib

    def blood(normalisation, out):
        run(folder, tmp_path / out, normalisation=normalisation)
        opened = open_slice_set(tmp_path / out)
        return opened.images[opened.labels == LV].mean()

    before = {name: blood(name, f"{name} before") for name in ("percentile", "around-heart")}
    for path in (folder / "images").iterdir():
        image = nib.load(path)
        pixels = np.asarray(image.dataobj).copy()
        pixels[:2] = 6000
        nib.save(nib.Nifti1Image(pixels, image.affine), path)
    after = {name: blood(name, f"{name} after") for name in ("percentile", "around-heart")}
    assert after["percentile"] < 0.5 * before["percentile"]
    assert after["around-heart"] == pytest.approx(before["around-heart"], rel=0.02)


def test_completion_sees_what_the_segmenter_was_trained_on(folder, tmp_path):
    (folder / "cohort.yaml").write_text("labels: acdc\ndrawn: [LV, RV]\n")
    seen = {}

    def complete(images, labels, may_hide):
        seen.setdefault(name, []).append(images.copy())
        return np.where(labels == UNLABELLED, 0, labels).astype(np.uint8)

    for name in ("percentile", "around-heart", "minmax"):
        run(folder, tmp_path / name, normalisation=name, complete=complete)
    for name in ("around-heart", "minmax"):
        for ours, usual in zip(seen[name], seen["percentile"], strict=True):
            np.testing.assert_array_equal(ours, usual)


def test_options_change_the_result(folder, tmp_path):
    run(folder, tmp_path / "a")
    run(folder, tmp_path / "b", normalisation="minmax", seed=3, test=0.5)
    a, b = open_slice_set(tmp_path / "a"), open_slice_set(tmp_path / "b")
    assert not np.array_equal(a.images, b.images)
    assert [r.split for r in a.rows] != [r.split for r in b.rows]
    assert b.about["normalisation"] == "minmax" and b.about["split"]["seed"] == 3
    np.testing.assert_array_equal(a.labels, b.labels)


def test_preparing_twice_gives_equal_files(folder, tmp_path):
    run(folder, tmp_path / "a")
    run(folder, tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_completion_fills_what_was_not_drawn(folder, tmp_path):
    """The wall is not drawn: it stays open, or the completer is asked about it alone."""
    (folder / "cohort.yaml").write_text("labels: acdc\ndrawn: [LV, RV]\n")
    asked = []

    def complete(images, labels, may_hide):
        asked.append(may_hide.copy())
        assert images.shape == labels.shape and images.shape[1:] == WIDE_GRID.shape
        return np.where(labels == UNLABELLED, 0, labels).astype(np.uint8)

    run(folder, tmp_path / "open")
    run(folder, tmp_path / "closed", complete=complete)
    opened, closed = (open_slice_set(tmp_path / n) for n in ("open", "closed"))
    assert (opened.labels == UNLABELLED).any() and not (closed.labels == UNLABELLED).any()
    assert all(row.completed for row in closed.rows)
    assert all(m[:, MYO].all() and not m[:, [LV, RV]].any() for m in asked)


def test_only_slices_with_something_open_are_completed(folder, tmp_path, monkeypatch):
    """The wall is drawn on the first slice of every stack and open on the others."""
    from cmr_synth.cohorts import folder as adapter

    whole = adapter.examinations

    def partly(root):
        for e in (one for unread in whole(root) for one in unread.read()):
            labels, may_hide = e.labels.copy(), e.may_hide.copy()
            labels[1:][labels[1:] == MYO] = UNLABELLED
            may_hide[1:, MYO] = True
            yield replace(e, labels=labels, may_hide=may_hide)

    monkeypatch.setattr(adapter, "examinations", partly)
    run(folder, tmp_path / "open")
    run(folder, tmp_path / "closed", complete=lambda i, y, m: np.where(y == UNLABELLED, MYO, y))
    opened, closed = (open_slice_set(tmp_path / n) for n in ("open", "closed"))
    assert not any(row.completed for row in opened.rows)
    assert [row.completed for row in closed.rows] == [row.slice > 0 for row in closed.rows]


def test_a_completion_that_finds_nothing_keeps_the_first_placement(folder, tmp_path):
    (folder / "cohort.yaml").write_text("labels: acdc\ndrawn: [LV, RV]\n")
    calls = []

    def complete(images, labels, may_hide):
        calls.append(1)
        if len(calls) % 2:  # the first of two calls an examination, which looks for the heart
            return np.zeros_like(labels)
        return np.where(labels == UNLABELLED, 0, labels)

    run(folder, tmp_path / "open")
    run(folder, tmp_path / "none", complete=complete)
    opened, nothing = (open_slice_set(tmp_path / n) for n in ("open", "none"))
    np.testing.assert_array_equal(opened.images, nothing.images)


def test_a_failure_while_writing_leaves_nothing(folder, tmp_path, monkeypatch):
    out = tmp_path / "out" / "set"

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    with pytest.raises(InputError, match="No space left on device"):
        run(folder, out)
    assert not out.parent.exists()


def test_an_older_set_stays_until_the_new_one_is_complete(slice_set, folder, monkeypatch):
    before = files_of(slice_set)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("safetensors.numpy.save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(folder, slice_set, normalisation="minmax")
    assert files_of(slice_set) == before
    assert [p.name for p in slice_set.parent.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("file", ["shards/*", "slices.csv", "slice_set.json"])
def test_a_missing_file_is_one_line(file, slice_set):
    next(slice_set.glob(file)).unlink()
    with pytest.raises(InputError, match=r"not a readable slice set .*cohort prepare") as caught:
        open_slice_set(slice_set)
    assert "\n" not in str(caught.value)


def test_files_of_two_sets_do_not_open(slice_set):
    text = (slice_set / "slices.csv").read_text().splitlines()
    (slice_set / "slices.csv").write_text("\n".join(text[:-1]) + "\n")
    with pytest.raises(InputError, match="do not fit together"):
        open_slice_set(slice_set)


def test_a_truncated_shard_is_one_line(slice_set):
    shard = next((slice_set / "shards").iterdir())
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    with pytest.raises(InputError, match="not a readable slice set"):
        open_slice_set(slice_set)


def test_nothing_labelled_is_one_line(tmp_path, write_pair):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "cohort.yaml").write_text("labels: acdc\n")
    write_pair(
        tmp_path / "own" / "a.nii.gz",
        tmp_path / "own" / "a_gt.nii.gz",
        labels=np.zeros((4, 96, 96), np.uint8),
    )
    with pytest.raises(InputError, match="no labelled slice in the data given"):
        run(tmp_path / "own", tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_what_the_set_says_about_itself(slice_set):
    about = json.loads((slice_set / "slice_set.json").read_text())
    assert about["slices"] == 32 and about["cohorts"]["folder"]["examinations"] == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": 0.9, "validation": 0.2}, "must leave some for training"),
        ({"test": -1.0}, "must leave some for training"),
    ],
    ids=str,
)
def test_a_wrong_option_is_one_line(options, message, folder, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        run(folder, tmp_path / "set", **options)
    assert "\n" not in str(caught.value) and not (tmp_path / "set").exists()


def test_a_cohort_given_twice_is_one_line(folder, tmp_path):
    with pytest.raises(InputError, match="cohort 'folder' is given twice"):
        list(prepare([("folder", folder), ("folder", folder)], tmp_path / "set"))


def test_something_else_is_not_replaced(folder, tmp_path):
    """And this is said before the patients are read."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(InputError, match="thesis: holds other files"):
        next(prepare([("folder", folder)], tmp_path / "thesis"))
    assert (tmp_path / "thesis" / "chapter.tex").is_file()


def test_an_older_set_is_replaced(slice_set, folder):
    run(folder, slice_set, normalisation="minmax")
    assert open_slice_set(slice_set).about["normalisation"] == "minmax"


def edited(**fields):
    """Damage: fields of slice_set.json changed."""

    def damage(folder):
        about = json.loads((folder / "slice_set.json").read_text())
        (folder / "slice_set.json").write_text(json.dumps(about | fields))

    return damage


def shard_of(folder):
    """The first of the shards."""
    return min((folder / "shards").iterdir())


def count_of(folder):
    """Slices in that shard."""
    counts = dict(json.loads((folder / "slice_set.json").read_text())["shards"])
    return counts[next(name for name in counts if name.endswith(shard_of(folder).name))]


def tensors(folder, **arrays):
    """A whole shard with other tensors."""
    from cmr_synth.cohorts.shards import read_text

    text = {"cmr_synth": json.dumps(read_text(shard_of(folder)))}
    planes = np.zeros((count_of(folder), 160, 160), np.uint8)
    usual = dict.fromkeys(("images", "labels", "covered"), planes)
    save_file(usual | arrays, shard_of(folder), metadata=text)


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: shard_of(s).write_bytes(b""),
        lambda s: shard_of(s).write_bytes(shard_of(s).read_bytes()[:20]),
        lambda s: shard_of(s).write_bytes(b"\xff" * 8 + shard_of(s).read_bytes()[8:]),
        lambda s: tensors(s, labels=np.zeros((count_of(s), 160, 160), np.float32)),
        lambda s: tensors(s, labels=np.zeros(count_of(s), np.uint8)),
        lambda s: tensors(s, labels=np.zeros((count_of(s) - 1, 160, 160), np.uint8)),
        lambda s: (s / "slices.csv").write_text("cohort,patient\nfolder,p0\n"),
        lambda s: (s / "slices.csv").write_text("cohort,patient\n" + "x" * 200_000),
        lambda s: (s / "slice_set.json").write_text("[]"),
        lambda s: (s / "slice_set.json").write_text("{}"),
        edited(format=3),
        edited(format=None),
        edited(spacing_mm=None),
        edited(shards=None),
        edited(shards=[["../../shard.safetensors", 32]]),
        edited(shape=[160]),
    ],
    ids=["empty", "a start", "huge header", "floats", "flat", "one slice less"]
    + ["columns missing", "long field", "a list", "nothing", "later format", "no format"]
    + ["no spacing", "no shards", "a shard elsewhere", "one side"],
)
def test_a_damaged_set_is_one_line(damage, slice_set):
    damage(slice_set)
    with pytest.raises(InputError, match="not a (readable )?slice set") as caught:
        open_slice_set(slice_set)
    assert "\n" not in str(caught.value) and str(slice_set) in str(caught.value)


@pytest.fixture
def earlier(slice_set, tmp_path):
    """The same slices as a set of format 1 has them."""
    opened, folder = open_slice_set(slice_set), tmp_path / "earlier"
    folder.mkdir()
    for key in ("images", "labels", "covered"):
        np.save(folder / f"{key}.npy", np.asarray(getattr(opened, key)))
    (folder / "slices.csv").write_bytes((slice_set / "slices.csv").read_bytes())
    about = {"format": 1, "spacing_mm": 1.5, "cohorts": {}}
    (folder / "slice_set.json").write_text(json.dumps(about))
    return folder


def test_sets_of_the_earlier_format_are_read(earlier, slice_set):
    old, new = open_slice_set(earlier), open_slice_set(slice_set)
    assert old.rows == new.rows and old.shape == new.shape == (128, 128)
    index = np.array([30, 2, 2, 17])
    for one, other in zip(old.crop(index), new.crop(index), strict=True):
        np.testing.assert_array_equal(one, other)
    assert isinstance(old.images, np.memmap)


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: (s / "images.npy").write_bytes(b""),
        lambda s: (s / "images.npy").write_bytes((s / "images.npy").read_bytes()[:20]),
        lambda s: np.save(s / "labels.npy", np.zeros((32, 160, 160), np.float32)),
        lambda s: np.save(s / "labels.npy", np.zeros(32, np.uint8)),
        lambda s: np.savez(s / "labels.npz", 1) or (s / "labels.npz").replace(s / "labels.npy"),
        lambda s: (s / "labels.npy").unlink(),
    ],
    ids=["empty", "a start", "floats", "flat", "an archive", "missing"],
)
def test_a_damaged_earlier_set_is_one_line(damage, earlier):
    damage(earlier)
    with pytest.raises(InputError, match="not a (readable )?slice set") as caught:
        open_slice_set(earlier)
    assert "\n" not in str(caught.value) and str(earlier) in str(caught.value)
