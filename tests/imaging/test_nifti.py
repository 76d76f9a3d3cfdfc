"""NIfTI files come back as they were: shape, axis order, affine, voxel for voxel."""

from __future__ import annotations

import gzip
import os
import stat
import sys

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmr_synth.errors import InputError
from cmr_synth.imaging import Scan
from cmr_synth.imaging.nifti import read_image, read_labels, with_spacing, write_nifti
from cmr_synth.imaging.orientation import in_plane_orientation

AXIS_ORDERS = [(0, 1, 2), (1, 0, 2), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 2, 0)]


def voxels(shape, dtype=np.float32):
    """Every voxel another value, so that no permutation goes unnoticed."""
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def save(path, array, affine, **header):
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm", "sec")
    for field, value in header.items():
        image.header[field] = value
    nib.save(image, path)
    return path


def assert_same_file(one, other):
    one, other = nib.load(one), nib.load(other)
    assert one.shape == other.shape
    np.testing.assert_array_equal(one.affine, other.affine)
    np.testing.assert_array_equal(np.asanyarray(one.dataobj), np.asanyarray(other.dataobj))
    assert one.header.get_zooms() == other.header.get_zooms()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3), (6, 5, 3, 1), (6, 5, 3, 4)])
def test_round_trip_of_every_number_of_dimensions(tmp_path, oblique, shape, suffix):
    file = save(tmp_path / f"in{suffix}", voxels(shape), oblique)
    scan = read_image(file)
    x, y, z, t = (*shape, 1, 1)[:4]
    assert scan.shape == ((t, z, y, x) if t > 1 else (z, y, x))
    assert scan.array.dtype == np.float32
    np.testing.assert_allclose(scan.spacing, (8.0, 1.4, 1.2), rtol=1e-6)
    np.testing.assert_allclose(scan.affine, oblique, rtol=1e-6)
    assert_same_file(file, write_nifti(scan, tmp_path / f"out{suffix}"))


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
@pytest.mark.parametrize("order", AXIS_ORDERS)
def test_the_slice_axis_is_found_and_every_voxel_keeps_its_place(tmp_path, oblique, order, flips):
    shape = (12, 10, 3)  # (x, y, z)
    affine = oblique @ np.diag([*flips, 1])
    array = voxels(shape)
    file = save(
        tmp_path / "in.nii.gz", array.transpose(order), affine[:, [*order, 3]].astype(np.float32)
    )
    scan = read_image(file)
    assert scan.n_slices == 3
    assert scan.spacing[0] == pytest.approx(8.0)
    # The same value lies at the same point of the patient.
    for x, y, z in [(0, 0, 0), (11, 0, 0), (0, 9, 0), (0, 0, 2), (4, 7, 1)]:
        zyx = np.argwhere(scan.array == array[x, y, z])[0]
        np.testing.assert_allclose(
            (scan.affine @ [*zyx[::-1], 1])[:3], (affine @ [x, y, z, 1])[:3], atol=1e-4
        )
    assert_same_file(file, write_nifti(scan, tmp_path / "out.nii.gz"))


def test_a_permuted_cine_keeps_its_time_axis_last(tmp_path, oblique):
    array = voxels((3, 12, 10, 5))  # (z, x, y, t)
    file = save(tmp_path / "in.nii", array, oblique[:, [2, 0, 1, 3]], pixdim=_frames(8, 1.2, 1.4))
    scan = read_image(file)
    assert scan.shape == (5, 3, 10, 12)
    np.testing.assert_array_equal(scan.array, array.transpose(3, 0, 2, 1))
    assert scan.frame_ms == pytest.approx(50)
    assert_same_file(file, write_nifti(scan, tmp_path / "out.nii"))


def _frames(*spacing):
    return [1, *spacing, 0.05, 1, 1, 1]


@pytest.mark.parametrize(
    ("shape", "spacing", "axis"),
    [
        ((1, 9, 9), (1.4, 1.4, 8), 0),  # a single slice, whatever its spacing
        ((9, 1, 1), (1.4, 8, 8), 2),  # nothing to go by
        ((9, 9, 3), (1.4, 1.4, 8), 2),
        ((9, 3, 9), (1.4, 8, 1.4), 1),
        ((9, 9, 9), (8, 1.4, 1.4), 0),
        ((30, 90, 90), (1, 1, 1), 0),  # spacing lost, far fewer voxels
        ((31, 90, 90), (1, 1, 1), 2),
        ((60, 90, 90), (1.4, 1.4, 2.0), 2),
        ((90, 90, 90), (3, 2.9, 1), 2),  # no axis stands out
    ],
)
def test_rule_for_the_slice_axis(shape, spacing, axis):
    from cmr_synth.imaging.nifti_header import slice_axis

    assert slice_axis(shape, spacing) == axis


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_every_type_and_byte_order(tmp_path, oblique, dtype, endian):
    array = voxels((6, 5, 3), dtype)
    header = nib.Nifti1Header(endianness=endian)
    header.set_data_dtype(dtype)
    nib.save(nib.Nifti1Image(array, oblique, header), tmp_path / "in.nii")
    scan = read_image(tmp_path / "in.nii")
    np.testing.assert_array_equal(scan.array, array.transpose())
    back = nib.load(write_nifti(scan, tmp_path / "out.nii"))
    np.testing.assert_array_equal(back.get_fdata(), array)


def test_slope_and_intercept_are_applied_once(tmp_path, oblique):
    array = voxels((6, 5, 3), np.int16)
    image = nib.Nifti1Image(array, oblique)
    image.header.set_slope_inter(0.5, 10)
    nib.save(image, tmp_path / "in.nii")
    expected = nib.load(tmp_path / "in.nii").get_fdata()
    scan = read_image(tmp_path / "in.nii")
    np.testing.assert_array_equal(scan.array, expected.transpose())
    back = nib.load(write_nifti(scan, tmp_path / "out.nii"))
    np.testing.assert_array_equal(back.get_fdata(), expected)


def test_nifti_2(tmp_path, oblique):
    nib.save(nib.Nifti2Image(voxels((6, 5, 3)), oblique), tmp_path / "in.nii.gz")
    scan = read_image(tmp_path / "in.nii.gz")
    write_nifti(scan, tmp_path / "out.nii.gz", description="synthetic")
    assert isinstance(nib.load(tmp_path / "out.nii.gz"), nib.Nifti2Image)
    assert_same_file(tmp_path / "in.nii.gz", tmp_path / "out.nii.gz")


def test_content_decides_not_the_name(tmp_path, oblique):
    save(tmp_path / "a.nii.gz", voxels((6, 5, 3)), oblique)
    (tmp_path / "a.nii.gz").rename(tmp_path / "b.nii")
    np.testing.assert_array_equal(read_image(tmp_path / "b.nii").array.ravel()[:2], [0, 15])


def test_both_affines_and_their_codes_survive(tmp_path, oblique):
    image = nib.Nifti1Image(voxels((6, 5, 3)), oblique)
    image.set_sform(oblique, code="mni")
    shifted = oblique.copy()
    shifted[:3, 3] += 7
    image.set_qform(shifted, code="scanner")
    nib.save(image, tmp_path / "in.nii")
    write_nifti(read_image(tmp_path / "in.nii"), tmp_path / "out.nii")
    before, after = (nib.load(tmp_path / f).header for f in ("in.nii", "out.nii"))
    assert (before["sform_code"], before["qform_code"]) == (4, 1)
    for form in ("get_sform", "get_qform"):
        one, other = (getattr(header, form)(coded=True) for header in (before, after))
        assert one[1] == other[1]
        np.testing.assert_array_equal(one[0], other[0])


def test_header_without_any_affine(tmp_path):
    image = nib.Nifti1Image(voxels((6, 5, 3)), None)
    image.header.set_zooms((1.2, 1.4, 8))
    nib.save(image, tmp_path / "in.nii")
    scan = read_image(tmp_path / "in.nii")
    np.testing.assert_allclose(scan.spacing, (8, 1.4, 1.2), rtol=1e-6)
    assert not in_plane_orientation(scan.affine).trustworthy
    assert_same_file(tmp_path / "in.nii", write_nifti(scan, tmp_path / "out.nii"))


def test_unset_handedness_reads_as_nibabel_does(tmp_path, oblique):
    image = nib.Nifti1Image(voxels((6, 5, 3)), None)
    image.set_qform(oblique, code="scanner")
    image.header["pixdim"][0] = 0
    (tmp_path / "in.nii").write_bytes(image.header.binaryblock + bytes(4) + bytes(6 * 5 * 3 * 4))
    with (tmp_path / "in.nii").open("r+b") as file:
        file.seek(108)
        file.write(np.float32(352).tobytes())
    scan = read_image(tmp_path / "in.nii")
    np.testing.assert_allclose(scan.affine, nib.load(tmp_path / "in.nii").affine)
    write_nifti(scan, tmp_path / "out.nii")


# Units and spacing


@pytest.mark.parametrize(
    ("unit", "factor", "note"),
    [
        ("mm", 1, None),
        ("unknown", 1, None),
        ("meter", 1e-3, None),
        ("micron", 1e3, None),
        ("unknown", 1e-3, "taken as meter; it states no unit"),
        ("unknown", 1e3, "taken as micron; it states no unit"),
        ("meter", 1, "taken as mm; its unit says meter"),
        ("micron", 1, "taken as mm; its unit says micron"),
        ("mm", 1e-3, "taken as meter; its unit says mm"),
    ],
)
def test_units(tmp_path, oblique, unit, factor, note):
    image = nib.Nifti1Image(voxels((6, 5, 3)), np.diag([factor] * 3 + [1]) @ oblique)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "in.nii")
    scan = read_image(tmp_path / "in.nii")
    np.testing.assert_allclose(scan.spacing, (8, 1.4, 1.2), rtol=1e-5)
    np.testing.assert_allclose(scan.affine, oblique, rtol=1e-5)
    assert (note in scan.notes[0]) if note else not scan.notes
    assert_same_file(tmp_path / "in.nii", write_nifti(scan, tmp_path / "out.nii"))


def test_implausible_in_every_unit_is_noted(tmp_path):
    scan = read_image(save(tmp_path / "in.nii", voxels((6, 5, 3)), np.diag([50, 50, 80, 1])))
    assert "not plausible" in scan.notes[0]


def test_where_spacing_and_affine_disagree_spacing_counts(tmp_path):
    file = save(
        tmp_path / "in.nii",
        voxels((6, 5, 3)),
        np.diag([-1.0, -1, 1, 1]),
        pixdim=[1, 1.5, 1.6, 10, 0, 0, 0, 0],
    )
    scan = read_image(file)
    np.testing.assert_allclose(scan.spacing, (10, 1.6, 1.5), rtol=1e-6)
    np.testing.assert_array_equal(scan.affine, np.diag([-1.0, -1, 1, 1]))
    assert "1.5 x 1.6 x 10 in the header, 1 x 1 x 1 in its affine" in scan.notes[0]


def test_slices_of_a_sheared_stack_are_as_far_apart_as_their_planes(tmp_path, oblique):
    sheared = oblique.copy()
    sheared[:3, 2] += 3 * oblique[:3, 0]
    between = np.linalg.norm(oblique[:3, 2])
    scan = read_image(save(tmp_path / "a.nii", voxels((6, 5, 4)), sheared))
    assert scan.spacing[0] == pytest.approx(between, rel=1e-4)
    assert "the stack is sheared" in scan.notes[-1]
    straight = read_image(save(tmp_path / "b.nii", voxels((6, 5, 4)), oblique))
    assert straight.spacing[0] == pytest.approx(between, rel=1e-4)
    assert not any("sheared" in note for note in straight.notes)


def test_where_nobody_filled_in_the_spacing_the_affine_counts(tmp_path, oblique):
    file = save(tmp_path / "in.nii", voxels((6, 5, 3)), oblique, pixdim=[1] * 8)
    scan = read_image(file)
    np.testing.assert_allclose(scan.spacing, (8, 1.4, 1.2), rtol=1e-6)
    assert "the affine is used" in scan.notes[0]


# Labels


def test_labels_keep_their_numbers(tmp_path, oblique):
    array = np.array([0, 1, 2, 3, 200, 255], dtype=np.float64).reshape(6, 1, 1)
    array = np.broadcast_to(array, (6, 5, 3))
    scan = read_labels(save(tmp_path / "in.nii.gz", array, oblique))
    assert scan.array.dtype == np.uint8
    np.testing.assert_array_equal(scan.array[0, 0], [0, 1, 2, 3, 200, 255])


def test_labels_stored_through_a_slope_are_whole_numbers(tmp_path, oblique):
    image = nib.Nifti1Image(np.arange(4, dtype=np.int16).reshape(4, 1, 1) * 100, oblique)
    image.header.set_slope_inter(1, 0)
    nib.save(image, tmp_path / "in.nii")
    with (tmp_path / "in.nii").open("r+b") as file:
        file.seek(112)
        file.write(np.float32(0.01).tobytes())
    np.testing.assert_array_equal(read_labels(tmp_path / "in.nii").array.ravel(), [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.5, r"found label 0.5, a mask holds whole numbers \(1 voxels do not\)"),
        (np.nan, "found NaN or infinite labels"),
        (-1, "found label -1, a mask holds 0 to 255"),
        (256, "found label 256, a mask holds 0 to 255"),
    ],
)
def test_what_is_no_label(tmp_path, oblique, value, message):
    array = np.zeros((6, 5, 3))
    array[2, 2, 1] = value
    with pytest.raises(InputError, match=rf"^mask.nii.gz: {message}"):
        read_labels(save(tmp_path / "mask.nii.gz", array, oblique))


def test_pixels_that_are_no_numbers(tmp_path, oblique):
    array = voxels((6, 5, 3)) + 3
    array[0, 0, 0], array[1, 0, 0] = np.nan, np.inf
    scan = read_image(save(tmp_path / "in.nii", array, oblique))
    assert np.isfinite(scan.array).all() and scan.array[0, 0, 0] == np.nanmin(array)
    assert "2 pixels are NaN or infinite" in scan.notes[0]
    with pytest.raises(InputError, match="no pixel is a number"):
        read_image(save(tmp_path / "in.nii", np.full((6, 5, 3), np.nan), oblique))


# Writing


def test_results_on_a_mask_take_its_form(tmp_path, oblique):
    """Float pixels on the grid of an integer cine mask, one frame of it."""
    file = save(tmp_path / "mask.nii.gz", voxels((12, 10, 3, 4), np.uint8) % 4, oblique)
    mask = read_labels(file)
    pixels = np.random.default_rng(0).random(mask.shape[-3:]).astype(np.float32)
    out = nib.load(write_nifti(mask.with_array(pixels), tmp_path / "out.nii.gz"))
    assert out.shape == (12, 10, 3) and out.get_data_dtype() == np.float32
    np.testing.assert_array_equal(out.affine, nib.load(file).affine)
    np.testing.assert_array_equal(out.get_fdata(dtype=np.float32), pixels.transpose())


def test_a_scan_without_a_file_gets_a_header(tmp_path, oblique):
    array = voxels((4, 3, 10, 12))
    scan = Scan(array=array, spacing=(8, 1.4, 1.2), affine=oblique, name="new", frame_ms=40.0)
    back = read_image(write_nifti(scan, tmp_path / "out.nii.gz"))
    np.testing.assert_array_equal(back.array, array)
    np.testing.assert_allclose(back.affine, oblique, rtol=1e-6)
    np.testing.assert_allclose(back.spacing, scan.spacing, rtol=1e-6)
    assert back.frame_ms == pytest.approx(40) and not back.notes


def test_a_scan_moved_to_another_grid_gets_a_new_header(tmp_path, oblique):
    from dataclasses import replace

    scan = read_image(save(tmp_path / "in.nii", voxels((6, 5, 3)), oblique))
    moved = oblique.copy()
    moved[:3, 3] += 10
    out = write_nifti(replace(scan, affine=moved), tmp_path / "out.nii")
    np.testing.assert_allclose(nib.load(out).affine, moved, rtol=1e-6)
    cropped = replace(scan, array=scan.array[:2])
    assert nib.load(write_nifti(cropped, tmp_path / "out.nii")).shape == (6, 5, 2)


def test_description_and_nothing_that_names_the_patient(tmp_path, oblique):
    image = nib.Nifti1Image(voxels((6, 5, 3), np.uint8), oblique)
    for field in ("db_name", "aux_file", "descrip", "intent_name"):
        image.header[field] = b"Jane Doe"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane Doe, 1950"))
    nib.save(image, tmp_path / "in.nii")
    write_nifti(
        read_image(tmp_path / "in.nii"), tmp_path / "out.nii", description="synthetic " + "é" * 90
    )
    content = (tmp_path / "out.nii").read_bytes()
    assert b"Jane" in (tmp_path / "in.nii").read_bytes() and b"Jane" not in content
    assert nib.load(tmp_path / "out.nii").header["descrip"].item().startswith(b"synthetic ???")


def test_equal_scans_give_equal_bytes(tmp_path, oblique):
    scan = read_image(save(tmp_path / "in.nii", voxels((6, 5, 3)), oblique))
    one, other = (write_nifti(scan, tmp_path / f"{n}.nii.gz").read_bytes() for n in "ab")
    assert one == other


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [(bool, np.uint8), (np.float64, np.float32), (np.int64, np.int32), (np.float16, np.float32)],
)
def test_types_that_other_readers_do_not_know_are_replaced(tmp_path, oblique, dtype, stored):
    scan = Scan(array=np.ones((2, 3, 4), dtype), spacing=(8, 1.4, 1.2), affine=oblique, name="new")
    assert nib.load(write_nifti(scan, tmp_path / "out.nii")).get_data_dtype() == stored


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([-(2**31), 2**31 - 1]), np.int32),
        (np.array([0, 2**32 - 1]), np.uint32),
        (np.array([0, 2**40]), np.float64),
        (np.array([-(2**53), 5]), np.float64),
        (np.array([0, 2**53], np.uint64), np.float64),
        (np.array([0.5, 1e300]), np.float64),
        (np.array([np.inf, 1.5]), np.float32),
    ],
)
def test_no_value_wraps_on_writing(tmp_path, oblique, values, dtype):
    scan = Scan(array=values[:, None, None], spacing=(8, 1.4, 1.2), affine=oblique, name="big")
    back = nib.load(write_nifti(scan, tmp_path / "out.nii"))
    assert back.get_data_dtype() == dtype
    assert np.array_equal(np.asarray(back.dataobj).ravel().astype(values.dtype), values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([0, 2**53 + 1]), "holds 9007199254740993, and whole numbers beyond"),
        (np.array([-(2**63), 0]), "holds -9223372036854775808"),
        (np.array([1j, 0]), "complex128 have no place"),
    ],
)
def test_values_that_no_type_holds_are_refused(tmp_path, oblique, values, message):
    scan = Scan(array=values[:, None, None], spacing=(8, 1.4, 1.2), affine=oblique, name="big")
    with pytest.raises(InputError, match=message):
        write_nifti(scan, tmp_path / "out.nii")
    assert not list(tmp_path.iterdir())


def test_writing_refuses_in_one_line_and_leaves_nothing(tmp_path, oblique, monkeypatch):
    scan = read_image(save(tmp_path / "in.nii", voxels((6, 5, 3)), oblique))
    with pytest.raises(InputError, match="ends in .nii or .nii.gz"):
        write_nifti(scan, tmp_path / "out.png")
    with pytest.raises(InputError, match="exists already"):
        write_nifti(scan, tmp_path / "in.nii", overwrite=False)
    with pytest.raises(InputError, match="cannot be written .* folder exists"):
        write_nifti(scan, tmp_path / "missing" / "out.nii")

    before = (tmp_path / "in.nii").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_nifti(scan, tmp_path / "in.nii")
    assert [p.name for p in tmp_path.iterdir()] == ["in.nii"]
    assert (tmp_path / "in.nii").read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_the_file_has_ordinary_permissions(tmp_path, oblique):
    scan = read_image(save(tmp_path / "in.nii", voxels((6, 5, 3)), oblique))
    out = write_nifti(scan, tmp_path / "out.nii")
    assert stat.S_IMODE(out.stat().st_mode) == stat.S_IMODE((tmp_path / "in.nii").stat().st_mode)


# Files that cannot be true


def header_of(shape=(6, 5, 3), dtype=np.float32, **fields):
    header = nib.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(dtype)
    header["pixdim"][1:4] = (1.2, 1.4, 8)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    for field, value in fields.items():
        if field.startswith("pixdim_"):
            header["pixdim"][int(field[-1])] = value
        elif field.startswith("dim_"):
            header["dim"][int(field[-1])] = value
        else:
            header[field] = value
    return header.binaryblock + bytes(4)


VOXELS = bytes(6 * 5 * 3 * 4)
BAD = {
    "zero spacing": (header_of(pixdim_1=0) + VOXELS, "spacing along x is 0"),
    "nan spacing": (header_of(pixdim_3=np.nan) + VOXELS, "spacing along z is nan"),
    "infinite spacing": (header_of(pixdim_3=np.inf) + VOXELS, "spacing along z is inf"),
    "nan affine": (
        header_of(sform_code=1, srow_x=[np.nan, 0, 0, 0]) + VOXELS,
        "affine holds NaN",
    ),
    "empty affine": (header_of(sform_code=1) + VOXELS, "affine is degenerate"),
    "flat affine": (
        header_of(sform_code=1, srow_x=[1, 1, 0, 0], srow_y=[1, 1, 0, 0], srow_z=[0, 0, 8, 0])
        + VOXELS,
        "affine is degenerate",
    ),
    "no rotation": (
        header_of(qform_code=1, quatern_b=2, quatern_c=2) + VOXELS,
        "no rotation",
    ),
    "too few voxels": (header_of() + VOXELS[:-1], "promises 6 x 5 x 3 voxels"),
    "more voxels than the file": (header_of((600, 500, 300)) + VOXELS, "truncated or damaged"),
    "absurd size": (header_of((32767, 32767, 32767)) + VOXELS, "at most 536,870,912 in all"),
    "negative size": (header_of(dim_2=-5) + VOXELS, "6 x -5 x 3 voxels"),
    "zero size": (header_of(dim_1=0) + VOXELS, "0 x 5 x 3 voxels"),
    "no dimensions": (header_of(dim_0=0) + VOXELS, "says 0 dimensions"),
    "many dimensions": (header_of(dim_0=9) + VOXELS, "says 9 dimensions"),
    "vector": (header_of((6, 5, 3, 1, 3)) + 3 * VOXELS, "has 5 dimensions"),
    "colour": (header_of(datatype=128) + VOXELS, "voxels are RGB"),
    "complex": (header_of(datatype=32) + VOXELS, "voxels are complex64"),
    "unknown type": (header_of(datatype=77) + VOXELS, "unknown voxel type"),
    "voxels in the header": (header_of(vox_offset=0) + VOXELS, "begin at byte 0"),
    "voxels nowhere": (header_of(vox_offset=np.nan) + VOXELS, "begin at byte nan"),
    "infinite slope": (header_of(scl_slope=np.inf) + VOXELS, "intensity slope inf"),
    "nan intercept": (header_of(scl_slope=2, scl_inter=np.nan) + VOXELS, "intercept nan"),
    "pair": (header_of(magic=b"ni1"), "two-file NIfTI"),
    "header cut off": (header_of()[:200], "ends after 200 bytes"),
    "empty file": (b"", "the file is empty"),
    "text file": (b"patient,label\n1,2\n" * 30, "a text file, not NIfTI .*'patient,label"),
    "other format": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 3, "not a NIfTI file"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("read", [read_image, read_labels])
def test_bad_files_are_refused_in_one_line(tmp_path, case, compressed, read):
    content, message = BAD[case]
    file = tmp_path / ("scan.nii.gz" if compressed else "scan.nii")
    file.write_bytes(gzip.compress(content) if compressed else content)
    if compressed and case == "too few voxels":
        message = "promises 360 bytes of voxels, the file holds 359"
    with pytest.raises(InputError, match=message) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file.name}: ") and "\n" not in str(caught.value)


def test_memory_is_not_taken_for_what_the_header_promises(tmp_path):
    """2 GiB promised, gzipped, in a file that is too small by far to hold it."""
    import tracemalloc

    file = tmp_path / "bomb.nii.gz"
    file.write_bytes(gzip.compress(header_of((1024, 1024, 500)) + bytes(3_000_000)))
    tracemalloc.start()
    with pytest.raises(InputError, match="truncated or damaged"):
        read_image(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize("keep", [15, 100, 0.5, -9, -1])
def test_truncated_gzip(tmp_path, oblique, keep):
    rng = np.random.default_rng(0)
    file = save(tmp_path / "scan.nii.gz", rng.random((30, 30, 3)), oblique)
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content)) if keep == 0.5 else keep])
    with pytest.raises(InputError, match="truncated or damaged"):
        read_image(file)


def test_damaged_gzip(tmp_path, oblique):
    rng = np.random.default_rng(0)
    file = save(tmp_path / "scan.nii.gz", rng.random((30, 30, 3)), oblique)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(InputError, match="truncated or damaged"):
        read_image(file)


def test_a_negative_spacing_is_taken_without_its_sign(tmp_path, oblique):
    file = save(tmp_path / "in.nii", voxels((6, 5, 3)), oblique)
    content = bytearray(file.read_bytes())
    content[80:84] = np.float32(-1.2).tobytes()  # pixdim[1]
    file.write_bytes(content)
    scan = read_image(file)
    assert scan.spacing == pytest.approx((8.0, 1.4, 1.2))
    np.testing.assert_allclose(scan.affine, oblique, rtol=1e-5)
    assert scan.notes == (
        "in.nii: the spacing in the header is -1.2 x 1.4 x 8; taken without its sign.",
    )
    assert read_image(write_nifti(scan, tmp_path / "out.nii")).notes == ()


@pytest.mark.parametrize("wrong", [0, np.nan, np.inf])
def test_a_spacing_that_cannot_be_is_taken_from_a_good_affine(tmp_path, oblique, wrong):
    file = save(tmp_path / "in.nii", voxels((6, 5, 3)), oblique)
    content = bytearray(file.read_bytes())
    content[88:92] = np.float32(wrong).tobytes()  # pixdim[3]
    file.write_bytes(content)
    scan = read_image(file)
    assert scan.spacing == pytest.approx((8.0, 1.4, 1.2))
    assert "that of its affine is used, 1.2 x 1.4 x 8" in scan.notes[0] and len(scan.notes) == 1
    assert read_image(write_nifti(scan, tmp_path / "out.nii")).notes == ()


@pytest.mark.parametrize("row", [(0, 0, 0, 0), (np.nan, 1, 0, 0)])
def test_the_qform_counts_where_the_sform_cannot_be(tmp_path, oblique, row):
    image = nib.Nifti1Image(voxels((6, 5, 3)), None)
    image.set_qform(oblique, code=1)
    for name in ("srow_x", "srow_y", "srow_z"):
        image.header[name] = row
    image.header["sform_code"], image.header["vox_offset"] = 1, 352
    file = tmp_path / "in.nii"
    file.write_bytes(bytes(image.header.binaryblock) + bytes(4) + voxels((6, 5, 3)).tobytes("F"))
    scan = read_image(file)
    np.testing.assert_allclose(scan.affine, oblique, atol=1e-4)
    assert scan.notes == (
        "in.nii: the sform in the header is empty or cannot be; the qform is used.",
    )
    back = read_image(write_nifti(scan, tmp_path / "out.nii"))
    np.testing.assert_allclose(back.affine, oblique, atol=1e-4)
    assert back.notes == ()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2, 1)])
def test_the_user_states_the_spacing(tmp_path, oblique, order):
    affine = oblique @ np.diag([1 / 1.2, 1 / 1.4, 1 / 8, 1])
    array = voxels((12, 10, 3))
    file = save(tmp_path / "in.nii", array.transpose(order), affine[:, [*order, 3]])
    scan = with_spacing(read_image(file), (8.0, 1.4, 1.2))
    assert "spacing 8 x 1.4 x 1.2 mm (slices, rows, columns) as stated" in scan.notes[-1]
    np.testing.assert_allclose(scan.affine, oblique, atol=1e-4)
    back = read_image(write_nifti(scan, tmp_path / "out.nii"))
    assert nib.load(tmp_path / "out.nii").shape == array.transpose(order).shape
    assert back.spacing == pytest.approx((8.0, 1.4, 1.2))
    np.testing.assert_allclose(back.affine, oblique, atol=1e-4)
    np.testing.assert_array_equal(back.array, scan.array)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_image(tmp_path / "nothing.nii")
    with pytest.raises(InputError, match="is a folder"):
        read_image(tmp_path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    shape=st.sampled_from([(6, 5), (6, 5, 3), (6, 5, 1, 3)]),
    edits=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_header_with_random_bytes_is_read_or_refused(tmp_path, shape, edits):
    """Whatever is read can be written; nothing but InputError comes out."""
    rows = {"srow_x": [1.2, 0, 0, 5], "srow_y": [0, 1.4, 0, 5], "srow_z": [0, 0, 8, 5]}
    content = bytearray(header_of(shape, sform_code=1, **rows) + VOXELS)
    for place, value in edits:
        content[place] = value
    file = tmp_path / "scan.nii"
    file.write_bytes(content)
    try:
        scan = read_image(file)
    except InputError:
        return
    write_nifti(scan, tmp_path / "out.nii")


# Real files


@pytest.mark.parametrize("folder", ["acdc", "acdc_fullfov"])
def test_acdc_comes_back_as_it_was(tmp_path, data_root, folder):
    patient = data_root / folder / "training" / "patient001"
    for file in sorted(patient.glob("*.nii.gz")):
        scan = read_labels(file) if "_gt" in file.name else read_image(file)
        image = nib.load(file)
        assert scan.spacing == tuple(float(s) for s in image.header.get_zooms()[::-1])
        np.testing.assert_array_equal(scan.array, image.get_fdata().transpose())
        assert_same_file(file, write_nifti(scan, tmp_path / "out.nii.gz"))
