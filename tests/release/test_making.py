"""Making: the same bytes whoever makes it, whenever it is interrupted; nothing twice, no halves."""

from __future__ import annotations

import csv
import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cmr_synth.cohorts.reading import read_cohort
from cmr_synth.errors import InputError
from cmr_synth.imaging.masks import read_mask
from cmr_synth.release.layouts import LAYOUTS
from cmr_synth.release.making import make_release
from cmr_synth.release.marks import is_marked

from .conftest import KEY, files_of


@pytest.fixture(scope="session")
def undisturbed(small: Path) -> dict[str, bytes]:
    return files_of(small)


def test_it_has_what_a_release_has(undisturbed, small: Path):
    for name in ("datasheet.html", "datasheet.pdf", "evidence.json", "croissant.json"):
        assert name in undisturbed
    rows = list(csv.DictReader((small / "patients.csv").open()))
    assert [row["patient"] for row in rows] == ["syn00001", "syn00002", "syn00003"]
    assert sorted(row["pathology"] for row in rows) == ["hcm", "normal", "normal"]
    assert all(40 < float(row["mask_lv_ef_percent"]) < 90 for row in rows)
    slices = list(csv.DictReader((small / "slices.csv").open()))
    assert len(slices) == sum(int(row["slices"]) for row in rows)
    assert {float(row["dice_LV"] or 0) >= 0 for row in slices} == {True}
    assert not any(".partial" in name for name in undisturbed)
    assert not (small.parent / ".undisturbed.making").exists()


def test_every_file_says_that_it_is_synthetic(undisturbed, small: Path):
    assert [name for name in undisturbed if not is_marked(small / name)] == []


def test_without_an_archive_every_page_says_not_audited(undisturbed):
    pages = [name for name in undisturbed if name.endswith(".html")]
    assert len(pages) == 8  # the datasheet, the passport of the set, and those of six pictures
    for name in pages:
        assert "not audited" in undisturbed[name].decode().lower(), name


def test_interrupted_at_every_event_it_ends_the_same(asked, undisturbed, tmp_path: Path):
    """Cancelled again and again: each run gets a little further, and nothing is made twice."""
    out = tmp_path / "again"
    rng = np.random.default_rng(0)
    for _ in range(200):
        events = make_release(asked(), out, KEY)
        left = int(rng.integers(6, 18))  # events, more than come before the first patient
        for _ in events:
            left -= 1
            if left == 0:
                break
        else:
            break
        events.close()
        assert not out.exists()  # never a half of it
    assert files_of(out) == undisturbed


def test_killed_it_ends_the_same(asked, undisturbed, tmp_path: Path):
    """By SIGKILL, which nothing can tidy up after."""
    request, out = tmp_path / "request.yaml", tmp_path / "killed"
    request.write_text(asked().text())
    key = tmp_path / "key"
    key.write_bytes(pem(KEY))
    command = [sys.executable, "-m", "cmr_synth.cli", "release", "make", str(request)]
    command += ["--key", str(key), "--out", str(out)]
    state = tmp_path / ".killed.making" / "state"
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while running.poll() is None and not list(state.glob("syn*.json")):
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not out.exists()
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert files_of(out) == undisturbed


def test_two_processes_make_what_one_makes(asked, undisturbed, tmp_path: Path):
    request, out, key = tmp_path / "request.yaml", tmp_path / "shared", tmp_path / "key"
    request.write_text(asked().text())
    key.write_bytes(pem(KEY))
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes",
        "2",
    ]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launch += ["--main_process_port", "0", "-m", "cmr_synth.cli", "release", "make", str(request)]
    done = subprocess.run([*launch, "--key", str(key), "--out", str(out)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert files_of(out) == undisturbed


@pytest.mark.parametrize("layout", ["nnunet", "bids", "dicom"])
def test_every_form_holds_the_same_hearts(layout, asked, made, tmp_path: Path):
    out = tmp_path / layout
    made(asked(format=layout, patients=1, pathologies=None), out)
    assert [p for p in out.rglob("*") if p.is_file() and not is_marked(p)] == []
    places = LAYOUTS[layout].places("syn00001", "ED")
    mask = read_mask(out / places.mask)  # told by topology: the numbers mean what they should
    assert mask.labels.startswith("read as mnms")
    if layout == "dicom":
        names = sorted(path.name for path in (out / str(places.folder)).iterdir())
        assert names == ["IM_0001.dcm", "IM_0002.dcm", "SEG_0001.dcm"]
        return
    found = list(read_cohort(str(LAYOUTS[layout].cohort), out, []))
    assert sorted({one.patient.removeprefix("sub-") for one in found}) == ["syn00001"]
    assert sorted(one.phase for one in found) == ["ED", "ES"]


def test_dicom_is_the_same_when_made_again(asked, made, tmp_path: Path):
    for name in ("one", "two"):
        made(asked(format="dicom", patients=1), tmp_path / name)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_every_dicom_series_of_a_patient_has_its_own_number(asked, made, tmp_path: Path):
    """Images and segmentations of ED and ES: four series of one study, also when made again."""
    from pydicom import dcmread

    made(asked(format="dicom", patients=1, pathologies=None), tmp_path / "out")
    headers = [
        dcmread(path, stop_before_pixels=True)
        for path in sorted((tmp_path / "out" / "dicom").rglob("*.dcm"))
    ]
    assert len({header.StudyInstanceUID for header in headers}) == 1
    numbers = {str(header.SeriesInstanceUID): int(header.SeriesNumber) for header in headers}
    assert sorted(numbers.values()) == [1, 2, 1001, 1002]


def test_given_masks_are_used_once_each(asked, made, small: Path, tmp_path: Path):
    masks = small / "masks"
    request = asked(masks={"folder": str(masks)}, pathologies=None)
    found = made(request, tmp_path / "given").facts
    assert found["patients"] == 3
    assert "whoever the masks were drawn on" in found["masks"]["words"]
    for name in ("syn00001_ED", "syn00003_ES"):
        one, other = (
            read_mask(f / f"{name}.nii.gz") for f in (masks, tmp_path / "given" / "masks")
        )
        assert np.array_equal(one.scan.array, other.scan.array)
    with pytest.raises(InputError, match="4 are asked for and 3 of the 3 patients given"):
        made(asked(masks={"folder": str(masks)}, pathologies=None, patients=4), tmp_path / "more")


def test_a_folder_that_is_not_empty_is_left_alone(asked, made, tmp_path: Path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        made(asked(), out)
    assert files_of(out) == {"thesis.txt": b"mine"}


def test_another_request_does_not_go_on_with_this_one(asked, tmp_path: Path):
    out = tmp_path / "out"
    events = make_release(asked(), out, KEY)
    for event in events:
        if "1 of 3 patients" in getattr(event, "words", ""):
            break
    events.close()
    with pytest.raises(InputError, match="holds a release in the making, and the request changed"):
        list(make_release(asked(seed=6), out, KEY))


def test_what_changed_since_the_plan_is_refused(asked, own_tiny_model: Path, tmp_path: Path):
    from cmr_synth.release.plan import plan_release

    request = asked(model=str(own_tiny_model))
    plan = json.loads(json.dumps(plan_release(request).as_dict()))
    card = own_tiny_model / "card.yaml"
    card.write_text(card.read_text().replace("Shows noise.", "Shows no noise."))
    with pytest.raises(InputError, match="the model identity changed since it was planned"):
        list(make_release(request, tmp_path / "out", KEY, plan=plan))
    assert not (tmp_path / ".out.making").exists()


def test_a_full_disk_is_one_line_and_the_rest_is_kept(asked, undisturbed, tmp_path, monkeypatch):
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(InputError, match="MB are needed and 0 MB are free"):
        list(make_release(asked(), tmp_path / "out", KEY))
    monkeypatch.undo()
    import cmr_synth.release.patients as patients

    whole, count = patients.write_picture, 0

    def full(*arguments, **options):
        nonlocal count
        count += 1
        if count == 4:
            raise OSError(28, "No space left on device")
        return whole(*arguments, **options)

    monkeypatch.setattr(patients, "write_picture", full)
    with pytest.raises(InputError, match="No space left on device"):
        list(make_release(asked(), tmp_path / "out", KEY))
    monkeypatch.undo()
    assert len(list((tmp_path / ".out.making" / "state").glob("syn*.json"))) == 1
    list(make_release(asked(), tmp_path / "out", KEY))
    assert files_of(tmp_path / "out") == undisturbed


def test_what_cannot_be_had_is_said_before_anything_is_made(asked, tmp_path: Path):
    from cmr_synth.release.plan import plan_release

    wrong = asked(
        pathologies={"normal": 1, "tof": 1},
        vendors=["canon"],
        contrast="lge",
        function={"lv_ef_percent": {"from": 30, "to": 60}},
    )
    found = plan_release(wrong)
    for field in ("contrast: lge", "vendors.canon", "pathologies.tof", "function: drawn"):
        assert any(field in words for words in found.hindrances), field
    with pytest.raises(InputError, match="contrast: lge .*3 more"):
        list(make_release(wrong, tmp_path / "out", KEY))
    assert list(tmp_path.glob(".out*")) == []


def test_metadata_are_valid_croissant(small: Path):
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    document = small / "croissant.json"
    dataset = mlcroissant.Dataset(jsonld=str(document))
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    stated = json.loads(document.read_text())
    assert "http://mlcommons.org/croissant/1.1" in stated["conformsTo"]
    rows = list(dataset.records("patients"))
    assert [row["patients/patient"] for row in rows] == [b"syn00001", b"syn00002", b"syn00003"]


def pem(key) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("layout", ["nifti", "nnunet", "bids", "dicom"])
def test_a_cine_is_a_release_too(layout, asked, made, tiny_model, empty_zoo, tmp_path: Path):
    """Pictures of every frame, function from ED and ES, marks in all files, and made again."""
    from cmr_synth.generators import zoo
    from cmr_synth.imaging.nifti import read_image
    from cmr_synth.release.reality import synthetic_sample
    from cmr_synth.release.verify import verify_release

    out = tmp_path / "cines"
    request = asked(format=layout, frames=3, patients=1, pathologies={"normal": 1}, heart_rate=75.0)
    facts = made(request, out).facts
    assert [p for p in out.rglob("*") if p.is_file() and not is_marked(p)] == []
    places = LAYOUTS[layout].places("syn00001", "cine")
    image, mask = read_image(out / places.image), read_mask(out / places.mask, convention="mnms")
    assert image.shape[0] == mask.scan.shape[0] == 3 and image.is_cine
    lv = (mask.scan.array == 1).sum((1, 2, 3))
    (row,) = csv.DictReader((out / "patients.csv").open())
    ef = 100 * (1 - lv.min() / lv.max())
    assert float(row["mask_lv_ef_percent"]) == pytest.approx(ef, abs=0.01)
    frames = {slice["frame"] for slice in csv.DictReader((out / "slices.csv").open())}
    assert frames == {"0", "1", "2"} and facts["phases"] == ["cine"]
    if layout == "nnunet":
        about = json.loads((out / "dataset.json").read_text())
        cases = sorted(p.name.removesuffix(".nii.gz") for p in (out / "labelsTr").iterdir())
        assert about["synthetic_cases"] == cases and len(cases) == about["numTraining"] == 3
        second = read_image(out / "imagesTr" / "syn00001_frame02_0000.nii.gz")
        assert np.array_equal(second.array, image.array[1])
    if layout == "dicom":
        names = sorted(p.name for p in (out / str(places.folder)).iterdir())
        assert [n for n in names if n.startswith("SEG")] == [f"SEG_000{k}.dcm" for k in (1, 2, 3)]
        assert sum(n.startswith("IM") for n in names) == 3 * image.shape[1]
    if layout == "nifti":
        zoo.add(tiny_model)
        *_, verified = verify_release(out, repeat=1, seed=0)
        record = json.loads((out / places.record).read_text())
        assert record["release"]["masks"]["beat"]["frames"] == 3
        rows = list(csv.DictReader((out / "slices.csv").open()))
        picture = {
            "places": dataclasses.asdict(places),
            "slices": [(int(row["frame"]), int(row["slice"])) for row in rows],
            "stills": {"ED": int(lv.argmax()), "ES": int(lv.argmin())},
        }
        patient = {"ident": "syn00001", "pictures": [picture]}
        sample = synthetic_sample(out, [patient], most=100, name="release")  # beside real patients
        assert {row.phase for row in sample.rows} == {"ED", "ES"}
        assert len(sample) == sum(
            row["frame"] in map(str, picture["stills"].values()) for row in rows
        )
        assert verified.holds and set(verified.made_again) == {places.image}


def test_a_cine_of_one_phase_is_refused(asked):
    with pytest.raises(InputError, match="frames: a cine goes from ED to ES and back"):
        asked(frames=5, phases=["ED"])
