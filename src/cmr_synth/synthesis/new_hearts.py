"""New hearts on disk: masks of both phases, each with the record of how it was made."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.errors import InputError
from cmr_synth.files import write_file
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.record import MARK, labels_hash, versions, write_sidecar

if TYPE_CHECKING:
    from cmr_synth.anatomy.shapes import ShapeModel
    from cmr_synth.anatomy.shapes.new_heart import HeartGrid, NewHeart
    from cmr_synth.anatomy.shapes.wishes import Wishes
    from cmr_synth.generators.mask_flow.masks import MaskFlow

PHASES = ("ED", "ES")
TABLE = "hearts.csv"
MOST = 100_000
DETAIL = ("slices", "drawn_again", "kept")  # of `learned_masks.Detail`


@dataclass(frozen=True, kw_only=True)
class Order:
    """So many hearts of one kind.

    Attributes
    ----------
    n : int
        How many, 1 to `MOST`.
    seed : int
        Heart number i depends on the seed and i alone.
    first : int
        Number of the first, to add to hearts that were made earlier.
    phases : tuple of str
        Whose masks are written; both are drawn.
    """

    n: int
    seed: int = 0
    first: int = 0
    phases: tuple[str, ...] = PHASES

    def check(self) -> None:
        """Refuse what cannot be made.

        Raises
        ------
        InputError
            Naming the number and what it may be.
        """
        if not 1 <= self.n <= MOST:
            raise InputError(f"{self.n} hearts: ask for 1 to {MOST:,}.")
        if self.seed < 0 or self.first < 0:
            raise InputError("seed and number of the first heart are counted from 0.")
        unknown = [phase for phase in self.phases if phase not in PHASES]
        if unknown or not self.phases:
            raise InputError(f"phase {unknown[0] if unknown else 'none'!r}: give ED, ES or both.")


@dataclass(frozen=True, kw_only=True)
class Written:
    """One heart on disk, without its masks.

    Attributes
    ----------
    stem : str
        Of its files.
    measured : dict
        What the masks measure: the keys of `reference.NORMAL`.
    redrawn : tuple of str
        Why earlier draws were no hearts, a line each.
    records : tuple of dict
        What the sidecars say, one a phase.
    """

    stem: str
    pathology: str
    measured: dict[str, float]
    slices: int
    between_mm: float
    redrawn: tuple[str, ...]
    records: tuple[dict[str, Any], ...]


def make_hearts(
    model: ShapeModel,
    wishes: Wishes,
    order: Order,
    grid: HeartGrid,
    folder: Path,
    *,
    detail: MaskFlow | None = None,
) -> Iterator[tuple[NewHeart, Written]]:
    """Draw hearts and write them, one after the other.

    Parameters
    ----------
    model : ShapeModel
    wishes : Wishes
    order : Order
    grid : HeartGrid
    folder : Path
        Must exist. Gets `heart0000_ED.nii.gz` with `heart0000_ED.json`, and so on.
    detail : MaskFlow, optional
        Draws the slices anew, with what outlines cannot show.

    Yields
    ------
    (NewHeart, Written)

    Raises
    ------
    InputError
        If the wishes cannot be had, or the folder not be written to.
    """
    from cmr_synth.anatomy.shapes.new_heart import new_heart
    from cmr_synth.synthesis.learned_masks import with_detail

    order.check()
    wishes.check(model.pathologies)
    digits = max(4, len(str(order.first + order.n - 1)))
    for number in range(order.first, order.first + order.n):
        heart = new_heart(model, wishes, seed=order.seed, number=number, grid=grid)
        more: dict[str, Any] = {}
        if detail is not None:
            heart, done = with_detail(heart, detail, seed=order.seed)
            more = {"detail": {"model_sha256": detail.hash, **done.as_dict()}}
        stem = f"heart{number:0{digits}d}"
        stacks = dict(zip(PHASES, (heart.ed, heart.es), strict=True))
        records = []
        for phase in order.phases:
            scan = placed(stacks[phase], heart.spacing, name=f"{stem}_{phase}.nii.gz")
            path = folder / scan.name
            record = {**_record(model, wishes, order, heart, phase, scan), **more}
            write_nifti(scan, path, description=_description(model, order, number))
            records.append(write_sidecar(folder / f"{stem}_{phase}.json", path, record))
        yield (
            heart,
            Written(
                stem=stem,
                pathology=heart.pathology,
                measured=_rounded(heart.measured),
                slices=len(heart.ed),
                between_mm=heart.spacing[0],
                redrawn=heart.redrawn,
                records=tuple(records),
            ),
        )


def write_table(written: Sequence[Written], path: Path) -> None:
    """Write what each heart measures as a table, a row a heart.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    columns = ["heart", "pathology", *written[0].measured, "slices", "between_mm", "redrawn"]
    with write_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        for one in written:
            table.writerow(
                {
                    "heart": one.stem,
                    "pathology": one.pathology,
                    **one.measured,
                    "slices": one.slices,
                    "between_mm": one.between_mm,
                    "redrawn": len(one.redrawn),
                }
            )


def counted(written: Sequence[Written]) -> dict[str, Any]:
    """How many hearts there are of which pathology, and how many draws were thrown away and why."""
    details = [
        record["detail"] for one in written for record in one.records[:1] if "detail" in record
    ]
    more = {"detail": {k: sum(d[k] for d in details) for k in DETAIL}} if details else {}
    return {
        **more,
        "hearts": len(written),
        "pathologies": dict(Counter(one.pathology for one in written)),
        "redrawn": sum(len(one.redrawn) for one in written),
        "redrawn_because": [reason for one in written for reason in one.redrawn],
    }


def placed(labels: NDArray[np.uint8], spacing: tuple[float, float, float], *, name: str) -> Scan:
    """Labels as a scan that lies in a short-axis plane of the body, base first.

    Parameters
    ----------
    labels : (z, y, x) uint8 array
        In the canonical radiological display.
    spacing : (z, y, x) in mm
    name : str
    """
    z, y, x = spacing
    affine = np.eye(4)
    affine[:3, :3] = np.stack([_COLUMNS * x, _ROWS * y, _TO_APEX * z], axis=1)
    middle = (np.array(labels.shape[::-1], np.float64) - 1) / 2  # (x, y, z)
    affine[:3, 3] = -affine[:3, :3] @ middle
    return Scan(array=labels, spacing=spacing, affine=affine, name=name)


def _unit(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(direction / np.linalg.norm(direction))


# RAS: from the base the long axis runs to the left, to the front and down; columns of a short-axis
# picture run to the left and back, rows down and back.
_TO_APEX = _unit(np.array([-0.6, 0.6, -0.5]))
_COLUMNS = _unit(np.array([-0.75, -0.65, 0.0]) - _TO_APEX * ([-0.75, -0.65, 0.0] @ _TO_APEX))
_ROWS = np.cross(_COLUMNS, _TO_APEX)


def _record(
    model: ShapeModel,
    wishes: Wishes,
    order: Order,
    heart: NewHeart,
    phase: str,
    scan: Scan,
) -> dict[str, Any]:
    card = model.card
    return {
        "sampled_mask": True,  # no patient's; "synthetic" is said of pictures
        "labels": "mnms",
        "labels_sha256": labels_hash(scan),
        "model": {
            "name": card.name,
            "version": card.version,
            "sha256": card.sha256,
            "licence": card.licence,
        },
        "seed": order.seed,
        "heart": heart.number,
        "phase": phase,
        "pathology": heart.pathology,
        "severity": wishes.severity,
        "asked": wishes.stated(),
        "measured": _rounded(heart.measured),
        "spacing_mm": list(heart.spacing),
        "draws": 1 + len(heart.redrawn),
        "redrawn_because": list(heart.redrawn),
        "versions": versions(),
    }


def _description(model: ShapeModel, order: Order, number: int) -> str:
    return (
        f"{MARK} heart mask cmr-synth {cmr_synth.__version__} {model.card.sha256[:8]} seed "
        f"{order.seed} heart {number}"
    )


def _rounded(measured: dict[str, float]) -> dict[str, float]:
    return {name: round(v, 4 if name.endswith("ef") else 2) for name, v in measured.items()}
