"""`cmr-synth reconstruct` on files: simulated scans of NIfTI, raw data, and bad input."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from tests.cli.conftest import run  # noqa: F401

AFFINE = np.diag([-1.5, -1.5, 8.0, 1.0])


@pytest.fixture
def scan(tmp_path, hearts):
    """Two slices in units of a scanner."""
    pixels = (800 * hearts.numpy()).astype(np.int16)
    path = tmp_path / "patient.nii.gz"
    nib.save(nib.Nifti1Image(pixels.T, AFFINE), path)  # (z, y, x) -> (x, y, z)
    return path


def test_ways_side_by_side(run, scan, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    ways = ("--model", "zero-filled", "--model", "compressed-sensing")
    ended = run("reconstruct", scan, *ways, "--sampling", "radial", "--out", out, "--json")
    assert ended.code == 0, ended.err
    zero, sensed = json.loads(ended.out)["reconstructed"]
    near = [one["beside_fully_sampled"] for one in (zero, sensed)]
    assert near[1]["nmse"] < 0.5 * near[0]["nmse"] < 0.1
    assert near[1]["ssim"] > near[0]["ssim"] and near[1]["psnr_db"] > near[0]["psnr_db"]
    image = nib.load(out / "patient_compressed-sensing.nii.gz")
    original = nib.load(scan)
    np.testing.assert_allclose(image.affine, AFFINE)
    # in the scanner's units
    assert np.abs(image.get_fdata() - original.get_fdata()).mean() < 20
    assert image.header["descrip"].tobytes().startswith(b"ALTERED reconstruction, simulated k-spa")
    record = json.loads((out / "patient_compressed-sensing.json").read_text())
    assert record["altered"] is True and record["synthetic"] is False
    assert record["acquisition"] == {
        "simulated": True, "sampling": "radial", "acceleration": 4.0, "coils": 4, "noise": 0.01,
        "seed": 0,
    }  # fmt: skip


def test_frames_of_a_cine_are_scans_of_their_own(run, scan, tmp_path, hearts):  # noqa: F811
    pixels = np.stack([hearts.numpy(), 0.5 * hearts.numpy()])[:, :, 32:-32]  # (t, z, y, x)
    path, out = tmp_path / "cine.nii.gz", tmp_path / "out"
    nib.save(nib.Nifti1Image(pixels.T, AFFINE), path)
    options = ("--model", "zero-filled", "--acceleration", "2", "--out", out)
    assert run("reconstruct", path, *options).code == 0
    made = nib.load(out / "cine_zero-filled.nii.gz").get_fdata().T
    assert made.shape == pixels.shape
    assert made[1].mean() == pytest.approx(0.5 * made[0].mean(), rel=0.05)
    assert np.abs(made[0] - 2 * made[1]).max() > 0.02  # other lines, other noise
    # the first frame does not depend on there being a second
    nib.save(nib.Nifti1Image(pixels[:1].T, AFFINE), tmp_path / "still.nii.gz")
    assert run("reconstruct", tmp_path / "still.nii.gz", *options).code == 0
    alone = nib.load(out / "still_zero-filled.nii.gz").get_fdata().T
    np.testing.assert_allclose(np.squeeze(alone), made[0], atol=1e-4)


def test_what_is_made_of_a_synthetic_scan_is_synthetic(run, scan, tmp_path):  # noqa: F811
    (tmp_path / "patient.json").write_text('{"synthetic": true}')
    out = tmp_path / "out"
    assert run("reconstruct", scan, "--model", "zero-filled", "--out", out).code == 0
    image = nib.load(out / "patient_zero-filled.nii.gz")
    assert image.header["descrip"].tobytes().startswith(b"SYNTHETIC reconstruction")


def test_raw_data_as_measured_and_with_less(run, tmp_path, hearts, write_raw):  # noqa: F811
    path, out = tmp_path / "scan.h5", tmp_path / "out"
    pixels = 900 * hearts[:1, 16:-16, 16:-16].numpy()
    write_raw(path, pixels)
    assert run("reconstruct", path, "--model", "zero-filled", "--out", out).code == 0
    image = nib.load(out / "scan_zero-filled.nii.gz")
    assert image.shape == (96, 96, 1, 2)  # without oversampling; two phases
    made = image.get_fdata()[..., 0, 0].T
    assert np.abs(made - pixels[0]).mean() < 5
    assert image.header["descrip"].tobytes().startswith(b"RECONSTRUCTED reconstruction, k-space")
    ended = run("reconstruct", path, "--acceleration", "3", "--out", out, "--json")
    (record,) = json.loads(ended.out)["reconstructed"]
    assert record["altered"] is True and record["acquisition"]["simulated"] is False
    assert record["beside_fully_sampled"]["nmse"] < 0.02


def test_raw_data_that_are_under_sampled_already(run, tmp_path, hearts, write_raw):  # noqa: F811
    path, out = tmp_path / "scan.h5", tmp_path / "out"
    write_raw(path, hearts[:1, 16:-16, 16:-16].numpy(), lines=57)  # 59 %, the middle among them
    assert run("reconstruct", path, "--model", "zero-filled", "--out", out).code == 0
    ended = run("reconstruct", path, "--acceleration", "2", "--out", out)
    assert ended.code == 1
    assert "is under-sampled already, 59% of its lines are there; leave the accel" in ended.line
    write_raw(path, hearts[:1, 16:-16, 16:-16].numpy(), lines=30)
    ended = run("reconstruct", path, "--out", out)
    assert ended.code == 1 and "coil maps need 6 x 6" in ended.line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "wavelet"), "wavelet: no way to reconstruct; known are zero-filled, compr"),
        (("--sampling", "spiral"), "sampling 'spiral': known are cartesian, radial"),
        (("--acceleration", "40"), "acceleration 40: give 1 to 20"),
        (("--coils", "0"), "0 coils: give 1 to 64"),
        (("--model", "zero-filled", "--model", "zero-filled"), "two have one name"),
    ],
)
def test_what_cannot_be_asked_is_one_line(run, scan, tmp_path, options, message):  # noqa: F811
    out = tmp_path / "out"
    ended = run("reconstruct", scan, *options, "--out", out)
    assert ended.code == 1 and message in ended.line
    assert not out.exists()


def test_scans_that_cannot_be_measured_are_one_line(run, scan, tmp_path, write_raw):  # noqa: F811
    for pixels, message in (
        (np.full((40, 40, 1), -1.0), "holds negative or infinite pixels; give a magnitude scan"),
        (np.ones((16, 16, 1)), "slices are of 16 x 16 pixels; at least 32 x 32"),
        (np.zeros((40, 40, 1)), "is black"),
    ):
        path = tmp_path / "odd.nii.gz"
        nib.save(nib.Nifti1Image(pixels.astype(np.float32), AFFINE), path)
        ended = run("reconstruct", path, "--out", tmp_path / "out")
        assert ended.code == 1 and message in ended.line
    write_raw(tmp_path / "raw.h5", np.ones((1, 96, 96), np.float32))
    ended = run("reconstruct", tmp_path / "raw.h5", "--coils", "4", "--out", tmp_path / "out")
    assert ended.code == 1 and "whose coils, noise and samples are the scanner's" in ended.line
