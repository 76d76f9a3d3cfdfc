"""The manifold: it gives pictures that were never taken, from a scan of a slice alone."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.beating import Plan
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import Scan
from cmr_synth.physics.sequences import Readout, inverted_steady_state
from cmr_synth.physics.tissues import Tissue
from cmr_synth.reconstruction.manifold.fitting import (
    Fitted,
    fit,
    mean_picture,
    nrmse,
    sliding_window,
    t1_of,
)
from cmr_synth.reconstruction.manifold.series import Anatomy, Protocol, beating_slice, scanned
from tests.cli.conftest import run  # noqa: F401

AFFINE = np.diag([-3.0, -3.0, 8.0, 1.0])
PROTOCOL = Protocol(seconds=12, shot_ms=80, acceleration=4)


def heart() -> np.ndarray:
    """A slice of pixels of 3 mm."""
    return draw_slice(level="mid", seed=0)[None, ::2, ::2]


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    mask = Scan(array=heart(), spacing=(8.0, 3.0, 3.0), affine=AFFINE, name="drawn")
    *_, found = beating_slice(mask, Plan(ef=0.6, frames=10))
    assert isinstance(found, Anatomy)
    return found


@pytest.fixture(scope="module")
def series(anatomy):
    return scanned(anatomy, PROTOCOL)


@pytest.fixture(scope="module")
def fitted(series):
    return of(series, 150)


def of(series, steps) -> Fitted:
    *_, found = fit(series, steps=steps)
    assert isinstance(found, Fitted)
    return found


def away(fitted, series) -> float:
    out = series.held_out
    return nrmse(fitted.at(series.phases[out], series.times_ms[out]), series.pictures[out]).mean()


def test_shots_meet_phases_at_many_times():
    phases, times = Protocol().times
    assert len(phases) == 250 and phases.min() >= 0 and phases.max() < 1
    assert times.min() == 20 and times.max() < 2520
    diastole = times[phases < 0.1]
    assert np.ptp(diastole) > 1800 and len(np.unique(diastole.round())) > 12


def test_pictures_follow_the_heartbeat_and_the_recovery(anatomy):
    ed, es = (anatomy.at(phase, 2000, PROTOCOL) for phase in (0.0, 0.35))
    assert (anatomy.tissue[0] == 1).sum() > 1.5 * (anatomy.tissue[3] == 1).sum()
    assert np.abs(ed - es).max() > 0.2
    early = anatomy.at(0.0, 20, PROTOCOL)
    assert early[anatomy.tissue[0] == 1].mean() < 0 < ed[anatomy.tissue[0] == 1].mean()
    assert early[anatomy.tissue[0] == 1].mean() == pytest.approx(-1, abs=0.1)


def test_a_fit_beats_what_there_is_without_a_model(fitted, series):
    """At shots that were held out, and an unfitted one most of all."""
    out = series.held_out
    window = nrmse(
        sliding_window(series, series.phases[out], series.times_ms[out]), series.pictures[out]
    ).mean()
    still = nrmse(np.repeat(mean_picture(series).numpy()[None], out.sum(), 0), series.pictures[out])
    made = away(fitted, series)
    assert made < 0.75 * window < still.mean()
    assert made < 0.4 * away(of(series, 1), series)


def test_phase_and_time_are_followed_each_alone(fitted, anatomy):
    """The cavity shrinks at one contrast, and recovers at one phase."""
    ed, es = fitted.at(np.array([0.0, 0.35]), np.array([2000.0, 2000.0]))
    emptied = (anatomy.tissue[0] == 1) & (anatomy.tissue[3] == 2)
    assert (ed - es)[emptied].mean() > 0.05
    blood = anatomy.tissue[0] == 1
    early, late = fitted.at(np.zeros(2), np.array([40.0, 2400.0]))
    assert early[blood].mean() < -0.5 and late[blood].mean() > 0.2


def test_held_out_shots_are_not_looked_at(series):
    """Whatever is in them changes nothing."""
    other = series.kspace.clone()
    other[np.flatnonzero(series.held_out)] = 100.0
    poisoned = type(series)(**{**vars(series), "kspace": other})
    one, two = (of(x, 3).at(np.zeros(1), np.array([500.0])) for x in (series, poisoned))
    np.testing.assert_array_equal(one, two)
    assert (mean_picture(series) == mean_picture(poisoned)).all()


def test_t1_of_a_known_recovery():
    """Whatever T2 and density are: the three parameters tell."""
    times, readout = np.linspace(20, 2500, 12), Readout(flip=35)
    tissues = [Tissue(300, 50), Tissue(1030, 40, 0.85), Tissue(1441, 290)]
    pictures = np.stack([inverted_steady_state(one, times, readout) for one in tissues], axis=1)
    found = t1_of(0.7 * pictures[:, None], times, 35)
    np.testing.assert_allclose(found, [[300, 1030, 1441]], rtol=0.01)


@pytest.fixture
def mask(tmp_path):
    path = tmp_path / "heart.nii.gz"
    nib.save(nib.Nifti1Image(heart().T, AFFINE), path)  # (z, y, x) -> (x, y, z)
    return path


def test_a_mask_becomes_cine_recovery_and_t1(run, mask, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    options = ("--steps", "20", "--frames", "6", "--times", "5", "--seconds", "4")
    ended = run("manifold", mask, *options, "--at", "0.35,450", "--out", out, "--json")
    assert ended.code == 0, ended.err
    record = json.loads(ended.out)
    shapes = {p.name: nib.load(p).shape for p in out.glob("*.nii.gz")}
    assert shapes == {
        "heart_cine.nii.gz": (64, 64, 1, 6),
        "heart_recovery.nii.gz": (64, 64, 1, 5),
        "heart_asked.nii.gz": (64, 64, 1),
        "heart_T1.nii.gz": (64, 64, 1),
        "heart_T1-truth.nii.gz": (64, 64, 1),
    }
    assert record["measured"]["t1_myocardium_truth_ms"] == 1030
    side = json.loads((out / "heart_cine.json").read_text())
    assert side["synthetic"] is True and side["kind"] == "cine"
    image = nib.load(out / "heart_T1-truth.nii.gz")
    assert image.header["descrip"].tobytes().startswith(b"SYNTHETIC T1-truth by a manifold")
    placed = image.get_fdata()[..., 0].T == 1030
    assert (placed & (heart()[0] == 2)).sum() > 0.9 * (heart()[0] == 2).sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--at", "0.35"), "--at '0.35': write PHASE,MS"),
        (("--at", "1.5,300"), "phase 1.5 at 300 ms: a phase is from 0 to below 1"),
        (("--at", "0.5,5000"), "inversion time 5000 ms: shots end 2500 ms after an inversion"),
        (("--slice", "7"), "has no slice 7, it holds 1"),
        (("--seconds", "1"), "seconds: 1 given; give 2 to 120"),
        (("--steps", "0"), "steps: 0 given"),
        (("--ef", "99"), "EF 99 % is out of range"),
    ],
)
def test_what_cannot_be_asked_is_one_line(run, mask, tmp_path, options, message):  # noqa: F811
    ended = run("manifold", mask, *options, "--out", tmp_path / "out")
    assert ended.code == 1 and message in ended.line
    assert not (tmp_path / "out").exists()


def test_a_mask_without_a_wall_is_one_line():
    labels = np.where(heart() == 1, 1, 0).astype(np.uint8)
    mask = Scan(array=labels, spacing=(8.0, 3.0, 3.0), affine=AFFINE, name="drawn")
    with pytest.raises(InputError, match="drawn: .*myocardium"):
        list(beating_slice(mask, Plan(ef=0.6)))
