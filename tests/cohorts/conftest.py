"""Cohorts on disk, drawn in code: painted hearts, in the layout of every adapter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cmr_synth.anatomy.labels import INFARCT, LV, MYO, NO_REFLOW, RV, UNLABELLED, revert
from cmr_synth.anatomy.template import draw_slice

# columns toward the patient's left, rows toward feet and back: radiological display as stored;
# slices one behind the other
OBLIQUE = np.array(
    [[-1.35, 0.45, 3.111, 90], [-0.65, -0.4, -6.737, 60], [-0.06, -1.37, 2.989, 40], [0, 0, 0, 1]]
)


def paint(labels: np.ndarray, seed: int) -> np.ndarray:
    """Grey values for labels, with a smooth background of its own for every seed."""
    rng = np.random.default_rng(seed)
    texture = gaussian_filter(rng.normal(size=labels.shape), (0, 4, 4)) * 4
    shades = np.array([0.3, 0.9, 0.35, 0.85, 0.7, 0.2])[labels]
    grey = shades + 0.5 * texture + 0.02 * rng.normal(size=labels.shape)
    return (1000 * np.clip(grey + 0.5, 0, None)).astype(np.int16)


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray = OBLIQUE) -> None:
    """Write ([t,] z, y, x) as a scanner's converter would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.transpose(), affine), path)  # -> (x, y, z[, t])


def stack(seed: int, phase: str = "ED") -> np.ndarray:
    """Four slices of a drawn heart, at ES of what is left of it."""
    return np.stack(
        [draw_slice(level=(k + 0.5) / 4, shape=(96, 96), phase=phase, seed=seed) for k in range(4)]
    )


@pytest.fixture
def write_pair() -> Callable[..., np.ndarray]:
    """`write_pair(image_path, mask_path, seed=, phase=, labels=)`; returns the engine labels."""

    def write(image, mask, *, seed=0, phase="ED", convention="acdc", labels=None, pixels=None):
        labels = stack(seed, phase) if labels is None else labels
        pixels = paint(labels.reshape(-1, 96, 96), seed) if pixels is None else pixels
        write_nifti(Path(image), pixels.reshape(labels.shape))
        write_nifti(Path(mask), revert(labels, convention))
        return labels

    return write


@pytest.fixture
def folder(tmp_path, write_pair) -> Path:
    """Four patients at ED and ES in images/ and labels/, with ACDC's label numbers."""
    root = tmp_path / "own"
    for seed in range(4):
        for phase in ("ED", "ES"):
            file = f"p{seed}_{phase}.nii.gz"
            write_pair(root / "images" / file, root / "labels" / file, seed=seed, phase=phase)
    return root


# Writers of a small cohort in each layout. Each returns the engine labels that are to be read, in
# the orientation in which they were drawn, by patient and phase.
Expected = dict[tuple[str, str], np.ndarray]


def write_acdc(root: Path) -> Expected:
    """Folders of two patients with Info.cfg; affines are diagonal, as ACDC's are."""
    expected = {}
    affine = np.diag([1.5, 1.5, 8.0, 1.0])
    for seed, (patient, group) in enumerate({"patient001": "DCM", "patient002": "NOR"}.items()):
        for phase, frame in (("ED", 1), ("ES", 12)):
            labels = stack(seed, phase)
            stem = root / patient / f"{patient}_frame{frame:02d}"
            write_nifti(stem.with_name(f"{stem.name}.nii.gz"), paint(labels, seed), affine)
            write_nifti(stem.with_name(f"{stem.name}_gt.nii.gz"), revert(labels, "acdc"), affine)
            expected[patient, phase] = labels
        (root / patient / "Info.cfg").write_text(f"ED: 1\nES: 12\nGroup: {group}\nHeight: 180.0\n")
    return expected


def write_chla(root: Path) -> Expected:
    """Two subjects in one archive, blood pools alone: 1 RV, 3 LV."""
    arrays, expected = {}, {}
    for number in (3, 12):
        for phase in ("ED", "ES"):
            labels, key = stack(number, phase), f"Sbj{number}_{phase}"
            arrays[f"{key}_image"] = paint(labels, number)
            arrays[f"{key}_mask"] = np.select([labels == RV, labels == LV], [1, 3]).astype(np.uint8)
            expected[f"Sbj{number}", phase] = np.where(
                (labels == LV) | (labels == RV), labels, UNLABELLED
            )
    root.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(root / "chla_chd_training.npz", **arrays)
    (root / "metadata.csv").write_text(
        "Subjects,Disease,Pixel Size (dx),Pixel Size (dy),Spacing Between Slices\n"
        "3,Tetralogy of Fallot,1.2,1.3,9\n12,Cardiomyopathy,1.2,1.3,9\n",
        encoding="utf-8-sig",
    )
    return expected


def write_sunnybrook(root: Path, *, large: bool = True) -> Expected:
    """Two patients slice by slice, shuffled; without the outer contour at ES, or of all."""
    rows, expected = [], {}
    for seed, patient in enumerate(["SC-HF-I-05", "SC-N-11"]):
        for phase, frame in (("ED", 0), ("ES", 8)):
            labels = stack(seed, phase)
            drawn = (LV, MYO) if large and phase == "ED" else (LV,)
            expected[patient, phase] = np.where(np.isin(labels, drawn), labels, UNLABELLED)
            for level, plane in enumerate(labels):
                name = f"{patient}-{20 * (level + 2) + frame + 1:04d}"
                rows.append((paint(plane[None], seed)[0], plane, MYO in drawn, name, patient))
    order = np.random.default_rng(0).permutation(len(rows))
    image, labels, has_epi, name, patient = (
        np.array([rows[i][part] for i in order]) for part in range(5)
    )
    root.mkdir(parents=True, exist_ok=True)
    endo = (labels == LV).astype(np.uint8)
    common = {"image": image, "name": name, "patient": patient}
    if large:
        epi = (endo > 0) | (labels == MYO)  # also where `has_epi` says that it is not to be used
        contours = {"endo": endo, "epi": epi.astype(np.uint8), "has_epi": has_epi}
        np.savez_compressed(root / "sunnybrook_slices.npz", **common, **contours)
    else:
        np.savez_compressed(root / "sunnybrook_train.npz", **common, lv=endo)
    return expected


def write_sunnybrook_files(root: Path) -> Expected:
    """Images in DICOM and contours as text, by two names joined by a table; one slice undrawn."""
    from cmr_synth.imaging.contours.outlines import ENDO, EPI, traced
    from cmr_synth.imaging.contours.sunnybrook import write_sunnybrook as write_contours

    patient, expected = "SC-HF-I-05", {}
    ed, es = stack(0, "ED"), stack(0, "ES")
    contours = {}
    for t, (labels, kinds) in enumerate(((ed, (ENDO, EPI)), (es, (ENDO,)))):
        pixels = paint(labels, 0)
        for k in range(4):
            number = 20 * k + 1 + 7 * t
            path = (
                root / "SCD_IMAGES_01" / "SCD0000501" / f"CINESAX_{k}" / f"IM-0003-{number:04d}.dcm"
            )
            write_slice(path, pixels[k], OBLIQUE, k, 7 * t, series=k)
            if k < 3:
                lines = traced(labels[k])[0]
                contours[number] = {kind: lines[kind] for kind in kinds}
        drawn = (LV, MYO) if EPI in kinds else (LV,)
        known = np.where(np.isin(labels, drawn), labels, UNLABELLED)
        known[3] = UNLABELLED
        expected[patient, "ED" if EPI in kinds else "ES"] = known[::-1]  # read base first
    folder = root / "SCD_ManualContours" / patient / "contours-manual" / "IRCCI-expert"
    folder.parent.mkdir(parents=True)
    write_contours(contours, folder)
    (root / "scd_patientdata.csv").write_text(
        "PatientID,OriginalID,Gender,Age,Pathology\nSCD0000501,SC-HF-I-5,Male,60,Heart failure\n"
    )
    return expected


def write_small_sunnybrook(root: Path) -> Expected:
    """The earlier archive, with the blood pool alone."""
    return write_sunnybrook(root, large=False)


def write_autofd(root: Path) -> Expected:
    """Two stacks whose masks have slices between the image's and before them, not behind."""
    expected = {}
    for seed, patient in enumerate("AB"):
        labels = stack(seed)
        write_nifti(root / patient / "sa_ED.nii.gz", paint(labels, seed))
        fine = OBLIQUE.copy()
        fine[:3, 2] /= 2  # mask slices half as far apart
        fine[:3, 3] -= 2 * fine[:3, 2]  # and two of them before the first of the image
        numbers = np.zeros((2 + 2 * 3, *labels.shape[1:]), np.uint8)  # the image's last has none
        for k in range(3):
            numbers[2 + 2 * k] = np.where(labels[k] == RV, 4, labels[k])
        write_nifti(root / patient / "seg_sa_ED.nii.gz", numbers, fine)
        expected[patient, "ED"] = np.concatenate([labels[:3], np.full_like(labels[3:], UNLABELLED)])
    return expected


def scarred(seed: int) -> np.ndarray:
    """Four slices of a heart with infarct in one half of its wall, and no-reflow inside of it."""
    labels = stack(seed)
    columns = np.arange(96)
    labels[(labels == MYO) & (columns > 50)] = INFARCT
    labels[(labels == INFARCT) & (columns > 54) & (np.arange(96) < 48)[:, None]] = NO_REFLOW
    return labels


EMIDEC = {0: 0, LV: 1, MYO: 2, INFARCT: 3, NO_REFLOW: 4, RV: 0}


def as_numbers(labels: np.ndarray, numbers: dict[int, int]) -> np.ndarray:
    """Labels by another table."""
    return np.vectorize(numbers.get, otypes=[np.int16])(labels)


def write_emidec(root: Path) -> Expected:
    """A normal case and one with infarct, turned by 180 degrees, with diagonal affines."""
    expected = {}
    affine = np.diag([1.46, 1.46, 10.0, 1.0])
    for seed, patient in enumerate(("N001", "P012")):
        labels = scarred(seed) if patient[0] == "P" else stack(seed)
        case = root / f"Case_{patient}"
        for part, array in (
            ("Images", paint(labels, seed)),
            ("Contours", as_numbers(labels, EMIDEC)),
        ):
            write_nifti(case / part / f"{case.name}.nii.gz", array[:, ::-1, ::-1], affine)
        expected[patient, None] = np.where((labels == 0) | (labels == RV), UNLABELLED, labels)
    return expected


def write_emidec_archive(root: Path) -> Expected:
    """The same, slice by slice, mirrored over the other diagonal."""
    rows, expected = [], {}
    for seed, patient in enumerate(("N001", "P012")):
        labels = scarred(seed) if patient[0] == "P" else stack(seed)
        expected[patient, None] = np.where((labels == 0) | (labels == RV), UNLABELLED, labels)
        numbers, pixels = as_numbers(labels, EMIDEC), paint(labels, seed)
        for k in (3, 1, 0, 2):
            rows.append((pixels[k, ::-1, ::-1].T, numbers[k, ::-1, ::-1].T, patient, k))
    image, label, patient, number = (np.array([row[part] for row in rows]) for part in range(4))
    root.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        root / "emidec_slices.npz",
        image=image,
        label=label.astype(np.uint8),
        patient=patient,
        slice=number,
    )
    return expected


def write_mnms(root: Path) -> Expected:
    """Two patients with three frames each, of which two are drawn; one without a mask."""
    expected = {}
    rows = ["﻿,External code,VendorName,Vendor,Centre,ED,ES,Age,Pathology"]
    for seed, (patient, vendor, pathology) in enumerate(
        [("A0S9V9", "Siemens", "HCM"), ("B1X2Y3", "GE", "NOR"), ("C4D5E6", "Philips", "Other")]
    ):
        part = "Unlabeled" if patient[0] == "C" else "Labeled"
        folder = root / "Training" / part / patient
        ed, es = stack(seed, "ED"), stack(seed, "ES")
        masks = np.stack([es, np.zeros_like(ed), ed])
        pixels = np.stack([paint(frame, seed) for frame in (es, ed, ed)])
        write_nifti(folder / f"{patient}_sa.nii.gz", pixels)
        if part == "Labeled":
            write_nifti(folder / f"{patient}_sa_gt.nii.gz", revert(masks, "mnms"))
        for phase, labels in (("ED", ed), ("ES", es)):
            unknown = np.full_like(labels, UNLABELLED)
            expected[patient, phase] = labels if part == "Labeled" else unknown
        rows.append(f"{seed},{patient},{vendor},{vendor[0]},1,2.0,0,50,{pathology}")
    (root / "211230_M&Ms_Dataset_information.csv").write_text("\n".join(rows) + "\n")
    return expected


def write_mnms2(root: Path) -> Expected:
    """Two patients, the second with two axes of the affine reversed, and a long-axis view."""
    expected = {}
    (root / "dataset").mkdir(parents=True, exist_ok=True)
    (root / "dataset_information.csv").write_text(
        "SUBJECT_CODE,DISEASE,VENDOR,SCANNER,FIELD\n"
        "1,FALL,Philips Medical Systems,Achieva,1.5\n2,CIA,GE MEDICAL SYSTEMS,Signa,1.5\n"
    )
    for seed, patient in enumerate(("001", "002")):
        affine = OBLIQUE * ([1, 1, -1, 1] if seed == 0 else [-1, -1, -1, 1])  # base first
        for phase in ("ED", "ES"):
            labels = stack(seed, phase)
            stem = root / "dataset" / patient / f"{patient}_SA_{phase}"
            write_nifti(stem.with_name(f"{stem.name}.nii.gz"), paint(labels, seed), affine)
            write_nifti(stem.with_name(f"{stem.name}_gt.nii.gz"), revert(labels, "mnms"), affine)
            expected[patient, phase] = labels
        write_nifti(stem.with_name(f"{patient}_LA_ED.nii.gz"), paint(labels, seed)[:1])
    return expected


def write_ukbb(root: Path) -> Expected:
    """Two participants; the second was not drawn at ES."""
    expected = {}
    for seed, patient in enumerate(("1000012", "1000029")):
        for phase in ("ED", "ES"):
            labels = stack(seed, phase)
            write_nifti(root / patient / f"sa_{phase}.nii.gz", paint(labels, seed))
            expected[patient, phase] = labels
            if seed and phase == "ES":
                expected[patient, phase] = np.full_like(labels, UNLABELLED)
            else:
                mask = root / patient / f"label_sa_{phase}.nii.gz"
                write_nifti(mask, revert(labels, "ukbb"))
    return expected


WALL = {0: 0, MYO: 200, LV: 500, RV: 600, INFARCT: 2221, NO_REFLOW: 1220}


def write_mscmrseg(root: Path) -> Expected:
    """One patient with cine, one with late enhancement; masks in folders of their own."""
    expected = {}
    for seed, (weighting, phase) in enumerate((("C0", "ED"), ("LGE", None))):
        labels, stem = stack(seed), f"patient{seed + 1}_{weighting}"
        write_nifti(root / "c0t2lge" / f"{stem}.nii.gz", paint(labels, seed))
        mask = root / f"{weighting}gt".lower() / f"{stem}_manual.nii.gz"
        write_nifti(mask, as_numbers(labels, WALL))
        expected[f"patient{seed + 1}", phase] = labels
    return expected


def write_myops(root: Path) -> Expected:
    """Scar and oedema in one patient's three contrasts, by one mask; the last has no mask."""
    scar = scarred(0)
    for weighting in ("C0", "DE"):
        path = root / "train25" / f"myops_training_101_{weighting}.nii.gz"
        write_nifti(path, paint(stack(0), 0))
    gold = root / "train25_myops_gd" / "myops_training_101_gd.nii.gz"
    write_nifti(gold, as_numbers(scar, WALL))
    write_nifti(root / "test20" / "myops_test_201_C0.nii.gz", paint(stack(1), 1))
    return {
        ("101", "ED"): stack(0),
        ("101", None): np.where(scar == NO_REFLOW, MYO, scar),
        ("201", "ED"): np.full_like(scar, UNLABELLED),
    }


def write_kaggle(root: Path) -> Expected:
    """Two patients with three slices of two frames, a series each."""
    expected = {}
    for seed, patient in enumerate(("1", "12")):
        pixels = paint(stack(seed), seed)[:3]
        for k, plane in enumerate(pixels):
            for t in range(2):
                path = root / patient / "study" / f"sax_{k + 5}" / f"IM-{k:04d}-{t + 1:04d}.dcm"
                write_slice(path, plane // (1 + t), OBLIQUE, k, t, series=k + 5)
        expected[patient, "ED"] = np.full(pixels.shape, UNLABELLED, np.uint8)
    return expected


def write_slice(path: Path, plane: np.ndarray, affine: np.ndarray, k: int, t: int, series: int):
    """A slice as a scanner of GE would send it."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    lps = np.diag([-1, -1, 1, 1]) @ affine
    row = lps[:3, 0] / np.linalg.norm(lps[:3, 0])
    column = lps[:3, 1] - (lps[:3, 1] @ row) * row  # the affine is rounded
    column /= np.linalg.norm(column)
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = MRImageStorage
    uid = generate_uid(entropy_srcs=[str(path)])
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = uid
    header.StudyInstanceUID = generate_uid(entropy_srcs=[str(path.parents[1])])
    header.SeriesInstanceUID = generate_uid(entropy_srcs=[str(path.parent)])
    header.SeriesNumber, header.InstanceNumber = series, t + 1
    header.Modality, header.Manufacturer = "MR", "GE MEDICAL SYSTEMS"
    header.ImagePositionPatient = [f"{v:.6f}" for v in lps[:3, 3] + k * lps[:3, 2]]
    header.ImageOrientationPatient = [f"{v:.8f}" for v in (*row, *column)]
    header.PixelSpacing = [f"{np.linalg.norm(lps[:3, axis]):.6f}" for axis in (1, 0)]
    header.SliceThickness = "8"
    header.TriggerTime = str(40 * t)
    header.Rows, header.Columns = plane.shape
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
    header.PixelRepresentation = 0
    header.PixelData = plane.astype("<u2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)


def write_ocmr(root: Path) -> Expected:
    """Two coils, twofold oversampling along the lines, two phases, one line of noise."""
    pixels = paint(stack(0), 0)
    write_h5(root / "fs_0001_1_5T.h5", pixels)
    return {("fs_0001_1_5T", "ED"): np.full(pixels.shape, UNLABELLED, np.uint8)}


def write_h5(path: Path, pixels: np.ndarray, affine: np.ndarray = OBLIQUE, lines: int = 96):
    """An ISMRMRD file of a stack, (z, y, x), of which so many lines were acquired."""
    import h5py

    depth, ny, nx = pixels.shape
    counters = ["kspace_encode_step_1", "slice", "phase"]
    head = np.dtype(
        [("flags", "<u8"), ("idx", [(c, "<u2") for c in counters])]
        + [(c, "<u2") for c in ("number_of_samples", "active_channels", "center_sample")]
        + [(c, "<f4", (3,)) for c in ("position", "read_dir", "phase_dir", "slice_dir")]
    )
    row = np.dtype([("head", head), ("data", h5py.vlen_dtype(np.dtype("<f4")))])
    lps = np.diag([-1, -1, 1, 1]) @ affine
    read, phase, normal = (lps[:3, axis] / np.linalg.norm(lps[:3, axis]) for axis in range(3))
    ramp = np.linspace(0.2, 1.2, nx)
    coils = np.stack([np.cos(ramp), np.sin(ramp)])  # squares add to one
    wide = np.zeros((depth, 2, ny, 2 * nx), complex)
    wide[..., nx // 2 : nx // 2 + nx] = pixels[:, None] * coils[:, None]
    axes = (-2, -1)
    space = np.fft.fftshift(
        np.fft.fft2(np.fft.ifftshift(wide, axes=axes), axes=axes, norm="ortho"), axes=axes
    ).astype(np.complex64)
    middle = lps[:3, :2] @ (nx // 2, ny // 2)
    rows = [(1 << 18, (0, 0, 0), 0)]
    rows += [(0, (y, k, t), 1) for k in range(depth) for y in range(lines) for t in range(2)]
    table = np.zeros(len(rows), row)
    for n, (flags, (y, k, t), kept) in enumerate(rows):
        place = lps[:3, 3] + k * lps[:3, 2] + middle
        index = (y, k, t)
        table["head"][n] = (flags, index, 2 * nx, 2, nx, place, read, phase, normal)
        values = (space[k, :, y] / (1 + t) * kept).ravel()
        table["data"][n] = values.view(np.float32)
    matrix = "<matrixSize><x>{}</x><y>{}</y><z>1</z></matrixSize>"
    field = "<fieldOfView_mm><x>{}</x><y>{}</y><z>8</z></fieldOfView_mm>"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["dataset/data"] = table
        file["dataset/xml"] = np.array(
            [
                '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding><encodedSpace>'
                + matrix.format(2 * nx, ny)
                + field.format(3 * nx, 1.5 * ny)
                + "</encodedSpace><reconSpace>"
                + matrix.format(nx, ny)
                + field.format(1.5 * nx, 1.5 * ny)
                + "</reconSpace><trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"
            ],
            dtype=h5py.string_dtype(),
        )


def write_mmwhs(root: Path) -> Expected:
    """A heart of ellipsoids on the scanner's axes, and what is in the short axis of it."""
    axis = np.array([-0.6, 0.6, -0.53]) / np.linalg.norm([-0.6, 0.6, -0.53])
    left = np.cross([0.2, 0.3, 0.9], axis)
    left /= -np.linalg.norm(left)
    left = left if left[0] < 0 else -left  # columns of the picture, toward the left
    down = np.cross(left, axis)
    turn = np.stack([left, down, axis])

    def drawn(places):
        x, y, z = np.moveaxis(places @ turn.T, -1, 0)
        labels = np.zeros(x.shape, np.int16)
        labels[((x + 45) / 22) ** 2 + (y / 28) ** 2 + (z / 42) ** 2 < 1] = 600
        labels[(x / 30) ** 2 + (y / 30) ** 2 + (z / 52) ** 2 < 1] = 205
        labels[(x / 21) ** 2 + (y / 21) ** 2 + (z / 43) ** 2 < 1] = 500
        labels[x**2 + y**2 + (z + 75) ** 2 < 20**2] = 420
        return labels

    affine = np.diag([2.0, -2.0, 2.0, 1.0])
    affine[:3, 3] = -120, 120, -120
    voxels = np.moveaxis(np.indices((121, 121, 121)), 0, -1)[..., ::-1]  # (z, y, x) -> x, y, z
    labels = drawn(voxels @ affine[:3, :3].T + affine[:3, 3])
    grey = np.select([labels == 205, labels > 0], [300, 900], 100).astype(np.int16)
    write_nifti(root / "mr_train" / "mr_train_1001_image.nii.gz", grey, affine)
    write_nifti(root / "mr_train" / "mr_train_1001_label.nii.gz", labels, affine)
    k = np.arange(-7, 8)[:, None, None] * 8.0
    y, x = ((np.arange(128) - 63.5) * 1.5)[:, None], ((np.arange(128) - 63.5) * 1.5)[None]
    places = k[..., None] * axis + y[..., None] * down + x[..., None] * left
    ours = {0: 0, 420: 0, 500: LV, 205: MYO, 600: RV}
    return {("mr_train_1001", None): as_numbers(drawn(places), ours).astype(np.uint8)}


def write_nnunet(root: Path) -> Expected:
    """Two patients at ED and ES, with numbers of their own and an atrium."""
    expected = {}
    numbers = {0: 0, RV: 1, MYO: 2, LV: 4}
    for seed in range(2):
        for phase in ("ED", "ES"):
            labels, case = stack(seed, phase), f"p{seed}_{phase}"
            mask = as_numbers(labels, numbers)
            mask[:, :5, :5] = 3  # the atrium
            write_nifti(root / "imagesTr" / f"{case}_0000.nii.gz", paint(labels, seed))
            write_nifti(root / "labelsTr" / f"{case}.nii.gz", mask)
            expected[f"p{seed}", phase] = labels
    (root / "dataset.json").write_text(
        json.dumps(
            {"labels": {"background": 0, "RV": 1, "MLV": 2, "left atrium": 3, "LV cavity": 4}}
        )
    )
    return expected


def write_bids(root: Path) -> Expected:
    """Two subjects, masks as derivatives with a table of names, a long-axis view."""
    expected = {}
    for seed, patient in enumerate(("sub-01", "sub-02")):
        for phase in ("ED", "ES"):
            labels, stem = stack(seed, phase), f"{patient}_ses-1_acq-{phase}"
            image = root / patient / "ses-1" / "anat" / f"{stem}_cine.nii.gz"
            write_nifti(image, paint(labels, seed))
            folder = root / "derivatives" / "hearts" / patient
            write_nifti(folder / f"{stem}_desc-manual_dseg.nii.gz", revert(labels, "acdc"))
            expected[patient, phase] = labels
        write_nifti(image.with_name(f"{patient}_ses-1_acq-4ch_cine.nii.gz"), paint(labels, seed))
    (root / "derivatives" / "hearts" / "dseg.tsv").write_text(
        "index\tname\n0\tBackground\n1\tRight ventricle\n2\tMyocardium\n3\tLeft ventricle\n"
    )
    (root / "participants.tsv").write_text(
        "participant_id\tmanufacturer\tdiagnosis\nsub-01\tPhilips Healthcare\tHCM\n02\tn/a\tn/a\n"
    )
    return expected


def write_folder(root: Path) -> Expected:
    """Images and masks of two patients, with ACDC's numbers."""
    expected = {}
    for seed in range(2):
        for phase in ("ED", "ES"):
            labels, file = stack(seed, phase), f"p{seed}_{phase}.nii.gz"
            write_nifti(root / "images" / file, paint(labels, seed))
            write_nifti(root / "labels" / file, revert(labels, "acdc"))
            expected[f"p{seed}", phase] = labels
    return expected


LAYOUTS = {
    "acdc": write_acdc,
    "autofd": write_autofd,
    "chla": write_chla,
    "emidec": write_emidec,
    "emidec, archive": write_emidec_archive,
    "folder": write_folder,
    "bids": write_bids,
    "kaggle": write_kaggle,
    "mmwhs": write_mmwhs,
    "mnms": write_mnms,
    "mnms2": write_mnms2,
    "mscmrseg": write_mscmrseg,
    "myops": write_myops,
    "nnunet": write_nnunet,
    "ocmr": write_ocmr,
    "sunnybrook": write_sunnybrook,
    "sunnybrook, earlier": write_small_sunnybrook,
    "sunnybrook, as distributed": write_sunnybrook_files,
    "ukbb": write_ukbb,
}


@pytest.fixture
def write_raw() -> Callable[..., None]:
    """`write_raw(path, pixels, affine, lines=)` writes raw data."""
    return write_h5


@pytest.fixture
def layouts() -> dict[str, Callable[[Path], Expected]]:
    """Writers by cohort, or cohort and what is particular."""
    return LAYOUTS
