"""Folders of DICOM slices: geometry from positions alone, every odd export noted or refused."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import numpy as np
import PIL.Image
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    generate_uid,
)

from cmr_synth.errors import InputError
from cmr_synth.imaging.dicom import DicomOrigin, choose, is_dicom, list_stacks, read_dicom
from cmr_synth.imaging.nifti import read_image, write_nifti
from cmr_synth.imaging.orientation import in_plane_orientation

SHAPE = (6, 5)  # rows, columns
PIXEL = (1.4, 1.2)
GAP_MM = 8.0


def value(z: int, t: int) -> int:
    """Brightness of the first pixel of slice z, frame t; the others count up from it."""
    return 1000 * z + 100 * t


def make(path, affine, z, t, **changes):
    """Write one slice of a stack whose RAS affine is given; `changes` are DICOM keywords."""
    lps = np.diag([-1, -1, 1, 1]) @ affine
    directions = lps[:3, :3] / np.linalg.norm(lps[:3, :3], axis=0)
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, generate_uid()
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    data.PatientID, data.Modality, data.Manufacturer = "P1", "MR", "GE MEDICAL SYSTEMS"
    data.SeriesNumber, data.InstanceNumber = 5, 20 * z + t + 1
    data.Rows, data.Columns = SHAPE
    data.PixelSpacing = list(PIXEL)
    data.SliceThickness = 6
    data.ImagePositionPatient = [round(float(v), 5) for v in (lps @ [0, 0, z, 1])[:3]]
    data.ImageOrientationPatient = [
        round(float(v), 6) for v in (*directions[:, 0], *directions[:, 1])
    ]
    data.TriggerTime = 10 + 45 * t
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    pixels = value(z, t) + np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    data.PixelData = pixels.astype("<i2").tobytes()
    for keyword, content in changes.items():
        if content is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, content)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "exam"
    path.mkdir()
    return path


def make_stack(folder, affine, n_z=3, n_t=4, **changes):
    """Write a stack under names in no useful order."""
    rng = np.random.default_rng(0)
    names = rng.permutation(n_z * n_t)
    for i, (z, t) in enumerate((z, t) for z in range(n_z) for t in range(n_t)):
        make(folder / f"{names[i]:03d}", affine, z, t, **changes)


def expected(n_z=3, n_t=4):
    first = np.array([[value(z, t) for z in range(n_z)] for t in range(n_t)])
    return first[:, :, None, None] + np.arange(np.prod(SHAPE)).reshape(SHAPE)


def test_a_cine_is_put_together_by_position_and_trigger_time(folder, oblique):
    make_stack(folder, oblique)
    (scan,) = read_dicom(folder)
    assert scan.name == "exam series 5" and scan.notes == ()
    assert scan.array.dtype == np.float32
    np.testing.assert_array_equal(scan.array, expected())
    np.testing.assert_allclose(scan.spacing, (GAP_MM, *PIXEL), atol=1e-4)
    np.testing.assert_allclose(scan.affine, oblique, atol=1e-4)
    assert scan.frame_ms == pytest.approx(45)
    assert isinstance(scan.origin, DicomOrigin)
    assert scan.origin.manufacturer == "GE MEDICAL SYSTEMS"
    assert [len(frames) for frames in scan.origin.files] == [4, 4, 4]


def test_numbers_that_lie_about_the_place_change_nothing(folder, oblique):
    """Instance numbers, slice locations, gaps and frames of reference are not used."""
    rng = np.random.default_rng(1)
    for z, t in [(z, t) for z in range(3) for t in range(4)]:
        make(
            folder / f"{z}{t}.dcm",
            oblique,
            z,
            t,
            InstanceNumber=int(rng.integers(1, 1000)),
            SliceLocation=float(rng.random()),
            SpacingBetweenSlices=3,
            FrameOfReferenceUID=generate_uid(),
        )
    (scan,) = read_dicom(folder)
    np.testing.assert_array_equal(scan.array, expected())
    np.testing.assert_allclose(scan.affine, oblique, atol=1e-4)


def test_slices_run_from_base_to_apex_whatever_the_scanner_did(folder, oblique):
    up = oblique.copy()
    up[:, 3] += 2 * oblique[:, 2]
    up[:3, 2] *= -1
    make_stack(folder, up)
    (scan,) = read_dicom(folder)
    np.testing.assert_array_equal(scan.array, expected()[:, ::-1])
    np.testing.assert_allclose(scan.affine, oblique, atol=1e-4)
    assert scan.affine[:3, 2] @ [-1, 1, -1] > 0


def test_one_series_per_slice_is_one_stack(folder, oblique):
    for z in range(3):
        for t in range(4):
            make(
                folder / f"{z}-{t}", oblique, z, t,
                SeriesNumber=5 + z, SeriesInstanceUID=f"1.2.3.{z}", InstanceNumber=t + 1,
            )  # fmt: skip
    (scan,) = read_dicom(folder)
    np.testing.assert_array_equal(scan.array, expected())
    assert scan.origin.series_numbers == (5, 6, 7)


def test_a_repeated_acquisition_stays_a_scan_of_its_own(folder, oblique):
    for series in (5, 6):
        (folder / str(series)).mkdir()
        make_stack(
            folder / str(series), oblique, SeriesNumber=series, SeriesInstanceUID=f"1.2.{series}"
        )
    scans = read_dicom(folder)
    assert [s.name for s in scans] == ["exam series 5", "exam series 6"]
    for scan in scans:
        np.testing.assert_array_equal(scan.array, expected())


def test_another_view_and_another_patient_are_scans_of_their_own(folder, oblique):
    for i, change in enumerate([{}, {"PatientID": "P2", "SeriesInstanceUID": "1.2.9"}]):
        (folder / str(i)).mkdir()
        make_stack(folder / str(i), oblique, **change)
    (folder / "long").mkdir()
    long_axis = oblique[:, [2, 1, 0, 3]] / [[8, 1, 1.2, 1]] * [[1.2, 1, 8, 1]]
    make_stack(folder / "long", long_axis, n_z=1, SeriesInstanceUID="1.2.10", SeriesNumber=9)
    scans = read_dicom(folder)
    assert [s.shape for s in scans] == [(4, 3, 6, 5), (4, 3, 6, 5), (4, 1, 6, 5)]


def test_copies_count_once(folder, oblique):
    make_stack(folder, oblique)
    (folder / "copy").mkdir()
    for file in [p for p in folder.iterdir() if p.is_file()]:
        (folder / "copy" / file.name).write_bytes(file.read_bytes())
    assert read_dicom(folder)[0].shape == (4, 3, 6, 5)


def test_other_files_are_left_out_by_name(folder, oblique):
    make_stack(folder, oblique)
    (folder / "notes.txt").write_text("contours are in the other folder")
    make(folder / "report", oblique, 0, 0, Rows=None, Columns=None, PixelData=None, Modality="SR")
    (scan,) = read_dicom(folder)
    assert scan.notes == (
        "exam: 2 files are left out: notes.txt (not DICOM); report (holds no picture (SR)).",
    )


def test_stills_and_single_slices(folder, oblique):
    make_stack(folder, oblique, n_t=1)
    (still,) = read_dicom(folder)
    np.testing.assert_array_equal(still.array, expected(n_t=1)[0])
    assert still.frame_ms is None
    file = make(folder / "one.dcm", oblique, 0, 0)
    assert is_dicom(file) and not is_dicom(folder)
    (one,) = read_dicom(file)
    assert one.shape == (1, 6, 5)
    assert one.spacing[0] == pytest.approx(6)  # its thickness
    np.testing.assert_allclose(one.affine[:, 3], oblique[:, 3], atol=1e-4)
    (one,) = read_dicom(make(folder / "one.dcm", oblique, 0, 0, SliceThickness=None))
    assert one.spacing[0] == pytest.approx(8) and "8 mm is assumed" in one.notes[0]


def test_rescaling_is_applied(folder, oblique):
    make_stack(folder, oblique, RescaleSlope=2, RescaleIntercept=-5)
    np.testing.assert_array_equal(read_dicom(folder)[0].array, 2 * expected() - 5)


def test_frames_without_trigger_times_keep_their_instance_order_with_a_note(folder, oblique):
    make_stack(folder, oblique, TriggerTime=None)
    (scan,) = read_dicom(folder)
    np.testing.assert_array_equal(scan.array, expected())
    assert "frames are in instance order" in scan.notes[0] and len(scan.notes) == 1
    assert scan.frame_ms is None


def test_a_missing_slice_or_frame_is_never_papered_over(folder, oblique):
    make_stack(folder, oblique, n_z=4, n_t=2)
    for file in list(folder.iterdir()):
        if dcmread(file).InstanceNumber in (41, 42):
            file.unlink()  # z = 2
    scans = read_dicom(folder)
    assert [s.shape for s in scans] == [(2, 1, 6, 5)] * 3
    assert [s.name for s in scans] == [f"exam series 5 position {i}" for i in (1, 2, 3)]
    assert "8.0 to 16.0 mm apart (one may be missing)" in scans[0].notes[0]
    np.testing.assert_array_equal(scans[2].array[:, 0], expected(4, 2)[:, 3])
    np.testing.assert_allclose(scans[2].affine[:, 3], oblique @ [0, 0, 3, 1], atol=1e-4)


def test_unequal_numbers_of_frames(folder, oblique):
    make_stack(folder, oblique)
    make(folder / "extra", oblique, 1, 4)
    scans = read_dicom(folder)
    assert [s.n_frames for s in scans] == [4, 5, 4]
    assert "slices have 4 to 5 frames" in scans[0].notes[0]


def test_slices_beside_each_other_are_no_stack(folder, oblique):
    for z in range(3):
        shifted = oblique.copy()
        shifted[:, 3] += 10 * (z == 1) * oblique[:, 0]
        make(folder / str(z), shifted, z, 0)
    scans = read_dicom(folder)
    assert len(scans) == 3 and "straight line" in scans[0].notes[0]


def test_the_affine_of_a_sheared_stack_is_true(folder, oblique):
    sheared = oblique.copy()
    sheared[:3, 2] += 3 * oblique[:3, 0]
    make_stack(folder, sheared)
    scan = read_dicom(folder)[0]
    np.testing.assert_allclose(scan.affine, sheared, atol=1e-4)
    # volumes are measured with the distance along the normal, not with the length of the step
    assert scan.spacing[0] == pytest.approx(GAP_MM, rel=1e-4)
    assert np.linalg.norm(sheared[:3, 2]) > 1.05 * GAP_MM
    assert "the stack is sheared" in " ".join(scan.notes)
    write_nifti(scan, folder / "sheared.nii.gz")
    assert read_image(folder / "sheared.nii.gz").spacing[0] == pytest.approx(GAP_MM, rel=1e-4)


BAD = {
    "no position": ({"ImagePositionPatient": None}, "ImagePositionPatient is missing"),
    "no orientation": ({"ImageOrientationPatient": None}, "ImageOrientationPatient is missing"),
    "short position": ({"ImagePositionPatient": [1, 2]}, "3 numbers are needed"),
    "skew": ({"ImageOrientationPatient": [1, 0, 0, 0.7, 0.7, 0]}, "not two perpendicular"),
    "zero direction": ({"ImageOrientationPatient": [0] * 6}, "not two perpendicular"),
    "zero pixel": ({"PixelSpacing": [0, 1.4]}, "Pixel Spacing is 0, 1.4"),
    "no pixel size": ({"PixelSpacing": None}, "PixelSpacing is missing"),
    "other modality": ({"Modality": "CT"}, "modality is CT"),
    "several frames": ({"NumberOfFrames": 20}, "several frames in one file"),
    "colour": ({"SamplesPerPixel": 3}, "colour picture"),
    "no rows": ({"Rows": 0}, "0 rows"),
    "too few pixels": ({"PixelData": b"\0\0" * 7}, "pixels cannot be read"),
    "absurd size": ({"Rows": 60000, "Columns": 60000}, "60000 rows, 60000 columns"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_slices_are_refused_in_one_line(folder, oblique, case):
    changes, message = BAD[case]
    make(folder / "bad.dcm", oblique, 3, 0, **changes)
    with pytest.raises(InputError, match=message) as caught:
        read_dicom(folder)
    assert str(caught.value).startswith("bad.dcm: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("case", [case for case in BAD if case != "too few pixels"])
def test_a_bad_slice_is_named_and_the_others_are_read(folder, oblique, case):
    make_stack(folder, oblique)
    changes, message = BAD[case]
    make(folder / "bad.dcm", oblique, 3, 0, **changes)
    (scan,) = read_dicom(folder)
    np.testing.assert_array_equal(scan.array, expected())
    (note,) = scan.notes
    assert note.startswith("exam: 1 file is left out: bad.dcm (") and message in note


@pytest.mark.parametrize("keep", [140, 400, -10])
def test_truncated_files(folder, oblique, keep):
    file = make(folder / "cut.dcm", oblique, 0, 0)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(InputError, match="cut.dcm|no DICOM image"):
        read_dicom(folder)


def test_one_identifier_for_all_slices(folder, oblique):
    """As some anonymisers leave them; real copies still count once."""
    make_stack(folder, oblique, SOPInstanceUID="1.2.3.4.5")
    (folder / "copy").write_bytes(next(folder.iterdir()).read_bytes())
    (scan,) = read_dicom(folder)
    np.testing.assert_array_equal(scan.array, expected())
    assert len(scan.notes) == 1 and "share a SOP Instance UID" in scan.notes[0]


@pytest.mark.parametrize("cut", [128, 132])
def test_slices_without_preamble_or_mark(folder, oblique, cut):
    make_stack(folder, oblique)
    for file in sorted(folder.iterdir())[::2]:
        file.write_bytes(file.read_bytes()[132:] if cut == 132 else file.read_bytes())
        assert is_dicom(file)
    (scan,) = read_dicom(folder)
    np.testing.assert_array_equal(scan.array, expected())
    assert scan.notes == ()


@pytest.mark.parametrize(
    "word", [["ORIGINAL", "PRIMARY", "P"], ["ORIGINAL", "PRIMARY", "VELOCITY MAP"], "ge"]
)
def test_the_magnitude_is_taken_of_a_phase_contrast_cine(folder, oblique, word):
    make_stack(folder, oblique, ImageType=["ORIGINAL", "PRIMARY", "M"])
    for z, t in [(z, t) for z in range(3) for t in range(4)]:
        file = make(folder / f"p{z}{t}", oblique, z, t, RescaleIntercept=-4096)
        header = dcmread(file)
        if word == "ge":
            header.private_block(0x43, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", 1)
        else:
            header.ImageType = word
        header.save_as(file)
    (scan,) = read_dicom(folder)
    if word != "ge":  # the private creator of GE takes block 10, as on the scanner
        assert "the magnitude is taken, 12 others are left out" in scan.notes[0]
    np.testing.assert_array_equal(scan.array, expected())


def test_phase_images_alone_are_read_and_said(folder, oblique):
    make_stack(folder, oblique, ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])
    (scan,) = read_dicom(folder)
    assert scan.shape == (4, 3, 6, 5) and "phase images without their magnitude" in scan.notes[0]


def test_small_values_that_are_shown_bright_are_turned_round(folder, oblique):
    pixels = dict(PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    make_stack(folder, oblique, **pixels, PixelRepresentation=0, RescaleSlope=2)
    np.testing.assert_array_equal(read_dicom(folder)[0].array, 2 * (4095 - expected()))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, DeflatedExplicitVRLittleEndian])
def test_compressed_slices(folder, oblique, syntax):
    make_stack(folder, oblique, PixelRepresentation=0)
    for file in folder.iterdir():
        data = dcmread(file)
        if syntax == DeflatedExplicitVRLittleEndian:
            data.file_meta.TransferSyntaxUID = syntax
        else:
            data.compress(syntax, generate_instance_uid=False)
        data.save_as(file)
    (scan,) = read_dicom(folder)
    np.testing.assert_array_equal(scan.array, expected())


def test_jpeg_lossless(folder, oblique):
    """How many archives of hospitals keep slices; pydicom alone cannot read it."""
    make_stack(folder, oblique, PixelRepresentation=0, RescaleSlope=2)
    _compress(folder)
    assert {dcmread(p).file_meta.TransferSyntaxUID for p in folder.iterdir()} == {JPEGLosslessSV1}
    np.testing.assert_array_equal(read_dicom(folder)[0].array, 2 * expected())


def test_jpeg_2000(folder, oblique):
    make_stack(folder, oblique, n_t=1, PixelRepresentation=0)
    for file in folder.iterdir():
        data, coded = dcmread(file), BytesIO()
        image = PIL.Image.fromarray(np.frombuffer(data.PixelData, "<u2").reshape(SHAPE))
        image.save(coded, "JPEG2000", irreversible=False, num_resolutions=1, no_jp2=True)
        data.PixelData = encapsulate([coded.getvalue()])
        data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
        data.file_meta.TransferSyntaxUID = JPEG2000Lossless
        data.save_as(file)
    np.testing.assert_array_equal(read_dicom(folder)[0].array, expected(3, 1)[0])


def _compress(folder):
    """Put the pixels of slices into the JPEG Lossless that SimpleITK writes of them.

    In another process: its decoders and those of python-gdcm, if that is there, share names.
    """
    program = """
import sys, pathlib, SimpleITK
from pydicom import dcmread
import numpy as np
for file in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    data = dcmread(file)
    writer = SimpleITK.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.SetFileName(f"{file}.dcm")
    pixels = np.frombuffer(data.PixelData, "<u2").reshape(data.Rows, data.Columns)
    writer.Execute(SimpleITK.GetImageFromArray(pixels))
    coded = dcmread(f"{file}.dcm")
    data.PixelData = coded.PixelData
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.file_meta.TransferSyntaxUID = coded.file_meta.TransferSyntaxUID
    data.save_as(file)
    pathlib.Path(f"{file}.dcm").unlink()
"""
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)


def enhanced(path, affine, n_z=3, n_t=4):
    """All frames in one file, those of a slice together, last frame first."""
    file = make(path, affine, 0, 0)
    data = dcmread(file)
    lps = np.diag([-1, -1, 1, 1]) @ affine
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    data.NumberOfFrames = n_z * n_t
    shared, frames, pixels = Dataset(), [], []
    shared.PlaneOrientationSequence = Sequence([Dataset()])
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = data.ImageOrientationPatient
    shared.PixelMeasuresSequence = Sequence([Dataset()])
    shared.PixelMeasuresSequence[0].PixelSpacing = data.PixelSpacing
    shared.PixelMeasuresSequence[0].SliceThickness = data.SliceThickness
    for z in range(n_z):
        for t in reversed(range(n_t)):
            frame = Dataset()
            frame.PlanePositionSequence = Sequence([Dataset()])
            frame.PlanePositionSequence[0].ImagePositionPatient = [
                round(float(v), 5) for v in (lps @ [0, 0, z, 1])[:3]
            ]
            frame.CardiacSynchronizationSequence = Sequence([Dataset()])
            frame.CardiacSynchronizationSequence[0].NominalCardiacTriggerDelayTime = 10.0 + 45 * t
            frame.PixelValueTransformationSequence = Sequence([Dataset()])
            inner = frame.PixelValueTransformationSequence[0]
            inner.RescaleSlope, inner.RescaleIntercept = 1 + z, 0  # Philips scales each slice
            frames.append(frame)
            pixels.append(value(z, t) + np.arange(np.prod(SHAPE)).reshape(SHAPE))
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(data, keyword)
    del data.TriggerTime
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    data.PerFrameFunctionalGroupsSequence = Sequence(frames)
    data.PixelData = np.stack(pixels).astype("<i2").tobytes()
    data.save_as(path)
    return path


def test_an_enhanced_file_is_a_cine(folder, oblique):
    (scan,) = read_dicom(enhanced(folder / "one", oblique))
    scale = np.array([1, 2, 3])[:, None, None]
    np.testing.assert_array_equal(scan.array, expected() * scale)
    np.testing.assert_allclose(scan.affine, oblique, atol=1e-4)
    assert scan.frame_ms == pytest.approx(45) and scan.notes == ()
    assert scan.origin.files[0] == (folder / "one",) * 4


def test_a_dicomdir_stands_for_what_it_lists(folder, oblique):
    from pydicom.fileset import FileSet

    (folder / "raw").mkdir()
    fileset = FileSet()
    for z in range(3):
        file = make(folder / "raw" / str(z), oblique, z, 0, StudyDate="20200101", StudyTime="10")
        data = dcmread(file)
        data.StudyID = "1"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
        fileset.add(data)
    fileset.write(folder / "disc")
    (scan,) = read_dicom(folder / "disc" / "DICOMDIR")
    np.testing.assert_array_equal(scan.array, expected(3, 1)[0])
    assert read_dicom(folder / "disc")[0].shape == scan.shape
    next(p for p in (folder / "disc").rglob("*") if p.is_file() and p.name != "DICOMDIR").unlink()
    with_note = read_dicom(folder / "disc" / "DICOMDIR")
    assert "is listed in the DICOMDIR and not there" in with_note[0].notes[0]


def test_frames_in_order_of_their_temporal_position(folder, oblique):
    for t in range(4):
        make(
            folder / str(t), oblique, 0, t,
            TriggerTime=None, InstanceNumber=9 - t, TemporalPositionIdentifier=t + 1,
        )  # fmt: skip
    (scan,) = read_dicom(folder)
    np.testing.assert_array_equal(scan.array, expected(1, 4))
    assert scan.notes == ()


def test_the_scanner_is_told_from_the_tags(folder, oblique):
    make_stack(folder, oblique, Manufacturer="TOSHIBA_MEC", MagneticFieldStrength=1.5)
    origin = read_dicom(folder)[0].origin
    assert (origin.vendor, origin.field_strength_t) == ("canon", 1.5)
    assert origin.trigger_ms == (10, 55, 100, 145)


def test_late_enhancement_at_other_places_is_no_part_of_the_cine(folder, oblique):
    make_stack(folder, oblique, FlipAngle=50, EchoTime=1.2)
    shifted = oblique.copy()
    shifted[:, 3] += 0.5 * oblique[:, 2]
    (folder / "late").mkdir()
    make_stack(
        folder / "late", shifted, n_t=1,
        FlipAngle=20, EchoTime=3.0, SeriesNumber=9, SeriesInstanceUID="1.2.9",
    )  # fmt: skip
    assert [s.shape for s in read_dicom(folder)] == [(4, 3, 6, 5), (3, 6, 5)]


def test_links_are_followed(folder, oblique, tmp_path):
    make_stack(folder, oblique)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "series").symlink_to(folder, target_is_directory=True)
    (scan,) = read_dicom(tmp_path / "here")
    np.testing.assert_array_equal(scan.array, expected())
    (tmp_path / "here" / "gone").symlink_to(tmp_path / "nowhere")
    assert "gone (is a link to" in read_dicom(tmp_path / "here")[0].notes[0]


def test_a_deflated_bomb_is_refused(folder, oblique, monkeypatch):
    from cmr_synth.imaging import dicom_files

    data = dcmread(make(folder / "bomb", oblique, 0, 0))
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.PixelData = bytes(1 << 20)
    data.save_as(folder / "bomb")
    assert (folder / "bomb").stat().st_size < 10_000
    monkeypatch.setattr(dicom_files, "MAX_INFLATED", 100_000)
    with pytest.raises(InputError, match="bomb: inflates to more than 100,000 bytes"):
        read_dicom(folder)


def test_a_coded_picture_of_another_size_is_refused_undecoded(folder, oblique):
    make_stack(folder, oblique, n_z=1, n_t=1, PixelRepresentation=0)
    _compress(folder)
    (file,) = folder.iterdir()
    content = file.read_bytes()
    at = content.index(b"\xff\xc3") + 5
    file.write_bytes(content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :])
    with pytest.raises(InputError, match="holds a coded picture of 65535 x 65535 pixels"):
        read_dicom(folder)


def test_the_short_axis_cine_of_an_examination_is_chosen(data_root):
    """Six series of a slice each, and a four-chamber view, all named alike."""
    stacks = list_stacks(data_root / "bivme_dicom" / "patient1")
    assert [(s.plane, s.n_slices, s.n_frames) for s in stacks] == [
        ("short axis", 6, 25),
        ("long axis", 1, 25),
    ]
    chosen = choose(stacks)
    assert chosen.series_numbers == (7001, 8001, 9001, 10001, 11001, 12001)
    assert "taken as the only short-axis one of 2 scans" in chosen.notes[-1]
    assert "cine_trufi_retro 4CH" in chosen.notes[-1]
    with pytest.raises(InputError, match="none of them short-axis"):
        choose([stacks[1]] * 2)


def test_empty_and_missing_folders(folder):
    with pytest.raises(InputError, match="no DICOM image found"):
        read_dicom(folder)
    with pytest.raises(InputError, match="no such file or folder"):
        read_dicom(folder / "nothing")


def test_sunnybrook(data_root, tmp_path):
    """A GE cine whose slice locations are not along the normal, anonymised file by file."""
    (scan,) = read_dicom(data_root / "sunnybrook_dicom" / "SCD0000301")
    assert scan.shape == (20, 2, 256, 256) and scan.notes == ()
    np.testing.assert_allclose(scan.spacing, (8.0, 1.2891, 1.2891), atol=1e-3)
    assert scan.frame_ms == pytest.approx(46.1, abs=0.1)
    orientation = in_plane_orientation(scan.affine)
    assert orientation.trustworthy
    assert not (orientation.transpose or orientation.flip_rows or orientation.flip_columns)
    for z, frames in enumerate(scan.origin.files):
        names = [int(file.stem) for file in frames]
        assert names == list(range(81 + 20 * z, 101 + 20 * z))
    back = read_image(write_nifti(scan, tmp_path / "scan.nii.gz"))
    np.testing.assert_array_equal(back.array, scan.array)
    np.testing.assert_allclose(back.affine, scan.affine, atol=1e-4)
