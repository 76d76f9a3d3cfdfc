"""Synthetic scans as DICOM: other programs read them, and nothing of a person is in them."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pydicom
import pytest

from cmr_synth.errors import InputError
from cmr_synth.imaging.dicom import read_dicom
from cmr_synth.imaging.dicom_out.segmentation import write_segmentation
from cmr_synth.imaging.dicom_out.series import WHITE, as_stored, write_series
from cmr_synth.imaging.dicom_out.study import Geometry, Making, Study
from cmr_synth.imaging.nifti import read_image, read_labels
from cmr_synth.imaging.scan import Scan

MAKING = Making(
    model="flow",
    model_version="1.0",
    model_hash="ab" * 32,
    seed=7,
    variant=2,
    conditions={"vendor": "siemens"},
)
PATIENT = "Mustermann_Erika_1970"


def oblique(spacing=(8.0, 1.4, 1.6), flip=1.0):
    """An affine turned about all axes, as short-axis stacks lie."""
    a, b = 0.6, -0.9
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([spacing[2], spacing[1], flip * spacing[0]])
    affine[:3, 3] = (-31.25, 47.123, 12.0625)
    return affine


def hearts(frames=None, slices=3, affine=None, name=f"{PATIENT}.nii.gz"):
    """Picture and mask (engine labels) of a heart that beats, with an infarct in it."""
    t, z, y, x = np.indices((frames or 1, slices, 20, 24))
    distance = np.hypot(y - 10, x - 13 - z) + 0.3 * t
    labels = np.select([distance < 3, distance < 5, (x < 6) & (y > 7) & (y < 14)], [1, 2, 3], 0)
    labels[:, 1][(labels[:, 1] == 2) & (y[:, 1] < 9)] = 4
    labels = labels.astype(np.uint8)
    pixels = (distance / distance.max()).astype(np.float32)
    affine = oblique() if affine is None else affine
    where = {
        "affine": affine,
        "spacing": (8.0, 1.4, 1.6),
        "name": name,
        "frame_ms": 40.0 if frames else None,
    }
    if not frames:
        pixels, labels = pixels[0], labels[0]
    return Scan(array=pixels, **where), Scan(array=labels, **where)


def written(folder, frames=None, form="classic", **more):
    image, mask = hearts(frames, **more)
    study = Study()
    series = write_series(image, folder, MAKING, study=study, form=form)
    segments = write_segmentation(mask, series, folder, MAKING, study=study, number=2)
    return image, mask, series, segments


def in_space(scan):
    """Brightness at every place, whichever way the slices are counted."""
    if scan.affine[2, 2] > 0:
        return scan.array, scan.affine
    last = scan.n_slices - 1
    affine = scan.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, last], [0, 0, 0, 1]])
    return np.flip(scan.array, axis=-3), affine


@pytest.mark.parametrize("frames", [None, 4], ids=["stack", "cine"])
@pytest.mark.parametrize(
    ("flip", "form"), [(1.0, "classic"), (-1.0, "classic"), (1.0, "enhanced"), (-1.0, "enhanced")]
)
def test_nifti_to_dicom_and_back_moves_nothing(tmp_path, frames, flip, form):
    made, _ = hearts(frames, affine=oblique(flip=flip))
    nifti = nib.Nifti1Image(made.array.T, made.affine)
    nifti.header.set_xyzt_units("mm", "sec")
    if frames:
        nifti.header.set_zooms((1.6, 1.4, 8.0, 0.04))
    nib.save(nifti, tmp_path / "in.nii.gz")
    before = read_image(tmp_path / "in.nii.gz")
    (tmp_path / "d").mkdir()
    write_series(before, tmp_path / "d", MAKING, form=form)
    (after,) = read_dicom(tmp_path / "d")
    assert after.shape == before.shape
    assert after.frame_ms == pytest.approx(before.frame_ms) if frames else True
    (pixels, affine), (pixels_after, affine_after) = in_space(before), in_space(after)
    assert np.abs(affine - affine_after).max() < 1e-3  # mm
    assert np.abs(pixels - pixels_after / WHITE).max() <= 0.5 / WHITE + 1e-6
    assert np.allclose(before.spacing, after.spacing, atol=1e-4)


@pytest.mark.parametrize("frames", [None, 3], ids=["stack", "cine"])
@pytest.mark.parametrize("form", ["classic", "enhanced"])
def test_segmentations_give_the_labels_back(tmp_path, frames, form):
    import highdicom as hd

    _, mask, series, segments = written(tmp_path, frames, form)
    codes = {"87878005": 1, "49848007": 2, "53085002": 3, "55641003": 4}
    assert len(segments) == (frames or 1)
    for t, path in enumerate(segments):
        seg = hd.seg.segread(path)
        wanted = mask.array[t] if frames else mask.array
        volume = seg.get_volume(combine_segments=False, rescale_fractional=False)
        found = np.zeros(volume.array.shape[:3], np.uint8)
        for number in seg.segment_numbers:
            about = seg.get_segment_description(number)
            found[volume.array[..., number - 1] > 0] = codes[about.segmented_property_type.value]
        back = resampled(found, volume.affine, mask)
        assert np.array_equal(back, wanted)
        sources = {uid for _, _, uid in seg.get_source_image_uids()}
        assert sources <= {image.SOPInstanceUID for image in series.images} and sources
        if form == "enhanced":
            numbers = {
                int(source.ReferencedFrameNumber)
                for group in seg.PerFrameFunctionalGroupsSequence
                for source in group.DerivationImageSequence[0].SourceImageSequence
            }
            assert numbers <= set(range(3 * t + 1, 3 * t + 4))


def resampled(array, affine, mask):
    """Values of highdicom's volume (slice, row, column; LPS) at the voxels of a mask."""
    z, y, x = (axis.ravel() for axis in np.indices(mask.shape[-3:]))
    lps = np.diag([-1.0, -1, 1, 1]) @ mask.affine @ np.stack([x, y, z, np.ones_like(x)])
    index = np.linalg.inv(affine) @ lps
    nearest = np.rint(index).astype(int)[:3]
    assert np.abs(index[:3] - nearest).max() < 1e-3
    inside = ((nearest.T >= 0) & (nearest.T < array.shape)).all(axis=1)
    found = np.zeros(len(x), array.dtype)
    found[inside] = array[tuple(nearest[:, inside])]
    return found.reshape(mask.shape[-3:])


def test_simpleitk_reads_the_series_where_it_lies(tmp_path):
    import SimpleITK as sitk

    image, _ = hearts()
    write_series(image, tmp_path, MAKING)
    reader = sitk.ImageSeriesReader()
    (series,) = reader.GetGDCMSeriesIDs(str(tmp_path))
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path), series))
    found = reader.Execute()
    corner = found.TransformIndexToPhysicalPoint((5, 7, 0))
    pixels = sitk.GetArrayFromImage(found)
    ours = np.diag([-1.0, -1, 1, 1]) @ image.affine
    z = 0 if np.allclose(corner, (ours @ (5, 7, 0, 1))[:3], atol=1e-3) else 2
    assert np.allclose(corner, (ours @ (5, 7, z, 1))[:3], atol=1e-3)
    assert pixels[0, 7, 5] == as_stored(image.array)[z, 7, 5]
    assert np.allclose(found.GetSpacing(), (1.6, 1.4, 8.0), atol=1e-4)


def test_highdicom_and_simpleitk_read_the_enhanced_cine(tmp_path):
    import SimpleITK as sitk

    image, _, series, _ = written(tmp_path, 3, "enhanced")
    data = pydicom.dcmread(series.files[0])
    assert np.array_equal(data.pixel_array.reshape(image.shape), as_stored(image.array))
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(series.files[0]))).shape == (9, 20, 24)
    delays = [
        group.CardiacSynchronizationSequence[0].NominalCardiacTriggerDelayTime
        for group in data.PerFrameFunctionalGroupsSequence
    ]
    assert delays == [0.0] * 3 + [40.0] * 3 + [80.0] * 3


@pytest.mark.parametrize("frames", [None, 2], ids=["stack", "cine"])
@pytest.mark.parametrize("form", ["classic", "enhanced"])
def test_every_file_says_that_it_is_synthetic_and_names_nobody(tmp_path, frames, form):
    _, _, series, segments = written(tmp_path, frames, form)
    for path in (*series.files, *segments):
        data = pydicom.dcmread(path)
        assert data["SyntheticData"].tag == 0x0008001C and data.SyntheticData == "YES"
        (item,) = data.ContributingEquipmentSequence
        purpose = item.PurposeOfReferenceCodeSequence[0]
        assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("109100", "DCM")
        assert f"sha256={'ab' * 32} seed=7 variant=2 vendor=siemens" in item.ContributionDescription
        assert data.SeriesDescription.startswith("SYNTHETIC")
        assert str(data.PatientName) == "SYNTHETIC^HEART" and data.PatientBirthDate == ""
        assert data.StudyInstanceUID.startswith("2.25.")
        content = path.read_bytes()
        assert b"Mustermann" not in content and b"Erika" not in content


def test_uids_are_new_each_time_and_shared_within_a_study(tmp_path):
    image, mask = hearts()
    study, seen = Study(), set()
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        series = write_series(image, folder, MAKING, study=study, number=number)
        write_segmentation(mask, series, folder, MAKING, study=study, number=100 + number)
        for path in folder.iterdir():
            data = pydicom.dcmread(path, stop_before_pixels=True)
            assert data.StudyInstanceUID == study.uid
            assert data.FrameOfReferenceUID == study.frame_of_reference
            assert data.SOPInstanceUID == data.file_meta.MediaStorageSOPInstanceUID
            seen.add(data.SOPInstanceUID)
    assert len(seen) == 8 and Study().uid != study.uid


@pytest.mark.parametrize(
    ("form", "frames"), [("classic", None), ("classic", 2), ("enhanced", None), ("enhanced", 2)]
)
def test_the_standard_asks_for_nothing_that_is_missing(tmp_path, form, frames):
    """Held against the module tables of the standard that highdicom carries."""
    _, _, series, segments = written(tmp_path, frames, form)
    for path in (series.files[0], segments[0]):
        assert missing(pydicom.dcmread(path)) == []


PER_FRAME = "PerFrameFunctionalGroupsSequence"


def test_an_enhanced_image_has_the_groups_that_its_class_asks_for(tmp_path):
    """The mandatory ones of PS3.3, table A.36-2, for derived images."""
    _, _, series, _ = written(tmp_path, 2, "enhanced")
    data = pydicom.dcmread(series.files[0])
    wanted = {
        "PixelMeasuresSequence", "FrameContentSequence", "PlanePositionSequence",
        "PlaneOrientationSequence", "FrameAnatomySequence", "PixelValueTransformationSequence",
        "FrameVOILUTSequence", "MRImageFrameTypeSequence",
    }  # fmt: skip
    for frame in data.PerFrameFunctionalGroupsSequence:
        groups = {e.keyword for e in (*frame, *data.SharedFunctionalGroupsSequence[0])}
        assert wanted <= groups


def missing(data):
    """Attributes of type 1 and 2 that mandatory modules want and an object lacks."""
    from highdicom._standard_utils import (
        get_iod_module_map,
        get_module_attribute_map,
        get_sop_class_iod_map,
    )

    lacking = []
    for module in get_iod_module_map()[get_sop_class_iod_map()[data.SOPClassUID]]:
        if module["usage"] != "M":
            continue
        for attribute in get_module_attribute_map()[module["key"]]:
            if attribute["path"] in (["SharedFunctionalGroupsSequence"], [PER_FRAME]):
                continue  # the tables do not say which groups an object has to have
            for item in items(data, attribute["path"]):
                there = attribute["keyword"] in item
                empty = not there or item[attribute["keyword"]].is_empty
                if not there and attribute["type"] == "2" or empty and attribute["type"] == "1":
                    lacking.append((module["key"], *attribute["path"], attribute["keyword"]))
    return lacking


def items(data, path):
    if not path:
        return [data]
    inner = data.get(path[0]) or []
    return [found for item in inner for found in items(item, path[1:])]


def test_the_table_check_sees_what_is_missing(tmp_path):
    _, _, series, _ = written(tmp_path)
    data = pydicom.dcmread(series.files[0])
    del data.Rows, data.ContributingEquipmentSequence[0].Manufacturer
    assert {path[-1] for path in missing(data)} == {"Rows", "Manufacturer"}


def test_what_dicom_cannot_hold_is_one_line(tmp_path):
    image, _ = hearts()
    slanted = oblique()
    slanted[:3, 1] += 0.3 * slanted[:3, 0]
    with pytest.raises(InputError, match="not perpendicular"):
        write_series(hearts(affine=slanted)[0], tmp_path, MAKING)
    image.array[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="no numbers"):
        write_series(image, tmp_path, MAKING)
    _, mask, series, _ = written(tmp_path)
    empty = mask.with_array(np.zeros_like(mask.array))
    with pytest.raises(InputError, match="nothing is drawn"):
        write_segmentation(empty, series, tmp_path, MAKING, study=Study(), number=2)


def test_where_affine_and_spacing_disagree_the_spacing_counts():
    image, _ = hearts()
    place = Geometry.of(
        Scan(array=image.array, affine=image.affine, spacing=(10.0, 2.0, 1.6), name="x")
    )
    assert place.pixel == pytest.approx((2.0, 1.6)) and place.between_mm == 10.0
    assert np.linalg.norm(place.positions[1] - place.positions[0]) == pytest.approx(10.0)


def test_labels_stay_equal_on_the_way_through_nifti(tmp_path):
    _, mask = hearts()
    nib.save(nib.Nifti1Image(mask.array.T, mask.affine), tmp_path / "m.nii.gz")
    assert np.array_equal(read_labels(tmp_path / "m.nii.gz").array, mask.array)
