"""Pictures of a mask by the signal equation: where tissues lie, what maps find, what is written."""

from __future__ import annotations

import json
import math

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.labels import INFARCT, LV, MYO
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.cli import main
from cmr_synth.errors import InputError
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.scan import Scan
from cmr_synth.physics.body import NUMBERS, chest
from cmr_synth.physics.simulate import Setup, simulate
from cmr_synth.physics.tissues import changed, tissues

# An oblique plane, so that its direction is believed; columns toward the patient's left.
ACROSS, DOWN = np.array([-0.8, -0.6, 0.0]), np.array([-0.3, 0.4, -0.866])
AFFINE = np.eye(4)
AFFINE[:3, 0], AFFINE[:3, 1], AFFINE[:3, 2] = ACROSS * 3, DOWN * 3, np.cross(ACROSS, DOWN) * 8
HEART = draw_stack(slices=3).astype(np.uint8)[:, ::2, ::2]


def scan(array=HEART, affine=AFFINE):
    return Scan(array=array, spacing=(8, 3, 3), affine=affine, name="heart.nii.gz")


@pytest.fixture(scope="module")
def molli():
    table = changed(tissues(3.0), ["MYO.t1=1350"])
    return simulate(scan(), Setup(sequence="molli", field=3.0, table=table, snr=math.inf))


def test_a_map_of_t1_is_what_a_scanner_would_find(molli):
    assert molli.images.shape == (8, *HEART.shape) and len(molli.record["times_ms"]) == 8
    true, found = (molli.maps[name].array for name in ("T1-truth", "T1"))
    assert set(np.unique(true[HEART == MYO])) == {1350}
    inside = np.median(found[HEART == LV])
    assert 0.9 < inside / tissues(3.0)["LV"].t1 < 1
    assert 0.8 < np.median(found[HEART == MYO]) / 1350 < 0.98
    assert molli.record["synthetic"] is True and molli.record["tissues"]["MYO"]["t1_ms"] == 1350


def test_pictures_follow_the_mask_however_it_is_stored():
    setup = Setup(sequence="cine", snr=math.inf)
    straight = simulate(scan(), setup).images.array
    swap = np.eye(4)[[1, 0, 2, 3]]
    turned = simulate(scan(HEART.transpose(0, 2, 1).copy(), AFFINE @ swap), setup).images.array
    assert np.allclose(turned, straight.transpose(0, 2, 1), atol=1e-6)


def test_noise_hangs_on_the_seed_and_is_as_strong_as_asked():
    made = [
        simulate(scan(), Setup(sequence="cine", snr=25, seed=k)).images.array for k in (1, 1, 2)
    ]
    assert np.array_equal(made[0], made[1]) and not np.array_equal(made[0], made[2])
    blood = made[0][HEART == LV]
    assert np.std(made[0][HEART == LV] - made[2][HEART == LV]) / math.sqrt(2) == pytest.approx(
        1 / 25, rel=0.15
    )
    assert np.median(blood) == pytest.approx(1, abs=0.05)


def test_an_infarct_lights_up_and_a_cine_stays_one():
    scar = HEART.copy()
    scar[(scar == MYO) & (np.arange(scar.shape[-1]) > scar.shape[-1] // 2)] = INFARCT
    late = simulate(scan(scar), Setup(sequence="lge", snr=math.inf)).images.array
    assert np.median(late[scar == INFARCT]) > 3 * np.median(late[scar == MYO])
    cine = simulate(scan(np.stack([HEART] * 2)), Setup(sequence="cine")).images
    assert cine.shape == (2, *HEART.shape)


def test_the_chest_lies_around_the_heart_alone():
    body = chest(HEART[0], (3, 3))
    assert np.array_equal(body[HEART[0] > 0], HEART[0][HEART[0] > 0])
    assert {NUMBERS.get(n) for n in np.unique(body)} >= {"fat", "lung", "liver"}
    assert chest(np.zeros_like(HEART[0]), (3, 3)).any()


@pytest.mark.parametrize(
    ("mask", "setup", "words"),
    [
        (HEART, {"sequence": "mra"}, "known are cine, molli"),
        (np.stack([HEART] * 2), {"sequence": "molli"}, "is a cine"),
        (HEART * 0, {"sequence": "cine"}, "shows no heart"),
        (HEART, {"sequence": "cine", "snr": 0.0}, "at least 1"),
        (HEART, {"sequence": "cine", "snr": math.nan}, "at least 1"),
        (HEART, {"sequence": "cine", "beat": 10}, "300 to 3000"),
        (HEART, {"sequence": "lge", "inversion": 2500}, "between 0 and two heartbeats"),
    ],
)
def test_what_cannot_be_shown_is_refused(mask, setup, words):
    with pytest.raises(InputError, match=words):
        simulate(scan(mask), Setup(**setup))


def test_the_command_writes_pictures_maps_and_a_record(tmp_path, capsys):
    path, out = tmp_path / "heart.nii.gz", tmp_path / "out"
    write_nifti(scan(), path)
    command = ["simulate", str(path), "--labels", "mnms", "--sequence", "t2", "--out", str(out)]
    with pytest.raises(SystemExit) as done:
        main(command)
    assert done.value.code == 0, capsys.readouterr().err
    names = {f"heart_{kind}.nii.gz" for kind in ("t2", "T2", "T2-truth")}
    assert {file.name for file in out.iterdir()} == names | {"heart_t2.json"}
    image = nib.load(out / "heart_T2.nii.gz")
    assert np.allclose(image.affine, AFFINE) and b"SYNTHETIC" in image.header["descrip"].item()
    record = json.loads((out / "heart_t2.json").read_text())
    assert set(record["files"]) == names and record["times_ms"] == [0, 25, 55]


def test_a_bad_mask_leaves_nothing_behind(tmp_path, capsys):
    good, bad = tmp_path / "heart.nii.gz", tmp_path / "bad.nii.gz"
    write_nifti(scan(), good)
    bad.write_bytes(b"no scan")
    with pytest.raises(SystemExit) as done:
        main(["simulate", str(good), str(bad), "--labels", "mnms", "--out", str(tmp_path / "out")])
    assert done.value.code == 1 and len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
