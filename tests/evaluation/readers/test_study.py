"""A blinded study: balanced, without cues, resumable, scored."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cmr_synth.errors import InputError
from cmr_synth.evaluation.readers.study import (
    Answer,
    ReaderStudy,
    key_of,
    make_study,
    score_study,
)

from ..conftest import drawn_sample


@pytest.fixture
def samples():
    return drawn_sample(8, 6, name="real"), drawn_sample(8, 6, name="made", noise=0.08, seed=1)


@pytest.fixture
def study(tmp_path, samples):
    make_study(tmp_path / "study", *samples, images=16, seed=3)
    return tmp_path / "study"


def truth(study):
    return json.loads(key_of(study).read_text())["images"]


def test_it_is_balanced_and_no_patient_is_on_both_sides(study):
    entries = list(truth(study).values())
    for vendor in ("siemens", "ge"):
        kinds = [e["kind"] for e in entries if e["vendor"] == vendor]
        assert kinds.count("real") == kinds.count("synthetic") == 4
    sides = {k: {e["patient"] for e in entries if e["kind"] == k} for k in ("real", "synthetic")}
    assert not sides["real"] & sides["synthetic"]
    assert all(len(side) == 4 for side in sides.values())


def test_files_hold_nothing_but_pixels_of_one_size(study):
    assert not list(study.glob("*key*"))
    text = (study / "study.json").read_text()
    assert not any(word in text for word in ("siemens", "patient", "made", '"kind"'))
    for path in study.glob("*.png"):
        with Image.open(path) as image:
            assert image.size == (512, 512) and image.mode == "L" and not image.info
    times = {path.stat().st_mtime_ns // 10**10 for path in study.glob("*.png")}
    assert len(times) <= 2


def test_the_same_seed_makes_the_same_study_and_readers_differ_in_order(tmp_path, samples, study):
    make_study(tmp_path / "again", *samples, images=16, seed=3)
    again = json.loads((tmp_path / "again" / "study.json").read_text())
    assert again == json.loads((study / "study.json").read_text())
    orders = [ReaderStudy(study, name).order for name in ("ann", "bob", "ann")]
    assert orders[0] == orders[2] != orders[1] and sorted(orders[0]) == sorted(orders[1])


def test_answers_are_kept_and_scored(study):
    entries = truth(study)
    for name, wrong in (("ann", 0), ("bob", 8)):
        reader = ReaderStudy(study, name)
        for number, image in enumerate(sorted(entries)):
            kind = entries[image]["kind"]
            other = {"real": "synthetic", "synthetic": "real"}[kind]
            call = other if number < wrong else kind
            reader.answer(Answer(image, call, 5 if kind == "real" else 2, 1.5))
        assert ReaderStudy(study, name).next is None
    found = score_study(study)
    by_reader = {one.of: one for one in found.readers}
    assert by_reader["ann"].accuracy == 1 and by_reader["bob"].right == 8
    assert by_reader["ann"].d_prime > 3
    assert found.overall.images == 32 and found.overall.accuracy == 0.75
    assert found.overall.low < 0.75 < found.overall.high
    assert found.overall.quality_real == 5 and found.overall.quality_synthetic == 2
    assert {one.of for one in found.vendors} == {"siemens", "ge"}
    assert set(found.kappas) == {"ann, bob"} and found.kappas["ann, bob"] < 1
    assert found.fleiss is not None and found.shared == 16
    assert json.dumps(found.as_dict())


def test_a_second_answer_takes_the_place_of_the_first(study):
    reader = ReaderStudy(study, "ann")
    image = reader.next
    reader.answer(Answer(image, "real", 3, 1.0))
    reader.answer(Answer(image, "synthetic", 4, 1.0))
    (answer,) = ReaderStudy(study, "ann").answers.values()
    assert answer.call == "synthetic"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: (s / "study.json").unlink(), "is not a reader study"),
        (lambda s: (s / "image-003.png").unlink(), "1 images are missing, the first image-003.png"),
        (lambda s: (s / "study.json").write_text("[]"), "is not a reader study"),
        (lambda s: (s / "study.json").write_text('{"format": "9"}'), "of this version"),
    ],
)
def test_a_damaged_study_is_told(study, change, message):
    change(study)
    with pytest.raises(InputError, match=message):
        ReaderStudy(study, "ann")


def test_images_outside_of_the_folder_are_refused(study):
    about = json.loads((study / "study.json").read_text())
    about["images"][0] = "../secret.png"
    (study / "study.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="outside of its folder"):
        ReaderStudy(study, "ann")


def test_bad_answers_and_names_are_refused(study):
    reader = ReaderStudy(study, "ann")
    with pytest.raises(InputError, match="quality from 1 to 5"):
        reader.answer(Answer(reader.next, "real", 6, 1.0))
    with pytest.raises(InputError, match="not in this study"):
        reader.answer(Answer("other.png", "real", 3, 1.0))
    with pytest.raises(InputError, match="no reader's name"):
        ReaderStudy(study, "../ann")
    reader.answer(Answer(reader.next, "real", 3, 1.0))
    reader.answer_file.write_text("image,call,quality,seconds\nimage-001.png,maybe,3,1\n")
    with pytest.raises(InputError, match="line 2: is damaged"):
        ReaderStudy(study, "ann")


def test_scores_need_answers_and_the_right_key(study, tmp_path, samples):
    with pytest.raises(InputError, match="no answers yet"):
        score_study(study)
    make_study(tmp_path / "other", *samples, images=8, seed=4)
    with pytest.raises(InputError, match="of another study"):
        score_study(study, key_of(tmp_path / "other"))


def test_too_few_patients_or_odd_numbers_are_refused(tmp_path, samples):
    real, made = samples
    with pytest.raises(InputError, match="even number"):
        make_study(tmp_path / "s", real, made, images=7, seed=0)
    with pytest.raises(InputError, match="ask for fewer images"):
        make_study(tmp_path / "s", real, made, images=200, seed=0)
    lone = replace(real, rows=tuple(replace(row, patient="p0") for row in real.rows))
    with pytest.raises(InputError, match="no vendor with two patients"):
        make_study(tmp_path / "s", lone, made, images=8, seed=0)
    assert not (tmp_path / "s").exists() and np.isfinite(real.pixels).all()


@pytest.mark.parametrize("country", ["Boston", "Berlin"])
def test_answers_that_a_spreadsheet_saved_mean_the_same(study, country):
    reader = ReaderStudy(study, "ann")
    while reader.next:
        reader.answer(Answer(reader.next, "real", 3, 1.5))
    wanted = reader.answers
    text = reader.answer_file.read_text().replace("\r\n", "\n")
    if country == "Berlin":  # semicolons between cells, commas in numbers, one cell in capitals
        text = text.replace(",", ";").replace("1.5", "1,5").replace("real", "Real", 1)
    reader.answer_file.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert ReaderStudy(study, "ann").answers == wanted
    assert score_study(study).overall.images == len(wanted)
