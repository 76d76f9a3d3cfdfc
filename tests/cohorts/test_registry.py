"""The table of cohorts, and what single adapters make of files that are not as they should be."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth import extensions
from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.cohorts import registry
from cmr_synth.cohorts.examination import VENDORS
from cmr_synth.cohorts.reading import found_in, read_cohort
from cmr_synth.cohorts.registry import cohorts, load_cohort, parse_sources
from cmr_synth.errors import InputError


@pytest.mark.parametrize("name", sorted(cohorts()))
def test_an_adapter_says_what_it_is(name):
    adapter = load_cohort(name)
    assert adapter.name == name
    assert adapter.vendor is None or adapter.vendor in VENDORS
    assert all(
        isinstance(text, str) and text
        for text in (adapter.title, adapter.licence, adapter.citation)
    )


@pytest.mark.parametrize("name", sorted(cohorts()))
def test_an_empty_folder_is_one_line(name, tmp_path):
    with pytest.raises(InputError) as caught:
        list(found_in(load_cohort(name), tmp_path))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        InputError, match=r"no cohort is called 'acd'; known are acdc, autofd, bids, chla"
    ):
        load_cohort("acd")


def test_a_name_declared_twice_is_refused(monkeypatch):
    from importlib.metadata import EntryPoint

    other = EntryPoint("acdc", "somebody.acdc", registry.GROUP)
    monkeypatch.setattr(extensions, "entry_points", lambda group: [other])
    with pytest.raises(ValueError, match="'acdc' is declared twice.*somebody.acdc"):
        cohorts()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("package_that_is_not_there.cohort", "ModuleNotFoundError: No module named"),
        ("json", "it declares no name, title, licence, citation, asked_for, vendor"),
    ],
)
def test_a_broken_adapter_of_another_package_is_named_and_the_rest_works(
    monkeypatch, place, reason
):
    from importlib.metadata import EntryPoint

    other = EntryPoint("theirs", place, registry.GROUP)
    monkeypatch.setattr(extensions, "entry_points", lambda group: [other])
    package = place.partition(".")[0]
    with pytest.raises(InputError, match=f"'theirs' of the package '{package}'.*{reason}") as told:
        load_cohort("theirs")
    assert "\n" not in str(told.value)
    assert load_cohort("acdc").name == "acdc"


def test_sources(tmp_path):
    assert parse_sources([f"folder={tmp_path}"]) == [("folder", tmp_path)]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("acdc", "give data as NAME=PATH"),
        ("acdc=", "give data as NAME=PATH"),
        ("nobody=here", "no cohort is called 'nobody'"),
        ("acdc=/no/such/folder", "no such folder"),
    ],
)
def test_a_wrong_source_is_one_line(source, message):
    with pytest.raises(InputError, match=message):
        parse_sources([source])


def test_acdc_reads_a_patient_as_documented(data_root):
    root = data_root / "acdc" / "training"
    ed, es = islice(found_in(load_cohort("acdc"), root), 2)
    assert (ed.patient, ed.phase, es.phase) == ("patient001", "ED", "ES")
    assert ed.vendor == "siemens" and ed.pathology == "dcm"
    assert (ed.labels == LV).sum() > (es.labels == LV).sum()
    assert ed.files == (
        "patient001/patient001_frame01.nii.gz",
        "patient001/patient001_frame01_gt.nii.gz",
    )


def test_cropping_does_not_move_acdc(data_root):
    """The full field of view and the crop give the same labels around the heart."""
    crop = next(iter(found_in(load_cohort("acdc"), data_root / "acdc" / "training")))
    full_root = data_root / "acdc_fullfov" / "training"
    whole = next(
        (e for e in found_in(load_cohort("acdc"), full_root) if e.patient == crop.patient), None
    )
    if whole is None:
        whole = next(iter(found_in(load_cohort("acdc"), full_root)))
        same = found_in(load_cohort("acdc"), data_root / "acdc" / "training")
        crop = next(e for e in same if e.patient == whole.patient)
    assert crop.spacing == pytest.approx(whole.spacing, rel=1e-4)
    for value in (LV, MYO, RV):
        assert (crop.labels == value).sum() == (whole.labels == value).sum()
    np.testing.assert_allclose(crop.z, whole.z)


def test_acdc_without_its_table_is_one_line(tmp_path):
    (tmp_path / "patient001").mkdir()
    with pytest.raises(InputError, match=r"Info.cfg: cannot be read .*Every ACDC patient has one"):
        next(read_cohort("acdc", tmp_path, []))


def test_acdc_without_a_frame_number_is_one_line(tmp_path):
    (tmp_path / "patient001").mkdir()
    (tmp_path / "patient001" / "Info.cfg").write_text("ED: one\nES: 12\n")
    with pytest.raises(InputError, match=r"no frame number for ED; found 'one'"):
        next(read_cohort("acdc", tmp_path, []))


def test_acdc_unpacked_and_edited(tmp_path, layouts):
    """Files as `.nii`, one in a folder of its own name; the table saved by an old editor."""
    expected = layouts["acdc"](tmp_path)
    for path in sorted(tmp_path.rglob("*.nii.gz")):
        goal = path.with_name(path.name.removesuffix(".gz"))
        nib.save(nib.load(path), goal)
        path.unlink()
        if "frame12" in path.name:
            moved = goal.rename(goal.with_name("moved"))
            goal.mkdir()
            moved.rename(goal / goal.name)
    for path, encoding in zip(
        sorted(tmp_path.rglob("Info.cfg")), ("utf-8-sig", "utf-16"), strict=True
    ):
        path.write_bytes(path.read_text().replace("\n", "\r\n").encode(encoding))
    lost = []
    found = {(e.patient, e.phase): e for e in read_cohort("acdc", tmp_path, lost)}
    assert not lost and found.keys() == expected.keys()
    assert {e.pathology for e in found.values()} == {"dcm", "normal"}


def test_acdc_with_one_phase_is_read_and_the_other_is_told(tmp_path, layouts):
    layouts["acdc"](tmp_path)
    (tmp_path / "patient001" / "Info.cfg").write_text("ED: 1\nGroup: DCM\n")
    (tmp_path / "patient002" / "patient002_frame12.nii.gz").unlink()
    lost = []
    assert [(e.patient, e.phase) for e in read_cohort("acdc", tmp_path, lost)] == [
        ("patient001", "ED"),
        ("patient002", "ED"),
    ]
    assert [x.what for x in lost] == ["patient001/Info.cfg", "patient002"]
    assert "no frame number for ES" in lost[0].reason
    assert "holds no patient002_frame12.nii.gz, packed or not" in lost[1].reason


def test_chla_leaves_the_myocardium_open(data_root):
    for e in islice(found_in(load_cohort("chla"), data_root / "chla_chd"), 3):
        assert not (e.labels == MYO).any() and not (e.labels == 0).any()
        assert e.may_hide[:, MYO].all()
        one_cavity = (e.labels == LV).any(axis=(1, 2)) != (e.labels == RV).any(axis=(1, 2))
        assert e.may_hide[one_cavity][:, [LV, RV]].any(axis=1).all()


def test_sunnybrook_knows_the_blood_pool_only(data_root):
    for e in islice(found_in(load_cohort("sunnybrook"), data_root / "sunnybrook"), 4):
        assert set(np.unique(e.labels)) == {LV, UNLABELLED}
        assert e.may_hide[:, [MYO, RV]].all() and not e.may_hide[:, LV].any()


@pytest.mark.parametrize(
    ("name", "file"), [("sunnybrook", "sunnybrook_train.npz"), ("chla", "chla_chd_training.npz")]
)
def test_a_damaged_archive_is_one_line(name, file, tmp_path: Path):
    (tmp_path / file).write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(InputError, match=rf"{file}: not a readable NumPy archive"):
        next(iter(found_in(load_cohort(name), tmp_path)))


CHLA_ROW = {
    "Subjects": "1",
    "Disease": "Cardiomyopathy",
    "Pixel Size (dx)": "1.2",
    "Pixel Size (dy)": "1.3",
    "Spacing Between Slices": "9",
}


def write_chla(root: Path, row=CHLA_ROW, **change):
    """One subject as CHLA has it, some arrays changed or, with None, left out."""
    mask = np.zeros((3, 8, 8), np.uint8)
    mask[:, 2:4, 2:4], mask[:, 4:6, 4:6] = 1, 3
    arrays = {"Sbj1_ED_image": mask * 100, "Sbj1_ED_mask": mask} | change
    np.savez(root / "chla_chd_training.npz", **{k: v for k, v in arrays.items() if v is not None})
    (root / "metadata.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    return root


def test_chla_reads_a_subject_as_documented(tmp_path):
    (e,) = found_in(load_cohort("chla"), write_chla(tmp_path))
    assert e.spacing == (9.0, 1.3, 1.2) and e.pathology == "cm" and e.phase == "ED"


def test_chla_without_a_mask_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no array 'Sbj1_ED_mask' to go with 'Sbj1_ED_image'"):
        list(found_in(load_cohort("chla"), write_chla(tmp_path, Sbj1_ED_mask=None)))


def test_chla_with_a_picture_of_another_kind_is_one_line(tmp_path):
    with pytest.raises(InputError, match="'Sbj1_ED_image' is no stack of slices"):
        list(found_in(load_cohort("chla"), write_chla(tmp_path, Sbj1_ED_image=np.array("a"))))


@pytest.mark.parametrize("column", list(CHLA_ROW))
def test_chla_without_a_column_is_one_line(column, tmp_path):
    row = {k: v for k, v in CHLA_ROW.items() if k != column}
    with pytest.raises(InputError, match=r"metadata.csv: .*no column") as caught:
        list(found_in(load_cohort("chla"), write_chla(tmp_path, row)))
    assert column in str(caught.value)


@pytest.mark.parametrize("size", ["wide", "", "nan", "0", "-1"])
def test_chla_with_a_size_that_is_none_is_one_line(size, tmp_path):
    row = CHLA_ROW | {"Pixel Size (dx)": size}
    with pytest.raises(InputError, match=r"metadata.csv: cannot be read as CHLA's table"):
        list(found_in(load_cohort("chla"), write_chla(tmp_path, row)))


def test_acdc_with_a_table_of_bytes_is_one_line(tmp_path):
    (tmp_path / "patient001").mkdir()
    (tmp_path / "patient001" / "Info.cfg").write_bytes(b"ED: \xff\xfe\n")
    with pytest.raises(InputError, match=r"no frame number for ED; found 'ÿþ'"):
        next(read_cohort("acdc", tmp_path, []))


def test_acdc_takes_no_unlabelled_slice_for_heart(tmp_path, write_pair):
    """The position runs over the slices that are drawn; 255 is not drawn."""
    labels = np.zeros((5, 96, 96), np.uint8)
    for k, size in ((1, 40), (2, 30), (3, 20)):
        labels[k, 30 : 30 + size, 30 : 30 + size] = LV
    labels[4] = UNLABELLED
    folder = tmp_path / "patient001"
    folder.mkdir()
    (folder / "Info.cfg").write_text("ED: 1\nES: 2\n")
    for frame in ("01", "02"):
        stem = f"patient001_frame{frame}"
        write_pair(folder / f"{stem}.nii.gz", folder / f"{stem}_gt.nii.gz", labels=labels,
                   pixels=labels)  # fmt: skip
    e = next(iter(found_in(load_cohort("acdc"), tmp_path)))
    np.testing.assert_allclose(e.z, [0, 0, 0.5, 1, 1])


class Theirs:
    """A cohort of another package, whole."""

    name, title, vendor, licence, citation = "theirs", "Theirs", None, "CC0", "Them"
    asked_for = "them"
    same_person: dict[str, str] = {}
    settled = {"p1": "test"}

    @staticmethod
    def examinations(root):
        return iter(())

    @staticmethod
    def remarks(root):
        return []


def test_a_whole_adapter_of_another_package_is_taken(monkeypatch):
    from importlib.metadata import EntryPoint

    monkeypatch.setattr(EntryPoint, "load", lambda entry: Theirs)
    monkeypatch.setattr(
        extensions, "entry_points", lambda group: [EntryPoint("theirs", "a.b", group)]
    )
    assert load_cohort("theirs") is Theirs


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("title", "", "its title is not text"),
        ("vendor", "toshiba", "its vendor 'toshiba' is none of siemens"),
        ("same_person", ["p1", "p2"], "its same_person is not a mapping"),
        ("settled", {"p1": "exam"}, "settles patients on 'exam', and sides are train"),
        ("remarks", [], "its remarks is not a function"),
    ],
    ids=str,
)
def test_a_wrong_part_of_an_adapter_is_named(part, value, reason, monkeypatch):
    from importlib.metadata import EntryPoint

    monkeypatch.setattr(EntryPoint, "load", lambda entry: type("Wrong", (Theirs,), {part: value}))
    monkeypatch.setattr(
        extensions, "entry_points", lambda group: [EntryPoint("theirs", "a.b", group)]
    )
    with pytest.raises(InputError, match=f"'theirs' of the package 'a' .*{reason}") as told:
        load_cohort("theirs")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("lacking", ["same_person", "settled", "remarks"])
def test_an_adapter_that_lacks_a_part_is_named(lacking, monkeypatch):
    from importlib.metadata import EntryPoint

    parts = {k: v for k, v in vars(Theirs).items() if k != lacking and not k.startswith("__")}
    monkeypatch.setattr(EntryPoint, "load", lambda entry: type("Lacking", (), parts))
    monkeypatch.setattr(
        extensions, "entry_points", lambda group: [EntryPoint("theirs", "a.b", group)]
    )
    with pytest.raises(InputError, match=f"'theirs' of the package 'a' .*declares no {lacking}"):
        load_cohort("theirs")


def test_the_list_goes_on_after_a_broken_package(monkeypatch):
    from importlib.metadata import EntryPoint

    from typer.testing import CliRunner

    from cmr_synth.cli.cohort import app

    other = EntryPoint("theirs", "package_that_is_not_there.cohort", registry.GROUP)
    monkeypatch.setattr(extensions, "entry_points", lambda group: [other])
    told = CliRunner().invoke(app, ["list"])
    assert told.exit_code == 0
    assert "theirs" in told.stdout and "'package_that_is_not_there'" in told.stdout
    assert all(name in told.stdout for name in registry.BUILT_IN)
