"""Whole synthetic volumes with their masks: stacks, or slices over a heartbeat, on disk.

Pictures and labels of a volume come out of one latent, so that slices agree with each other and
masks with pictures by construction. What does not agree with anatomy is drawn again and counted; a
volume of which no draw was plausible is kept, and its record says so.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.anatomy.labels import LV, is_heart
from cmr_synth.anatomy.plausibility import Finding, findings, stack_findings
from cmr_synth.errors import InputError
from cmr_synth.files import staged
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Progress
from cmr_synth.generators.noise import Mixed
from cmr_synth.generators.volumes.generator import FAMILY, LatentVolumeGenerator, Volumes
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.formats import (
    DICOM_ENDINGS,
    NIFTI,
    check_formats,
    one_study,
    write_synthetic,
)
from cmr_synth.synthesis.record import (
    MARK,
    Synthetic,
    labels_hash,
    made_now,
    model_facts,
    versions,
)
from cmr_synth.synthesis.request import Request

if TYPE_CHECKING:
    from cmr_synth.generators.card import Card
    from cmr_synth.generators.volumes.autoencoder import VolumeConfig

MOST_DRAWS = 5
SLICE_MM = 8.0  # nominal thickness of a slice over time
BEAT_MS = 1000.0  # nominal: 60 beats a minute
USUAL = frozenset({"hole"})
"""Findings for which no volume is drawn again: masks of patients have holes, too."""
STEMS = {"z": "stack", "t": "cine"}


@dataclass(frozen=True, eq=False)
class SyntheticVolume:
    """A volume with its mask.

    Parameters
    ----------
    image : Synthetic
        (z, y, x) of a stack, (t, 1, y, x) of a slice over time.
    mask : Scan
        Engine labels on the same grid.
    """

    image: Synthetic
    mask: Scan

    @property
    def plausible(self) -> bool:
        """Whether its mask looks like a heart."""
        return bool(self.image.record["volume"]["plausible"])


def synthesize_volumes(
    model: zoo.Model, request: Request, *, first: int = 0
) -> Iterator[Progress | SyntheticVolume]:
    """Make `request.n` volumes.

    Volume k depends on the seed, k and the conditions alone. One whose mask is not plausible is
    drawn again, `MOST_DRAWS` times in all.

    Parameters
    ----------
    model : Model
        Of the family latent-volume.
    request : Request
    first : int
        The volume to begin with; those before it are left out, and change nothing.

    Returns
    -------
    iterator
        Yields progress, and every volume as soon as it is made, in order.

    Raises
    ------
    InputError
        Before anything is made, if the model makes no volumes, or a condition is none that it
        knows.
    """
    require_volumes(model.card)
    request.check(model.card)
    assert isinstance(model.generator, LatentVolumeGenerator)
    return _run(model, model.generator, request, first)


def run_volumes(
    out: str | Path, request: Request, *, first: int = 0, formats: Sequence[str] = (NIFTI,)
) -> Generator[Progress | tuple[dict[str, Any], ...], None, None]:
    """Make volumes, and write them with masks and sidecars: all of them or none.

    `stack0000_ED.nii.gz` and `stack0000_ED_gt.nii.gz` (1 LV, 2 myocardium, 3 RV), or `cine0000`,
    are named as the cohort `folder` reads them.

    Yields
    ------
    Progress or tuple of dict
        At last what the sidecars say.

    Raises
    ------
    InputError
        As `synthesize_volumes`; if a file cannot be written.
    """
    card = require_volumes(zoo.card_of(request.model))
    request.check(card)  # before weights are read
    formats, made = check_formats(formats), []
    steps = synthesize_volumes(zoo.load(request.model, device=request.device), request, first=first)
    with staged(Path(out), whole=DICOM_ENDINGS) as folder:
        for step in steps:
            if isinstance(step, SyntheticVolume):
                made.append(_write(step, folder, request, formats))
            else:
                yield step
    yield tuple(made)


def require_volumes(card: Card) -> Card:
    """The card of a model that makes volumes.

    Raises
    ------
    InputError
        If it makes none.
    """
    if card.family != FAMILY:
        raise InputError(
            f"model {card.name!r} is of the family {card.family!r}, which makes slices; train one "
            "with the recipe latent-stack or latent-cine."
        )
    return card


def _run(
    model: zoo.Model, generator: LatentVolumeGenerator, request: Request, begin: int
) -> Iterator[Progress | SyntheticVolume]:
    about = {
        "synthetic": True,
        "model": model_facts(model.card),
        "slice_positions": None if request.z is None else {"0": round(request.z, 4)},
        **request.record(model.card, None),
        "labels": "mnms",
        "device": str(generator.device),
        **({"notes": notes} if (notes := request.remarks(model.card)) else {}),
        "versions": versions(),
    }
    condition = request.condition(None, z=request.z, takes=generator.takes, card=model.card)
    options = request.options(model.card)
    numbers = range(begin, begin + request.n)
    for block in (numbers[k : k + request.batch] for k in range(0, len(numbers), request.batch)):
        made: dict[int, SyntheticVolume] = {}
        left = list(block)
        for attempt in range(MOST_DRAWS):
            indices = [Mixed((((k, attempt), 1.0),)) for k in left]
            steps = generator.sample_volumes(
                [condition] * len(left), seed=request.seed, indices=indices, **options
            )
            drawn: Volumes | None = None
            for step in steps:
                if isinstance(step, Volumes):
                    drawn = step
                else:
                    part = (attempt + step.step / step.steps) / MOST_DRAWS
                    done = block[0] - begin + part * len(block)
                    yield Progress(round(1000 * done), 1000 * request.n)
            assert drawn is not None
            for k, pixels, labels in zip(left, drawn.pixels, drawn.labels, strict=True):
                made[k] = _volume(generator, request, about, k, attempt + 1, pixels, labels)
            left = [k for k in left if not made[k].plausible]
            if not left:
                break
        yield from (made[k] for k in block)
    yield Progress(1000 * request.n, 1000 * request.n)


def _volume(
    generator: LatentVolumeGenerator,
    request: Request,
    about: dict[str, Any],
    number: int,
    draws: int,
    pixels: NDArray[np.float32],
    labels: NDArray[np.uint8],
) -> SyntheticVolume:
    """One draw as scans, and what is to be said of it."""
    config = generator.config.autoencoder
    in_plane = config.spacing_mm
    facts: dict[str, Any] = {"axis": config.axis, "draws": draws}
    if config.axis == "z":
        pixels, labels = _hearts_own(pixels, labels)
        between = config.between_mm
        facts |= {"slices": len(labels), "between_mm": between}
        array, drawn, frame_ms = pixels, labels, None
    else:
        between, frame_ms = SLICE_MM, BEAT_MS / len(labels)
        facts |= {"frames": len(labels), "nominal_beat_ms": BEAT_MS}
        array, drawn = pixels[:, None], labels[:, None]
    found = implausible(labels, config)
    facts |= {"plausible": not found, "findings": [one.message for one in found]}
    scan = Scan(
        array=array,
        # columns to the left, rows to the back, slices to the feet
        affine=np.diag([-in_plane, -in_plane, -between, 1.0]),
        spacing=(between, in_plane, in_plane),
        name=f"{STEMS[config.axis]} {number}",
        frame_ms=frame_ms,
    )
    mask = replace(scan, array=drawn, name=f"{scan.name}, mask")
    record = {
        **about,
        "mask": {"name": mask.name, "labels_sha256": labels_hash(mask)},
        "volume": facts,
        **made_now(request.seed, number),
    }
    return SyntheticVolume(Synthetic(scan, record), mask)


def implausible(labels: NDArray[np.uint8], config: VolumeConfig) -> list[Finding]:
    """What is not like a heart about the mask of a volume, (d, y, x).

    A stack is looked over as a whole, and has to have an LV on as many slices as training hearts
    have at least; of a cine every frame is, and each has to have one.
    """
    in_plane = (config.spacing_mm, config.spacing_mm)
    if config.axis == "z":
        found = stack_findings(labels, (config.between_mm, *in_plane))
        count = int((labels == LV).any(axis=(1, 2)).sum())
        if count < config.least:
            few = f"{count} slices have an LV, fewer than {config.least}."
            found.append(Finding("size", few, "error", structure="LV"))
    else:
        found = [
            replace(one, message=f"Frame {t}: {one.message}")
            for t, frame in enumerate(labels)
            for one in findings(frame, in_plane)
        ]
        empty = [t for t, frame in enumerate(labels) if not (frame == LV).any()]
        found += [
            Finding("empty", f"Frame {t}: there is no LV.", "error", structure="LV") for t in empty
        ]
    return [one for one in found if one.severity != "info" and one.code not in USUAL]


def _hearts_own(
    pixels: NDArray[np.float32], labels: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The slices from the first to the last with a heart; all of them where there is none."""
    levels = np.flatnonzero(is_heart(labels).any(axis=(1, 2)))
    if not levels.size:
        return pixels, labels
    own = slice(int(levels[0]), int(levels[-1]) + 1)
    return pixels[own], labels[own]


def _write(
    volume: SyntheticVolume, folder: Path, request: Request, formats: Sequence[str]
) -> dict[str, Any]:
    record = volume.image.record
    stem = f"{STEMS[record['volume']['axis']]}{record['variant']:04d}"
    if request.phase is not None:
        stem += f"_{request.phase}"
    what = f"{MARK} mask, made with its image by cmr-synth {cmr_synth.__version__}"
    path = write_nifti(volume.mask, folder / f"{stem}_gt.nii.gz", description=what)
    image = replace(volume.image, record={**record, "mask_file": path.name})
    return write_synthetic(
        image, folder, stem, formats=formats, mask=volume.mask, study=one_study()
    )
