"""`cmr-synth archive` and `cmr-synth audit`, end to end, on drawn patients with a bundled model."""

from __future__ import annotations

import json
import re
import shutil
import stat

import nibabel as nib
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from scipy.ndimage import gaussian_filter

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.cohorts.slices import SliceRow, open_slice_set
from cmr_synth.evaluation.sample import real_sample
from cmr_synth.imaging.copies import PLANTED
from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.privacy.archive_writer import build

from .test_compare import save_slice_set

TRAINING, HELD_OUT, EACH = 22, 22, 3
MODEL = "flow-fast"
AFFINE = np.diag([-1.5, -1.5, 8.0, 1.0])


def drawn_patients(folder, *, training=TRAINING, held_out=HELD_OUT, seed=0, again=False):
    """Hearts in surroundings of their own, half of them to train on; `again`: one of them twice."""
    rng = np.random.default_rng(seed)
    images, labels, rows = [], [], []
    for p in range(training + held_out):
        ground = gaussian_filter(rng.normal(size=(160, 160)), 6)
        ground = 90 + 75 * ground / np.abs(ground).max()
        for k in range(EACH):
            mask = draw_slice(
                shape=(160, 160), level=("basal", "mid", "apical")[k], seed=100 * seed + 10 * p + k
            )
            noise = rng.normal(0, 5, mask.shape)
            picture = ground + np.array([0, 110, -10, 100])[mask] + noise
            images.append(np.clip(picture, 0, 255).astype(np.uint8))
            labels.append(mask)
            rows.append(
                SliceRow(
                    cohort="acdc",
                    patient=f"s{seed}p{p:02}",
                    split="train" if p < training else "test",
                    vendor="siemens",
                    phase="ED",
                    pathology="normal",
                    slice=k,
                    z=(0.1, 0.5, 0.9)[k],
                    completed=False,
                    between_mm=8.0,
                )
            )
    if again:
        images[EACH : 2 * EACH] = images[:EACH]
    save_slice_set(folder, np.stack(images), np.stack(labels), rows)
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return drawn_patients(tmp_path_factory.mktemp("audit") / "prepared")


@pytest.fixture(scope="module")
def built(prepared, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "archive"
    slices = open_slice_set(prepared)
    real, held_out = (real_sample(slices, split) for split in ("train", "test"))
    list(build(real, out, CopyDetector.load(), held_out=held_out))
    return out


@pytest.fixture
def archive(built, tmp_path):
    """An archive that a test may change."""
    return shutil.copytree(built, tmp_path / "archive")


def damaged(folder, **changes):
    path = folder / "archive.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_patients_come_go_and_are_checked(run, prepared, tmp_path):
    archive = tmp_path / "archive"
    ended = run("archive", "build", "--slices", prepared, "--out", archive, "--json")
    assert ended.code == 0, ended.err
    facts = json.loads(ended.out)
    assert (facts["patients"], facts["slices"]) == (TRAINING, TRAINING * EACH)
    assert facts["held_out_patients"] == HELD_OUT
    assert {stat.S_IMODE(path.stat().st_mode) for path in archive.iterdir()} == {0o600}
    ended = run("archive", "check", archive, "--json")
    assert ended.code == 0 and json.loads(ended.out)["near_identical"] == []

    ended = run("archive", "remove", archive, "acdc s0p00", "--json")
    assert json.loads(ended.out)["patients"] == TRAINING - 1
    more = drawn_patients(tmp_path / "more", training=3, held_out=0, seed=7, again=True)
    ended = run("archive", "add", archive, "--slices", more, "--json")
    assert json.loads(ended.out)["patients"] == TRAINING + 2
    ended = run("archive", "check", archive)
    assert ended.code == 0 and "near-identical: acdc s7p00 and acdc s7p01" in ended.out
    assert "note: since patients were removed, distances of held-out slices" in ended.out
    assert run("archive", "remove", archive, "acdc nobody").code == 1


def test_identifiers_can_be_keyed_and_pixels_left_out(run, prepared, tmp_path):
    key, out = tmp_path / "secret", tmp_path / "shared"
    key.write_bytes(b"0123456789abcdef")
    ended = run(
        "archive", "build", "--slices", prepared, "--out", out, "--no-pixels", "--key-file", key
    )
    assert ended.code == 0, ended.err
    assert not (out / "pixels.npy").exists()
    assert "s0p" not in (out / "slices.csv").read_text() + (out / "calibration.csv").read_text()
    named = ("acdc s0p00", "--key-file", key)
    assert "note: the principal components" in run("archive", "remove", out, *named).out
    (words,) = json.loads(run("archive", "check", out, "--json").out)["remarks"]
    assert "from 1 removed patient too" in words
    ended = run(
        "audit", "neighbours", MODEL, "--archive", out, "--slices", prepared,
        "--out", tmp_path / "audit", "--counterfactuals", "0",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "no pixels, so no copies could be planted" in ended.out


def test_neighbours_of_a_model(run, archive, prepared, tmp_path):
    out = tmp_path / "out"
    ended = run(
        "audit", "neighbours", MODEL, "--archive", archive, "--slices", prepared, "--out", out,
        "--copies", "20", "--counterfactuals", "2", "--pictures", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    facts = json.loads((out / "report.json").read_text())
    (one,) = facts["sets"]
    assert one["slices"] == HELD_OUT * EACH == len(one["each"])
    assert sum(one["leaks"].values()) == 8
    looked = [each for each in one["each"] if each["counterfactual"]]
    assert len(looked) == 8 and all(len(e["counterfactual"]["others"]) == 2 for e in looked)
    found = facts["certificate"]["found"]
    assert set(found) == set(PLANTED) and found["exact"]["any"] == {
        "found": 20, "planted": 20, "interval": found["exact"]["any"]["interval"],
    }  # fmt: skip
    assert facts["archive"]["held_out_patients"] == HELD_OUT
    page = re.sub(r"base64,[^\"]+", "", (out / "report.html").read_text())
    assert "likeness by" in page and "<img" in page and "What would have been found" in page
    assert not list(out.glob(".partial*"))


def test_copies_in_a_folder_are_flagged(run, archive, prepared, tmp_path):
    """Somebody's images, two of them of archived patients."""
    slices = open_slice_set(prepared)
    data = tmp_path / "data"
    for name in ("images", "labels"):
        (data / name).mkdir(parents=True)
    new = open_slice_set(drawn_patients(tmp_path / "new", training=8, held_out=0, seed=9))
    for number, (source, p) in enumerate([(slices, 2), (slices, 5), *((new, k) for k in range(8))]):
        rows = slice(p * EACH, (p + 1) * EACH)
        for name, planes in (("images", source.images[rows]), ("labels", source.labels[rows])):
            image = nib.Nifti1Image(np.asarray(planes).T, AFFINE)
            nib.save(image, data / name / f"case{number}.nii.gz")
    out = tmp_path / "out"
    ended = run(
        "audit", "neighbours", f"folder={data}", "--archive", archive, "--slices", prepared,
        "--out", out, "--copies", "20",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (one,) = json.loads((out / "report.json").read_text())["sets"]
    flagged = {e["mask_of"]: e["nearest"][0] for e in one["each"] if e["flagged"]}
    assert flagged["folder case0"] == "acdc s0p02" and flagged["folder case1"] == "acdc s0p05"
    assert "too close to a patient" in one["verdict"] and one["leaks"] is None


def test_too_few_held_out_patients_are_inconclusive(run, tmp_path):
    few = drawn_patients(tmp_path / "few", training=6, held_out=6)
    archive = tmp_path / "archive"
    assert run("archive", "build", "--slices", few, "--out", archive).code == 0
    ended = run(
        "audit", "neighbours", MODEL, "--archive", archive, "--slices", few,
        "--out", tmp_path / "out", "--copies", "20", "--counterfactuals", "0",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "inconclusive: 6 held-out patients, and 20 are needed" in ended.out


def test_membership_and_copying(run, prepared, tmp_path):
    ended = run(
        "audit", "membership", MODEL, "--slices", prepared, "--per-patient", "1",
        "--out", tmp_path / "membership", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (one,) = json.loads(ended.out)["models"]
    assert set(one["attacks"]) >= {"reconstruction", "loss"}
    assert one["declared"] == "loss" and not one["difficulty_calibrated"]
    ended = run(
        "audit", "membership", MODEL, "--slices", prepared, "--per-patient", "1",
        "--references", tmp_path / "references", "--reference-images", "8",
        "--out", tmp_path / "calibrated", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (one,) = json.loads(ended.out)["models"]
    assert one["declared"] == "calibrated loss" and one["difficulty_calibrated"]
    assert one["attacks"]["calibrated loss"]["members"] == TRAINING
    ended = run(
        "audit", "copying", MODEL, "--slices", prepared, "--no-styles",
        "--out", tmp_path / "copying", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (one,) = json.loads(ended.out)["sets"]
    assert 0 <= one["authenticity"]["value"] <= 1 and one["slices"] == HELD_OUT * EACH


def test_canaries(run, prepared, tmp_path):
    planted = tmp_path / "planted"
    ended = run(
        "audit", "canaries", "plant", "--slices", prepared, "--out", planted,
        "--canaries", "12", "--seed", "3", "--json",
    )  # fmt: skip
    facts = json.loads(ended.out)
    slices = open_slice_set(planted)
    canaries = {row.patient: row.split for row in slices.rows if row.patient.startswith("canary")}
    assert len(canaries) == 12 and set(canaries.values()) == {"train", "left out"}
    assert sum(split == "train" for split in canaries.values()) == facts["let_in"]
    assert len(slices) == (TRAINING + HELD_OUT) * EACH + 24
    ended = run("audit", "canaries", "measure", MODEL, "--slices", planted, "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["guesses"] == 6 and 0 <= found["epsilon"] <= found["ceiling"]
    ended = run("audit", "canaries", "measure", MODEL, "--slices", prepared)
    assert ended.code == 1 and "canaries plant" in ended.line


@pytest.fixture
def keys(tmp_path):
    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "key", tmp_path / "key.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    return private, public


@pytest.fixture
def issued(run, archive, mask, keys, tmp_path):
    """An image with its passport beside it."""
    out = tmp_path / "out"
    assert run("synthesize", mask, "--model", MODEL, "--vendor", "siemens", "--out", out).code == 0
    (image,) = out.glob("*.nii.gz")
    ended = run(
        "audit", "passport", image, "--mask", mask, "--archive", archive, "--key", keys[0],
        "--out", out, "--copies", "20", "--pictures", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (one,) = json.loads(ended.out)["passports"]
    return image, out / one["passport"].rsplit("/", 1)[-1]


def test_a_passport_says_what_was_found_and_holds(run, issued, keys):
    image, passport = issued
    stated = json.loads(passport.read_text())
    record = json.loads(image.with_name(image.name.replace(".nii.gz", ".json")).read_text())
    assert stated["image"]["sha256"] == record["sha256"]
    origin = stated["origin"]
    assert origin["is"] == "reproduced" and origin["made_again"]["largest_difference"] <= 1e-6
    assert origin["model"] == record["model"] and origin["vendor"] == "siemens"
    assert origin["epsilon"] is None and origin["made_again"]["device"] == record["device"]
    assert stated["archive"]["patients"] == TRAINING
    (one,) = stated["slices"]
    assert len(one["nearest"]) == 5 and 0 < one["p"] <= 1
    assert stated["certificate"]["found"]["exact"]["any"]["found"] == 20
    assert passport.stat().st_size < 20_000
    page = passport.with_suffix(".html").read_text()
    assert "model (reproduced)" in page and "differential privacy (reproduced)" in page
    assert "Privacy passport" in page and "<img" in page and stated["image"]["sha256"] in page
    ended = run("audit", "verify", passport, "--public-key", keys[1], "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["remarks"] == []
    assert json.loads(ended.out)["origin"] == origin
    assert "origin: reproduced; made again" in run("audit", "verify", passport).out


def test_what_the_sidecar_says_is_called_stated_where_it_does_not_come_true(
    run, archive, issued, mask, keys, tmp_path
):
    """Epsilon and vendor of an unsigned record were signed as facts."""
    image, _ = issued
    sidecar = image.with_name(image.name.replace(".nii.gz", ".json"))
    whole = json.loads(sidecar.read_text())

    def origin(*options, **changes):
        sidecar.write_text(json.dumps(whole | changes))
        out = tmp_path / "again"
        ended = run(
            "audit", "passport", image, "--mask", mask, "--archive", archive, "--key", keys[0],
            "--out", out, "--copies", "20", *options,
        )  # fmt: skip
        assert ended.code == 0, ended.err
        (passport,) = out.glob("*.json")
        found = json.loads(passport.read_text())["origin"]
        page = passport.with_suffix(".html").read_text()
        assert f"({found['is']})" in page and found["words"] in ended.out
        return found

    found = origin("--no-reproduce")
    assert found["is"] == "stated" and found["made_again"] is None
    found = origin(vendor="philips")
    assert found["is"] == "stated" and "the pixels differ by up to" in found["words"]


def test_an_image_changed_by_one_pixel_has_no_passport(run, issued):
    image, passport = issued
    stored = nib.load(image)
    pixels = np.array(stored.dataobj)
    nib.save(nib.Nifti1Image(pixels, stored.affine, stored.header), image)
    ended = run("audit", "verify", passport)
    assert ended.code == 0 and "written anew" in ended.out
    for moved in (np.diag([-1.0, 1, 1, 1]), np.diag([1.0, 1, 1.2, 1]), np.eye(4)[[1, 0, 2, 3]]):
        affine = stored.affine @ moved
        nib.save(nib.Nifti1Image(pixels, affine), image)  # the same pixels elsewhere
        ended = run("audit", "verify", passport)
        assert ended.code == 1 and "where they lie" in ended.line
    pixels[3, 4] += 1e-3
    nib.save(nib.Nifti1Image(pixels, stored.affine, stored.header), image)
    ended = run("audit", "verify", passport)
    assert ended.code == 1 and "its pixels differ" in ended.line and image.name in ended.line


def test_a_passport_that_was_changed_does_not_hold(run, issued, tmp_path):
    image, passport = issued
    page = passport.with_suffix(".html")
    whole, shown = passport.read_text(), page.read_text()
    verdict = json.dumps(json.loads(whole)["verdict"])
    for twice in (
        whole.replace("{", '{"verdict": "No copy of a patient was found",', 1),
        whole.replace(f'"verdict": {verdict}', f'"verdict": "none", "verdict": {verdict}'),
    ):
        passport.write_text(twice)  # the last one counts for Python, the first for others
        ended = run("audit", "verify", passport)
        assert ended.code == 1 and "'verdict' is given twice" in ended.line
    stated = json.loads(whole)
    stated["slices"][0]["p"] = 0.123
    passport.write_text(json.dumps(stated))
    ended = run("audit", "verify", passport)
    assert ended.code == 1 and "changed after it was signed" in ended.line
    passport.write_text(json.dumps(json.loads(whole), indent=3))  # the same, written otherwise
    assert run("audit", "verify", passport).code == 0
    page.write_text(shown.replace("Privacy passport", "Passport"))
    ended = run("audit", "verify", passport)
    assert ended.code == 1 and page.name in ended.line
    passport.write_text("{")
    assert "cannot be read as JSON" in run("audit", "verify", passport).line
    stranger = tmp_path / "stranger.pub"
    key = Ed25519PrivateKey.generate().public_key()
    stranger.write_bytes(key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    passport.write_text(whole)
    ended = run("audit", "verify", passport, "--public-key", stranger)
    assert ended.code == 1 and "do not trust" in ended.line
    image.unlink()
    assert "--image" in run("audit", "verify", passport).line


def test_passports_of_images_that_do_not_fit_are_refused(
    run, archive, mask, write_mask, keys, tmp_path
):
    out = tmp_path / "out"
    run("synthesize", mask, "--model", MODEL, "--out", out)
    (image,) = out.glob("*.nii.gz")
    passports = tmp_path / "passports"
    common = ("--archive", archive, "--key", keys[0], "--out", passports)
    other = write_mask(draw_slice(seed=5)[None], "other.nii.gz")
    ended = run("audit", "passport", image, "--mask", other, *common)
    assert ended.code == 1 and "another mask" in ended.line
    small = tmp_path / "small.nii.gz"
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random((64, 64, 1)), AFFINE), small)
    ended = run("audit", "passport", small, *common)
    assert ended.code == 1 and "64 x 64 pixels" in ended.line
    stored = nib.load(image)
    nib.save(nib.Nifti1Image(np.array(stored.dataobj) * 0.9, stored.affine), image)
    ended = run("audit", "passport", image, "--mask", mask, *common)
    assert ended.code == 1 and "sidecar" in ended.line
    assert not passports.exists()


def test_an_image_without_a_mask_on_the_grid_gets_one(run, archive, keys, tmp_path):
    image = tmp_path / "some.nii.gz"
    picture = gaussian_filter(np.random.default_rng(0).normal(size=(128, 128, 1)), (5, 5, 0))
    nib.save(nib.Nifti1Image((900 * picture).astype(np.int16), AFFINE), image)
    ended = run(
        "audit", "passport", image, "--archive", archive, "--key", keys[0],
        "--out", tmp_path, "--copies", "20",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    stated = json.loads((tmp_path / "some.passport.json").read_text())
    assert stated["mask"] is None and stated["origin"]["is"] == "not known"
    assert not {"model", "vendor", "epsilon"} & set(stated["origin"])
    assert any("percentiles" in note for note in stated["notes"])
    assert run("audit", "verify", tmp_path / "some.passport.json").code == 0


def test_archives_that_cannot_be_trusted_are_refused(run, archive, prepared, tmp_path):
    def audited(**changes):
        damaged(archive, **changes)
        ended = run(
            "audit", "neighbours", MODEL, "--archive", archive, "--slices", prepared,
            "--out", tmp_path / "out",
        )  # fmt: skip
        assert ended.code == 1 and not (tmp_path / "out").exists()
        return ended.line

    assert "copy detector 000000000000" in audited(detector="0" * 64)
    assert "format 9" in audited(format=9)
    kept = json.loads((archive / "archive.json").read_text())["files"]
    damaged(archive, format=1)
    whole = (archive / "whole.npy").read_bytes()
    (archive / "whole.npy").write_bytes(whole[:-10])
    assert (
        f"whole.npy has {len(whole) - 10} bytes in place of {kept['whole.npy'][0]}"
        in run("archive", "check", archive).line
    )
    (archive / "whole.npy").write_bytes(whole[:-2] + b"ab")
    assert "was changed after the archive was built" in run("archive", "check", archive).line


def test_an_archive_of_a_folder_of_images_and_masks(run, prepared, tmp_path):
    slices = open_slice_set(prepared)
    data, out = tmp_path / "data", tmp_path / "archive"
    for name in ("images", "labels"):
        (data / name).mkdir(parents=True)
        for p in range(6):
            planes = np.asarray(getattr(slices, name)[p * EACH : (p + 1) * EACH])
            nib.save(nib.Nifti1Image(planes.T, AFFINE), data / name / f"case{p}.nii.gz")
    ended = run("archive", "build", "--data", f"folder={data}", "--out", out, "--json")
    assert ended.code == 0, ended.err
    facts = json.loads(ended.out)
    assert facts["patients"] + facts["held_out_patients"] == 6 and facts["held_out_patients"]
    assert not list(tmp_path.glob(".partial*"))
    assert run("archive", "build", "--out", out).code == 2
    ended = run("archive", "build", "--data", f"folder={tmp_path / 'none'}", "--out", out)
    assert ended.code == 1 and "none" in ended.line
    assert run("archive", "check", out).code == 0  # the old one is there still


def test_patients_on_both_sides_are_refused(run, prepared, tmp_path):
    out = tmp_path / "archive"
    ended = run(
        "archive", "build", "--slices", prepared, "--out", out, "--held-out", "train",
        "--held-out", "test",
    )  # fmt: skip
    assert ended.code == 1 and f"{TRAINING} patients are both in" in ended.line
    ended = run("archive", "build", "--slices", prepared, "--out", out, "--cohort", "nobody")
    assert ended.code == 1 and not out.exists()
