"""Files that somebody who follows the tutorial of the app would have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

SPACING = (8.0, 1.37, 1.37)  # mm, of the bundled slices


@dataclass(frozen=True)
class Files:
    """Where they lie.

    Attributes
    ----------
    patients : Path
        Three patients with a scan of two slices each: Sunnybrook, CC0.
    masks : Path
        Two drawn hearts, and a file that is no mask.
    archive : Path
        Of real patients, to compare with; may be missing until it is asked for.
    study : Path
        A reader study, once there are pictures to make it of.
    key : Path
        Signs a release.
    out : Path
        For what is written.
    """

    patients: Path
    masks: Path
    archive: Path
    study: Path
    key: Path
    out: Path


def write_files(folder: Path) -> Files:
    """Write all but archive and study into a folder."""
    files = Files(
        **{name: folder / name for name in ("patients", "masks", "archive", "study", "key", "out")}
    )
    _write_patients(files.patients)
    _write_masks(files.masks)
    _write_key(files.key)
    files.out.mkdir()
    return files


def write_study(folder: Path, planes: np.ndarray) -> None:
    """A study of these pictures, (4, 128, 128) from 0 to 1; half of them stand for real ones."""
    from cmr_synth.cohorts.slices import SliceRow
    from cmr_synth.evaluation.readers.study import make_study
    from cmr_synth.evaluation.sample import Sample

    rows = tuple(
        SliceRow(
            cohort="shown",
            patient=f"{k}",
            split="test",
            vendor="siemens",
            phase="ED",
            pathology="",
            slice=k,
            z=0.5,
            completed=False,
        )
        for k in range(len(planes))
    )
    pictures = np.clip(planes, 0, 1).astype(np.float32)
    hearts = np.ones(pictures.shape, np.uint8)
    one, other = (Sample(name, pictures, hearts, rows, 1.5) for name in ("one", "other"))
    make_study(folder, one, other, images=len(planes), seed=0)


def write_archive(folder: Path) -> None:
    """An archive of six drawn patients: few, so that it takes no time and judges nobody."""
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive_writer import build

    from ..privacy.conftest import people

    for _ in build(people(6, prefix="real", seed=1), folder, CopyDetector.load()):
        pass


def _write_patients(folder: Path) -> None:
    from importlib.resources import files

    from cmr_synth.imaging.nifti import write_nifti
    from cmr_synth.imaging.scan import Scan

    affine = np.diag([-SPACING[2], -SPACING[1], SPACING[0], 1.0])
    with np.load(files("cmr_synth") / "data" / "sunnybrook_sample.npz") as sample:
        for patient in dict.fromkeys(map(str, sample["patient"])):
            pixels = sample["image"][sample["patient"] == patient].astype(np.float32)
            scan = Scan(array=pixels, spacing=SPACING, affine=affine, name=patient)
            (folder / patient).mkdir(parents=True)
            write_nifti(scan, folder / patient / f"{patient}.nii.gz")


def _write_masks(folder: Path) -> None:
    from cmr_synth.anatomy.template import draw_stack
    from cmr_synth.imaging.nifti import write_nifti
    from cmr_synth.imaging.scan import Scan

    spacing = (8.0, 1.5, 1.5)
    folder.mkdir()
    for anatomy in ("normal", "dilated"):
        labels = draw_stack(anatomy=anatomy, slices=2, spacing=spacing)
        affine = np.diag([-1.5, -1.5, 8.0, 1.0])
        scan = Scan(array=labels, spacing=spacing, affine=affine, name=anatomy)
        write_nifti(scan, folder / f"{anatomy}.nii.gz")
    (folder / "notes.nii.gz").write_text("no mask")


def _write_key(path: Path) -> None:
    """As `ssh-keygen -t ed25519` does."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    own = Ed25519PrivateKey.generate()
    path.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
