"""`cmr-synth evaluate`, end to end, on drawn hearts with a bundled model."""

from __future__ import annotations

import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.files import sha256
from cmr_synth.judges.segmenter import BUNDLED

from .test_compare import save_slice_set

TRAINING, TEST, EACH = 14, 12, 3
MODEL = "flow-fast"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Drawn hearts of two vendors: fourteen patients to train on, twelve to measure on."""
    folder = tmp_path_factory.mktemp("evaluate") / "prepared"
    rng = np.random.default_rng(0)
    rows, labels = [], []
    for p in range(TRAINING + TEST):
        for k in range(EACH):
            level = ("basal", "mid", "apical")[k]
            labels.append(draw_slice(shape=(160, 160), level=level, seed=p))
            rows.append(
                SliceRow(
                    cohort="acdc",
                    patient=f"p{p:02}",
                    split="train" if p < TRAINING else "test",
                    vendor=("siemens", "ge")[p % 2],
                    phase="ED",
                    pathology="normal",
                    slice=k,
                    z=(0.1, 0.5, 0.9)[k],
                    completed=False,
                    between_mm=8.0,
                )
            )
    shades = np.array([60, 220, 90, 200])[np.stack(labels)]
    shades = shades + rng.normal(0, 8, shades.shape)
    save_slice_set(folder, np.clip(shades, 0, 255).astype(np.uint8), np.stack(labels), rows)
    return folder


def test_fidelity_writes_a_page_figures_and_json(run, prepared, tmp_path):
    out = tmp_path / "fidelity"
    ended = run("evaluate", "fidelity", MODEL, "--slices", prepared, "--out", out, "--json")
    assert ended.code == 0, ended.err
    facts = json.loads(ended.out)
    (one,) = facts["candidates"]
    (space,) = one["spaces"]
    assert space["frechet"] is None and space["slices_needed"] == 97
    assert space["kernel"]["value"] > space["kernel_floor"]["value"]
    assert one["two_sample"]["auc"] > 0.8 and one["paired"]["values"]["ssim"]["mean"] < 1
    assert {f["vendor"] for f in one["tissue"]["figures"]} == {"siemens", "ge"}
    assert json.loads((out / "report.json").read_text())["candidates"] == facts["candidates"]
    page = (out / "report.html").read_text()
    words = re.sub(r"base64,[^\"]+", "", page)
    assert space["hash"] in words and "FID" not in words and words.count("<img") == 1
    assert not list(out.glob(".partial*"))


def test_adherence_has_every_structure_level_and_vendor(run, prepared, tmp_path):
    out = tmp_path / "adherence"
    ended = run("evaluate", "adherence", MODEL, "--slices", prepared, "--out", out)
    assert ended.code == 0, ended.err
    facts = json.loads((out / "report.json").read_text())
    strata = facts["candidates"][0]["adherence"]["strata"]
    assert {(s["by"], s["value"]) for s in strata} == {
        ("all", "all"),
        *(("level", level) for level in ("basal", "mid", "apical")),
        *(("vendor", vendor) for vendor in ("siemens", "ge")),
    }
    assert any(m["name"] == "lv_area" for m in facts["candidates"][0]["anatomy"])
    assert "Adherence" in ended.out and str(out / "report.html") in ended.out


def test_adherence_is_judged_by_another_segmenter_of_the_same_contrast(run, prepared, tmp_path):
    judge = tmp_path / "judge"
    shutil.copytree(BUNDLED, judge)
    asked = ("evaluate", "adherence", MODEL, "--slices", prepared, "--segmenter", judge)
    ended = run(*asked, "--out", tmp_path / "out", "--json")
    assert ended.code == 0, ended.err
    (one,) = json.loads(ended.out)["candidates"]
    assert one["adherence"]["segmenter"] == sha256(judge / "weights.safetensors")
    about = json.loads((judge / "config.json").read_text())
    about["config"]["contrast"] = "lge"
    (judge / "config.json").write_text(json.dumps(about))
    ended = run(*asked, "--out", tmp_path / "none")
    assert ended.code == 1 and "reads lge, and slices are cine" in ended.line
    assert not (tmp_path / "none" / "report.html").exists()
    assert run(*asked, "--every-vendor", "--out", tmp_path / "none").code == 2


def test_utility_resumes_what_it_has(run, prepared, tmp_path):
    out = tmp_path / "utility"
    asked = ("evaluate", "utility", MODEL, "--slices", prepared, "--out", out, "--images", "48")
    asked += ("--no-mixtures", "--no-rivals", "--seeds", "1", "--json")
    ended = run(*asked)
    assert ended.code == 0, ended.err
    facts = json.loads(ended.out)
    of_model = facts["models"][MODEL]
    assert {r["arm"] for r in of_model["runs"]} == {"real", "synthetic"}
    assert [r["images"] for r in of_model["runs"]] == [48, 48]
    # the folder has no validation patients, and the page says what that means
    assert [r["validation"] for r in of_model["runs"]] == [[], []]
    assert "no validation patients" in (out / "report.html").read_text()
    # one training has no interval over trainings
    assert of_model["results"] == [] and "at least 5" in " ".join(facts["left_out"])
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("scores.json")}
    assert len(kept) == 2
    # what has its scores needs no pictures any more
    (pictures,) = out.rglob("copy-*.npy")
    pictures.unlink()
    assert json.loads(run(*asked).out)["models"] == facts["models"]
    assert {path: path.stat().st_mtime_ns for path in out.rglob("scores.json")} == kept
    assert not pictures.exists()


def test_a_reader_study_is_made_and_scored(run, prepared, tmp_path):
    from cmr_synth.evaluation.readers.study import Answer, ReaderStudy

    study = tmp_path / "study"
    ended = run(
        "evaluate", "reader-study", "make", MODEL, "--slices", prepared, "--out", study,
        "--images", "12", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["images"] == 12
    reader = ReaderStudy(study, "ann")
    while reader.next:
        reader.answer(Answer(reader.next, "synthetic", 3, 1.0))
    ended = run("evaluate", "reader-study", "score", study, "--out", tmp_path / "scores", "--json")
    facts = json.loads(ended.out)
    assert facts["overall"]["accuracy"] == 0.5 and facts["overall"]["d_prime"] == 0
    assert (tmp_path / "scores" / "report.html").exists()


def test_images_of_another_program_are_taken_with_their_masks(run, prepared, tmp_path):
    made = tmp_path / "made"
    rng = np.random.default_rng(1)
    for p in range(12):
        labels = np.stack([draw_slice(shape=(128, 128), seed=40 + p + k) for k in range(3)])
        shades = np.array([0.25, 0.85, 0.35, 0.8])[labels] + rng.normal(0, 0.03, labels.shape)
        for name, array in ((f"heart{p:02}", shades), (f"heart{p:02}_gt", labels)):
            image = nib.Nifti1Image(array.T.astype(np.float32), np.diag([-1.5, -1.5, 8.0, 1.0]))
            made.mkdir(exist_ok=True)
            nib.save(image, made / f"{name}.nii.gz")
    out = tmp_path / "out"
    ended = run(
        "evaluate", "fidelity", f"folder={made}", "--slices", prepared, "--out", out,
        "--no-two-sample", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (one,) = json.loads(ended.out)["candidates"]
    assert one["paired"] is None and one["spaces"][0]["slices"] == 36


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fidelity", "nobody"], "nobody"),
        (["fidelity", MODEL, "--cohort", "mnms"], "no test slices of mnms"),
        (["fidelity", MODEL, MODEL], "named twice"),
        (["fidelity", MODEL, "--features", "weights.pth"], "never opened"),
        (["utility", MODEL, "--train-on", "chla"], "chla"),
        (["adherence", "folder=missing"], "missing"),
    ],
)
def test_bad_input_is_one_line(run, prepared, tmp_path, arguments, message):
    ended = run("evaluate", *arguments, "--slices", prepared, "--out", tmp_path / "out")
    assert ended.code == 1 and message in ended.line
    assert not (tmp_path / "out" / "report.html").exists()


def test_wrong_usage_is_told(run, prepared, tmp_path):
    assert run("evaluate", "fidelity", MODEL, "--out", tmp_path).code == 2
    both = ("--slices", prepared, "--data", "acdc=x")
    assert run("evaluate", "adherence", MODEL, *both, "--out", tmp_path).code == 2


def test_reconstructions_are_candidates_of_their_own(run, prepared, tmp_path):
    asked = ("--slices", prepared, "--out", tmp_path / "out", "--no-two-sample", "--json")
    ended = run("evaluate", "fidelity", "latent-flow", "--reconstruction", "--steps", "1", *asked)
    assert ended.code == 0, ended.err
    made, rebuilt = json.loads(ended.out)["candidates"]
    assert rebuilt["name"] == "latent-flow, reconstruction"
    assert (
        rebuilt["paired"]["values"]["ssim"]["mean"] > made["paired"]["values"]["ssim"]["mean"] + 0.1
    )
    ended = run("evaluate", "fidelity", MODEL, "--reconstruction", *asked)
    assert ended.code == 1 and "has an autoencoder" in ended.line
