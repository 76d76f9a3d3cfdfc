"""Privacy of a release: planted copies are found and made again; sites audit without pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cmr_synth.errors import InputError
from cmr_synth.evaluation.sample import Sample
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Images
from cmr_synth.generators.noise import noise_for
from cmr_synth.generators.vocabulary import Vocabulary
from cmr_synth.imaging.masks import read_mask
from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.privacy.archive_writer import build
from cmr_synth.privacy.passport import verify_passport
from cmr_synth.release.layouts import LAYOUTS
from cmr_synth.release.making import Made, make_release
from cmr_synth.release.patients import subject_of
from cmr_synth.release.verify import verify_release

from .conftest import KEY, people, row_of


class Drawn:
    """A generator of people as `people` draws them, so that its patients are told apart, too."""

    takes = frozenset({"mask", "vendor", "phase", "pathology", "z", "guidance"})
    shape = (64, 64)
    device = "cpu"
    config = Vocabulary()

    def sample(self, conditions, *, seed, indices, **options):
        made = []
        for condition, index in zip(conditions, indices, strict=True):
            ground = gaussian_filter(noise_for(seed, index, self.shape), 3)
            ground = 0.35 + 0.3 * ground / np.abs(ground).max()
            shade = np.array([0, 0.45, -0.05, 0.4])[condition.mask]
            made.append(np.clip(ground + shade, 0, 1).astype(np.float32))
        yield Images(np.stack(made))


@pytest.fixture(scope="module")
def drawn(asked, made, tiny_model: Path):
    """Make a release whose pictures are drawn."""

    def of(out: Path, **changes) -> Made:
        model = zoo.Model(Drawn(), zoo.card_of(tiny_model))
        return made(asked(**changes), out, load=lambda: model)

    return of


def slices_of(folder: Path, ident: str) -> Sample:
    """What a release has of a patient, as an archived patient."""
    parts = []
    for phase in ("ED", "ES"):
        places = LAYOUTS["nifti"].places(ident, phase)
        mask = read_mask(folder / places.mask, convention="mnms").scan
        parts.append(subject_of(folder, places, mask).sample)
    pixels, labels = (np.concatenate([getattr(p, k) for p in parts]) for k in ("pixels", "labels"))
    rows = tuple(row_of("somebody", k, 0.5) for k in range(len(pixels)))
    return Sample("somebody", pixels, labels, rows, 1.5)


def archive_of(real: Sample, held_out: Sample, out: Path) -> Path:
    *_, _ = build(real, out, CopyDetector.load(), held_out=held_out, pixels=False)
    return out


@pytest.fixture(scope="module")
def first(drawn, tmp_path_factory) -> Path:
    """A release that nobody audited."""
    folder: Path = drawn(tmp_path_factory.mktemp("first") / "release").folder
    return folder


@pytest.fixture(scope="module")
def planted(first: Path, tmp_path_factory) -> Path:
    """An archive of strangers, and of a patient whose slices the model will draw."""
    strangers, own = people(8, prefix="real", seed=1), slices_of(first, "syn00002")
    real = Sample(
        "real",
        np.concatenate([strangers.pixels, own.pixels]),
        np.concatenate([strangers.labels, own.labels]),
        (*strangers.rows, *own.rows),
        1.5,
    )
    folder = tmp_path_factory.mktemp("archives") / "planted"
    return archive_of(real, people(24, prefix="other", seed=2, each=2), folder)


@pytest.fixture(scope="module")
def audited(drawn, planted: Path, tmp_path_factory) -> Made:
    out = tmp_path_factory.mktemp("audited") / "release"
    return drawn(out, evidence={"archive": str(planted)})


def test_a_planted_copy_is_made_again_and_counted(audited, first: Path):
    privacy = audited.facts["privacy"]
    assert privacy["patients_made_again"] == 1 and privacy["replacements"] >= 1
    assert privacy["flagged"] == 0 and audited.facts["withheld"] == []
    rows = {row["patient"]: row for row in csv.DictReader((audited.folder / "patients.csv").open())}
    assert [who for who, row in rows.items() if row["made_again"] != "0"] == ["syn00002"]
    for who in ("syn00001", "syn00002"):
        name = f"images/{who}_ED.nii.gz"
        same = (first / name).read_bytes() == (audited.folder / name).read_bytes()
        assert same == (who == "syn00001")


def test_its_passports_hold(audited):
    *_, found = verify_release(audited.folder, public_key=KEY.public_key(), repeat=0)
    assert found.faults == ()
    document = verify_passport(
        audited.folder / "passports" / "syn00002_ED.passport.json",
        image=audited.folder / "images" / "syn00002_ED.nii.gz",
    ).document
    assert document["archive"]["patients"] == 9
    assert not any(one["flagged"] for one in document["slices"])


def test_who_stays_too_close_is_left_out(drawn, planted: Path, tmp_path: Path):
    found = drawn(tmp_path / "out", evidence={"archive": str(planted)}, replacements=0)
    assert found.facts["patients"] == 2 and found.facts["withheld"] == [1]
    assert not list((tmp_path / "out").rglob("*syn00002*"))
    assert "1 of 3 left out" in (tmp_path / "out" / "datasheet.html").read_text()


def test_an_archive_of_the_test_patients_is_refused(asked, tmp_path: Path):
    from cmr_synth.cohorts.slices import write_slice_set
    from cmr_synth.release.plan import plan_release

    sample = people(8, prefix="real", seed=1, each=2)
    rows = [
        row_of(row.patient, row.slice, row.z, split="test" if k < 8 else "train")
        for k, row in enumerate(sample.rows)
    ]
    arrays = {
        "images": np.round(sample.pixels * 255).astype(np.uint8),
        "labels": sample.labels,
        "covered": np.ones_like(sample.labels),
    }
    write_slice_set(tmp_path / "set", arrays, rows, {"spacing_mm": 1.5, "cohorts": {}})
    *_, _ = build(sample, tmp_path / "archive", CopyDetector.load(), pixels=False)
    evidence = {"archive": str(tmp_path / "archive"), "real": str(tmp_path / "set")}
    (words,) = plan_release(asked(evidence=evidence)).hindrances
    assert "holds 4 of the test patients of evidence.real (drawn real0, drawn real1" in words
    with pytest.raises(InputError, match="whom nothing may have learned from"):
        list(make_release(asked(evidence=evidence), tmp_path / "out", KEY))


def test_sites_audit_one_release_and_their_reports_merge(first: Path, planted: Path, tmp_path):
    """Archives without pixels; one site has the patient whose slices were drawn."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from cmr_synth.release.federated import audit_release, merge_audits

    elsewhere = archive_of(
        people(8, prefix="there", seed=3),
        people(24, prefix="other", seed=4, each=2),
        tmp_path / "b",
    )
    for site, archive in (("here", planted), ("there", elsewhere)):
        key = Ed25519PrivateKey.generate()
        *_, found = audit_release(first, archive, key, tmp_path / f"{site}.json", site=site)
        text = (tmp_path / f"{site}.json").read_text()
        assert "real0" not in text and "there0" not in text  # nobody is named
        assert bool(found["flagged"]) == (site == "here")
    paths = [tmp_path / "here.json", tmp_path / "there.json"]
    merged = merge_audits(first, paths).data
    assert merged["archived_patients"] == 17
    assert {one["patient"] for one in merged["flagged"]} == {"syn00002"}
    assert all(one["sites"] == ["here"] for one in merged["flagged"])
    assert "too close to a patient of some site" in merged["verdict"]
    with pytest.raises(InputError, match="is of the same archive as the audit of here"):
        merge_audits(first, [paths[0], paths[0]])
    paths[1].write_text(paths[1].read_text().replace('"there"', '"nowhere"'))
    with pytest.raises(InputError, match="was changed after it was signed"):
        merge_audits(first, paths)
