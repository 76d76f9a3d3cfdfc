"""The forms that a release's pictures and masks come in, each a table of where files go.

Every form holds NIfTI files, which are what is measured, audited and made again; "dicom" has the
same as DICOM series and segmentations beside them. Masks carry the engine's numbers: 1 LV blood
pool, 2 myocardium, 3 RV blood pool.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timezone
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.files import sha256, write_file
from cmr_synth.imaging.dicom_out.study import Study
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.nnunet import ENDING, IMAGES, LABELS, about_dataset, cases_of
from cmr_synth.imaging.scan import Scan
from cmr_synth.release.marks import COLUMN
from cmr_synth.release.request import ReleaseRequest
from cmr_synth.release.sources.contract import CINE
from cmr_synth.synthesis.formats import Target, dicom_files
from cmr_synth.synthesis.record import MARK, Synthetic, description


@dataclass(frozen=True)
class Places:
    """Where the files of one picture go, below the folder of the release."""

    image: str
    record: str
    mask: str
    folder: str | None = None  # of DICOM files
    case: str | None = None  # of nnU-Net, which takes a cine frame by frame


@dataclass(frozen=True)
class Layout:
    """One form.

    Parameters
    ----------
    title : str
    places : callable
        `(patient, phase) -> Places`.
    about : callable
        `(request, patients) -> {name: text}`: files about the whole; a patient is a mapping of
        columns of `patients.csv`.
    cohort : str, optional
        Adapter that reads the form.
    """

    title: str
    places: Callable[[str, str], Places]
    about: Callable[[ReleaseRequest, Sequence[Mapping[str, Any]]], dict[str, str]]
    cohort: str | None = None


def _nothing(request: ReleaseRequest, patients: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {}


def _nifti(ident: str, phase: str) -> Places:
    name = f"{ident}_{phase}"
    return Places(f"images/{name}.nii.gz", f"images/{name}.json", f"masks/{name}.nii.gz")


def _dicom(ident: str, phase: str) -> Places:
    return replace(_nifti(ident, phase), folder=f"dicom/{ident}_{phase}")


def _nnunet(ident: str, phase: str) -> Places:
    name = f"{ident}_{phase}"
    if phase == CINE:  # what is audited and made again; its frames are the cases
        own = f"cines/{name}"
        return Places(f"{own}.nii.gz", f"{own}.json", f"cines/masks/{name}.nii.gz", case=ident)
    return Places(f"imagesTr/{name}_0000.nii.gz", f"records/{name}.json", f"labelsTr/{name}.nii.gz")


def _bids(ident: str, phase: str) -> Places:
    own = f"sub-{ident}"
    entities = own if phase == CINE else f"{own}_acq-{phase}"
    return Places(
        f"{own}/anat/{entities}_cine.nii.gz",
        f"{own}/anat/{entities}_cine.json",
        f"derivatives/masks/{own}/anat/{entities}_desc-asked_dseg.nii.gz",
    )


def _about_nnunet(request: ReleaseRequest, patients: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    frames = range(request.frames or 0)
    phases = [f"frame{t + 1:02d}" for t in frames] or request.phases
    cases = [f"{one['patient']}_{phase}" for one in patients for phase in phases]
    about = about_dataset(request.name, count=len(cases), synthetic=cases)
    return {"dataset.json": json.dumps({**about, "synthetic": True}, indent=2) + "\n"}


def _about_bids(request: ReleaseRequest, patients: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    described = {
        "Name": request.title or request.name,
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "cmr-synth", "Description": "synthetic; nobody in it exists"}],
        "synthetic": True,
    }
    table = io.StringIO()
    writer = csv.writer(table, delimiter="\t", lineterminator="\n")
    writer.writerow(["participant_id", "vendor", "pathology", COLUMN])
    for one in patients:
        words = (one["vendor"] or "n/a", one["pathology"] or "n/a")
        writer.writerow([f"sub-{one['patient']}", *words, "yes"])
    labels = io.StringIO()
    writer = csv.writer(labels, delimiter="\t", lineterminator="\n")
    writer.writerow(["index", "name", COLUMN])
    writer.writerow([0, "background", "yes"])
    for name, number in STRUCTURES.items():
        writer.writerow([number, name, "yes"])
    return {
        "dataset_description.json": json.dumps(described, indent=2) + "\n",
        "participants.tsv": table.getvalue(),
        "derivatives/masks/dseg.tsv": labels.getvalue(),
    }


LAYOUTS: dict[str, Layout] = {
    "nifti": Layout("NIfTI images and masks", _nifti, _nothing, "folder"),
    "nnunet": Layout("a data set for nnU-Net", _nnunet, _about_nnunet, "nnunet"),
    "bids": Layout("a BIDS-like folder", _bids, _about_bids, "bids"),
    "dicom": Layout("DICOM series and segmentations, beside NIfTI", _dicom, _nothing, "folder"),
}


def write_picture(
    synthetic: Synthetic, mask: Scan, folder: Path, places: Places, *, study: Study, series: int
) -> dict[str, str]:
    """Write one picture, its mask and its record.

    Parameters
    ----------
    synthetic : Synthetic
        Its record is what is written, with name and hash of the image.
    mask : Scan
        Engine labels.
    folder : Path
        Of the release.
    places : Places
    study : Study
    series : int
        Number of the picture among those of its patient, from 1. Both for DICOM.

    Returns
    -------
    dict
        SHA-256 of every file by its path below the folder.
    """
    image, drawn = folder / places.image, folder / places.mask
    record_path = folder / places.record
    for path in (image, drawn, record_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(
        replace(synthetic.scan, origin=None), image, description=description(synthetic.record)
    )
    labels = mask.with_array(mask.array.astype(np.uint8, copy=False))
    write_nifti(replace(labels, origin=None), drawn, description=f"{MARK} mask of a release")
    written = [image, drawn]
    record = dict(synthetic.record)
    if places.folder is not None:
        goal = folder / places.folder
        goal.parent.mkdir(parents=True, exist_ok=True)
        target = Target(goal.parent, goal.name, mask, lambda: study, series)
        files = dicom_files(synthetic, target, form="classic")
        record["formats"] = {
            "dicom": {file.relative_to(folder).as_posix(): sha256(file) for file in files}
        }
        written += files
    if places.case is not None:
        cases = _write_cases(synthetic, labels, folder, places.case)
        record["formats"] = {
            "nnunet": {file.relative_to(folder).as_posix(): sha256(file) for file in cases}
        }
        written += cases
    up = "../" * (len(PurePosixPath(places.record).parts) - 1)
    stated = {
        "file": image.name,
        "sha256": sha256(image),
        **record,
        "places": {"image": f"{up}{places.image}", "mask": f"{up}{places.mask}"},
    }
    with write_file(record_path) as temporary:
        temporary.write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")
    written.append(record_path)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in written}


def _write_cases(synthetic: Synthetic, labels: Scan, folder: Path, name: str) -> list[Path]:
    """Every frame of a cine as a case of nnU-Net."""
    about, written = description(synthetic.record), []
    for case in cases_of(synthetic.scan, labels, name=name):
        for scan, place, words in (
            (case.image, f"{IMAGES}/{case.name}_0000{ENDING}", about),
            (case.labels, f"{LABELS}/{case.name}{ENDING}", f"{MARK} mask of a release"),
        ):
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append(write_nifti(replace(scan, origin=None), path, description=words))
    return written


def study_of(request: ReleaseRequest, ident: str, day: date) -> Study:
    """The DICOM study of a patient: the same whenever the release is made again."""
    moment = datetime.combine(day, time(), tzinfo=timezone.utc)
    return Study.repeatable(f"{request.name} {request.seed} {ident}", moment)
