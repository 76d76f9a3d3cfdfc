"""What all DICOM objects of one synthetic examination share: identity, origin and geometry.

Where the image of a real patient was changed, they say ALTERED in place of SYNTHETIC; Synthetic
Data is YES for them, too, since part of their content is artificial.

Otherwise nothing in them comes from a real examination. There is no patient, so the name and the
number of the patient say SYNTHETIC, and all UIDs are new; the frame of reference, too, which ties
the images to their segmentation and to nothing else. Whoever opens a file sees that it is synthetic
by

- Synthetic Data (0008,001C), YES;
- Contributing Equipment Sequence (0018,A001) with the purpose "Synthesizing Equipment" (109100,
  DCM), model, hash of its weights and seed;
- the names of patient, study and series, which begin with SYNTHETIC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import cmr_synth
from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import Scan

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAKER = "napari-cmr-synth"
MARK = "SYNTHETIC"
PERPENDICULAR = 1e-3  # cosine between rows and columns that DICOM readers accept
SAME_SPACING = 1e-3  # relative; below it affine and spacing say the same

_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # NIfTI points right and anterior, DICOM left, posterior


@dataclass(frozen=True)
class Origin:
    """What files say about where their pixels come from.

    Parameters
    ----------
    mark : str
        First word of the names of patient, study and series.
    comment : str
        About the patient.
    derivation : str
        About the pixels.
    """

    mark: str
    comment: str
    derivation: str


FROM_NOTHING = Origin(
    MARK,
    "Synthetic: this patient does not exist.",
    "Synthetic image made by a generative model from a mask; no patient was scanned.",
)
OF_A_PATIENT = Origin(
    "ALTERED",
    "Altered: the heart of a real patient was changed; not for diagnosis.",
    "Image of a real patient whose heart was changed by a computed deformation.",
)


@dataclass(frozen=True, kw_only=True)
class Making:
    """How a picture was made, as far as DICOM has a place for it.

    Parameters
    ----------
    model : str
        Name of the generator.
    model_version : str
    model_hash : str
        SHA-256 of its weights, hexadecimal.
    seed, variant : int
    conditions : mapping of str to str
        What was asked for, such as the vendor whose style is imitated.
    """

    model: str
    model_version: str
    model_hash: str
    seed: int
    variant: int
    conditions: Mapping[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> Origin:
        """Nobody was scanned."""
        return FROM_NOTHING

    @property
    def title(self) -> str:
        """Of the series, after the mark."""
        return f"{self.model} seed {self.seed} variant {self.variant}"

    @property
    def words(self) -> str:
        """All of it in one line."""
        asked = "".join(f" {name}={word}" for name, word in self.conditions.items())
        return (
            f"model={self.model} version={self.model_version} sha256={self.model_hash} "
            f"seed={self.seed} variant={self.variant}{asked}"
        )


@dataclass(frozen=True, kw_only=True)
class Alteration:
    """How the image of a real patient was changed, as far as DICOM has a place for it.

    Parameters
    ----------
    dials : str
        What was turned, in words.
    mask_hash : str
        SHA-256 of the mask by which the heart was changed, hexadecimal.
    """

    dials: str
    mask_hash: str
    variant: int = 0
    model: str = "cmr-synth dials"

    @property
    def origin(self) -> Origin:
        """A patient was scanned, who does not look like this."""
        return OF_A_PATIENT

    @property
    def model_version(self) -> str:
        """Of the program: there is no model."""
        return cmr_synth.__version__

    @property
    def model_hash(self) -> str:
        """The mask's, by which alone the result can be told apart."""
        return self.mask_hash

    @property
    def title(self) -> str:
        """Of the series, after the mark."""
        return f"by dials {self.dials}"

    @property
    def words(self) -> str:
        """All of it in one line."""
        return f"altered by dials {self.dials} mask sha256={self.mask_hash}"


@dataclass(frozen=True)
class Study:
    """A new examination of nobody; variants of a mask are series of one study.

    Parameters
    ----------
    uid, frame_of_reference : str
        By default new ones.
    made : datetime
        By default now.
    uids : callable
        Gives those of its series and instances; by default new ones.
    """

    uid: str = field(default_factory=lambda: new_uid())
    frame_of_reference: str = field(default_factory=lambda: new_uid())
    made: datetime = field(default_factory=lambda: datetime.now().astimezone())
    uids: Callable[[], str] = field(default=lambda: new_uid())

    @classmethod
    def repeatable(cls, identity: str, made: datetime) -> Study:
        """A study whose UIDs follow from a text and their order: written again it is the same.

        Parameters
        ----------
        identity : str
            That nobody else uses for another study.
        made : datetime
        """
        uids = uids_of(identity)
        return cls(uids(), uids(), made, uids)

    def patient(self, mark: str) -> str:
        """Number of the patient, who does not exist or not like this."""
        return f"{mark}-{int(self.uid.rpartition('.')[2]) % 16**8:08X}"


def new_uid() -> str:
    """A UID that nobody has used; of a random UUID, under the root 2.25."""
    from pydicom.uid import generate_uid

    return str(generate_uid(prefix=None))


def uids_of(identity: str) -> Callable[[], str]:
    """A function that gives one UID after another, of UUIDs that are hashes of a text (RFC 9562).

    Version 8 of UUIDs, whose bits but for version and variant are the maker's own.
    """
    given = 0

    def following() -> str:
        nonlocal given
        digest = hashlib.sha256(f"{identity} {given}".encode()).digest()
        given += 1
        number = int.from_bytes(digest[:16], "big")
        number = number & ~(0xF << 76) | (0x8 << 76)  # version
        number = number & ~(0x3 << 62) | (0x2 << 62)  # variant
        return f"2.25.{number}"

    return following


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the slices of a scan lie, in the words of DICOM.

    Parameters
    ----------
    orientation : (6,) array
        Directions of a row and of a column, in LPS.
    pixel : (row, column) spacing in mm
    positions : (z, 3) array
        Centre of the first pixel of each slice, LPS mm.
    between_mm : float
        Distance of the slices along their normal.
    """

    orientation: npt.NDArray[np.float64]
    pixel: tuple[float, float]
    positions: npt.NDArray[np.float64]
    between_mm: float

    @classmethod
    def of(cls, scan: Scan) -> Geometry:
        """Geometry of a scan.

        Where its affine and its spacing disagree, the spacing counts: DICOM has one of them only.

        Raises
        ------
        InputError
            If rows and columns are not perpendicular, which DICOM cannot say.
        """
        affine = _TO_LPS @ scan.affine
        columns, rows, step = affine[:3, 0], affine[:3, 1], affine[:3, 2]
        row, column = columns / np.linalg.norm(columns), rows / np.linalg.norm(rows)
        if abs(row @ column) > PERPENDICULAR:
            raise InputError(
                f"{scan.name}: rows and columns are not perpendicular (cosine "
                f"{row @ column:.3f}), which DICOM cannot say; write NIfTI, or resample it."
            )
        column = column - (column @ row) * row
        column /= np.linalg.norm(column)
        between = abs(float(step @ np.cross(row, column)))
        if abs(between - scan.spacing[0]) > SAME_SPACING * between:
            step, between = step * (scan.spacing[0] / between), scan.spacing[0]
        sizes = [float(np.linalg.norm(axis)) for axis in (rows, columns)]
        pixel = tuple(
            own if abs(own - stated) <= SAME_SPACING * own else stated
            for own, stated in zip(sizes, scan.spacing[1:], strict=True)
        )
        places = affine[:3, 3] + np.arange(scan.n_slices)[:, None] * step
        return cls(np.concatenate([row, column]), (pixel[0], pixel[1]), places, between)


def decimal(value: float) -> str:
    """A number as DICOM's decimal string: 16 characters, of which 10 or more are digits."""
    from pydicom.valuerep import format_number_as_ds

    return str(format_number_as_ds(float(value)))


def decimals(values: npt.ArrayLike) -> list[str]:
    """Several numbers as decimal strings."""
    return [decimal(value) for value in np.asarray(values, dtype=float).ravel()]


def describe(
    data: Dataset,
    study: Study,
    making: Making | Alteration,
    *,
    sop_class: str,
    instance: str,
    series: str,
    series_number: int,
    title: str,
) -> None:
    """Fill in patient, study, series, equipment and origin of an object.

    Parameters
    ----------
    data : Dataset
        Changed in place.
    study : Study
    making : Making
    sop_class, instance, series : str
        UIDs.
    series_number : int
    title : str
        Description of the series, after the mark.
    """
    date, time = study.made.strftime("%Y%m%d"), study.made.strftime("%H%M%S.%f")
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID, data.SOPInstanceUID = sop_class, instance
    data.SyntheticData = "YES"
    data.InstanceCreationDate, data.InstanceCreationTime = date, time
    origin = making.origin
    data.PatientName, data.PatientID = f"{origin.mark}^HEART", study.patient(origin.mark)
    data.PatientBirthDate = data.PatientSex = ""
    data.PatientComments = origin.comment
    data.StudyInstanceUID, data.StudyDate, data.StudyTime = study.uid, date, time
    data.StudyID, data.AccessionNumber, data.ReferringPhysicianName = "1", "", ""
    data.StudyDescription = f"{origin.mark} cardiac MR"
    data.SeriesInstanceUID, data.SeriesNumber = series, series_number
    data.SeriesDate, data.SeriesTime = date, time
    data.ContentDate, data.ContentTime = date, time
    data.SeriesDescription = f"{origin.mark} {title}"[:64]
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = study.frame_of_reference, ""
    data.BodyPartExamined = "HEART"
    equipment(data, making)
    data.ContributingEquipmentSequence = [contribution(making, study)]


def equipment(data: Dataset, making: Making | Alteration) -> None:
    """Name this program and the model as what made an object; no scanner did."""
    data.Manufacturer = MAKER
    data.ManufacturerModelName = making.model[:64]
    data.DeviceSerialNumber = making.model_hash[:64]  # SHA-256 has 64 digits: it fits
    data.SoftwareVersions = [f"cmr-synth {cmr_synth.__version__}", making.model_version[:64]]


def contribution(making: Making | Alteration, study: Study) -> Dataset:
    """The item of the Contributing Equipment Sequence that says Synthesizing Equipment."""
    from pydicom.dataset import Dataset
    from pydicom.sr.codedict import codes

    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [coded(codes.DCM.SynthesizingEquipment)]
    equipment(item, making)
    item.ContributionDateTime = study.made.strftime("%Y%m%d%H%M%S.%f%z")
    item.ContributionDescription = making.words[:1024]
    return item


def coded(code: object) -> Dataset:
    """An item of a code sequence, of one of pydicom's codes."""
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue = code.value  # type: ignore[attr-defined]
    item.CodingSchemeDesignator = code.scheme_designator  # type: ignore[attr-defined]
    item.CodeMeaning = code.meaning  # type: ignore[attr-defined]
    return item
