"""Slices over a heartbeat: a slice set of cines, every frame with a mask.

Whoever draws hearts draws end-diastole and end-systole. The frames between have no mask, so that
all frames are segmented alike, by whatever finds hearts; every slice says that it is completed. A
cine is normalised as a whole and keeps one place of the grid, so that nothing but the heart moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.anatomy.labels import LV, is_heart
from cmr_synth.cohorts.examination import LeftOut
from cmr_synth.cohorts.nifti_files import nifti_below, relative, stem_of
from cmr_synth.cohorts.preparing import Preparing
from cmr_synth.cohorts.registry import load_cohort
from cmr_synth.cohorts.shards import write_shard
from cmr_synth.cohorts.slices import ABOUT, SHARDS, SliceRow, SliceSet, write_index
from cmr_synth.cohorts.splits import split_patients
from cmr_synth.cohorts.stacks import examination_of
from cmr_synth.cohorts.whose import patients_of
from cmr_synth.errors import InputError
from cmr_synth.files import write_folder
from cmr_synth.imaging.grid import place
from cmr_synth.imaging.nifti import read_image, with_spacing
from cmr_synth.imaging.normalise import in_unit_range
from cmr_synth.imaging.orientation import apply, apply_to_spacing
from cmr_synth.imaging.scan import Scan

NEVER_SET = (1.0, 1.0, 1.0)  # mm, of headers that somebody wrote without a spacing

Find = Callable[[Scan], tuple[NDArray[np.uint8], tuple[int, int]]]
"""Engine labels (t, z, y, x) of a cine, and its frames of end-diastole and end-systole."""


@dataclass(frozen=True, eq=False)
class _Cine:
    """One cine on the grid: (n, rows, columns) arrays as `SliceSet` has them, and their rows."""

    arrays: Mapping[str, NDArray[np.uint8]]
    rows: tuple[SliceRow, ...]


def prepare_cines(
    source: tuple[str, Path],
    out: Path,
    find: Find,
    *,
    choices: Preparing | None = None,
    stills: Path | None = None,
    like: SliceSet | None = None,
    seed: int = 0,
    test: float = 0.2,
    validation: float = 0.05,
) -> Iterator[str]:
    """Write the slice set of a folder of cines.

    Taken are slices that have an LV in every frame. The folder appears only when it is complete.

    Parameters
    ----------
    source : (cohort name, folder)
        4D NIfTI files, anywhere below the folder; other files are passed over. The cohort says
        whose they are, with its licence.
    out : Path
        Folder to make; an existing slice set is replaced.
    find : callable
        Finds the heart in all frames.
    choices : Preparing, optional
    stills : Path, optional
        Folder with single frames of the same patients, whose spacing is taken where the header of
        a cine has none (1 x 1 x 1 mm), as in some of ACDC's; by default the cines' own.
    like : SliceSet, optional
        Patients that it knows have the side of the split, the vendor and the pathology that they
        have there.
    seed, test, validation
        See `split_patients`.

    Yields
    ------
    str
        A line for every cine.

    Raises
    ------
    InputError
        If there is no cine that can be used, or `out` holds something else.
    """
    name, root = source
    root, choices = Path(root), choices or Preparing()
    cohort: Any = load_cohort(name)
    paths = nifti_below(root) if root.is_dir() else []
    if not paths:
        raise InputError(f"{root}: holds no NIfTI files; give a folder with 4D cines.")
    whose, _ = patients_of(root, ((path, stem_of(path.name)) for path in paths))
    known = _known(like, name)
    left_out: list[LeftOut] = []
    shards: list[tuple[str, int]] = []
    rows: list[SliceRow] = []
    with write_folder(out, replaces=ABOUT) as folder:
        (folder / SHARDS).mkdir()
        for path in paths:
            patient = whose[path]
            about = {"cohort": name, "patient": patient, "vendor": cohort.vendor or ""}
            about |= known.get(patient, {})
            try:
                scan = read_image(path)
                if not scan.is_cine:
                    continue
                scan = _with_true_spacing(scan, patient, Path(stills or root))
                cine = _on_grid(scan, *find(scan), about, choices)
            except InputError as error:
                left_out.append(LeftOut(relative(path, root), str(error)))
                continue
            shards.append((f"{len(shards):05d}.safetensors", len(cine.rows)))
            write_shard(folder / SHARDS / shards[-1][0], cine.arrays)
            rows += cine.rows
            slices = len({row.slice for row in cine.rows})
            yield f"{name} {patient}: {slices} slices, {scan.n_frames} frames"
        if not rows:
            why = f" {left_out[0].what}: {left_out[0].reason}" if left_out else ""
            raise InputError(f"{root}: no cine to use.{why}")
        side = split_patients(
            {row.patient: row.pathology or None for row in rows},
            seed=seed,
            test=test,
            validation=validation,
            settled={patient: about["split"] for patient, about in known.items()},
            same_person=cohort.same_person,
        )
        facts = {
            "title": f"{cohort.title}, cines",
            "licence": cohort.licence,
            "citation": cohort.citation,
            "examinations": len(shards),
            "left_out": [asdict(one) for one in left_out],
        }
        stated = {
            "spacing_mm": choices.spacing_mm,
            "networks_shape": list(choices.shape),
            "cohorts": {name: facts},
            "slices": len(rows),
            "normalisation": choices.normalisation,
            "split": {"seed": seed, "test": test, "validation": validation},
            "cmr_synth": cmr_synth.__version__,
        }
        sided = [replace(row, split=side[row.patient]) for row in rows]
        write_index(folder, sided, stated, shards, choices.wide_grid.shape)


def _known(like: SliceSet | None, cohort: str) -> dict[str, dict[str, str]]:
    """Side, vendor and pathology of the patients of a cohort in a slice set."""
    rows: Sequence[SliceRow] = () if like is None else like.rows
    return {
        row.patient: {"split": row.split, "vendor": row.vendor, "pathology": row.pathology}
        for row in rows
        if row.cohort == cohort
    }


def _with_true_spacing(scan: Scan, patient: str, stills: Path) -> Scan:
    """The cine, with the spacing of a single frame of the patient where its own was never set."""
    if not np.allclose(scan.spacing, NEVER_SET):
        return scan
    for path in nifti_below(stills) if stills.is_dir() else ():
        if not path.name.startswith(patient):
            continue
        other = read_image(path)
        if not other.is_cine and not np.allclose(other.spacing, NEVER_SET):
            return with_spacing(scan, other.spacing)
    raise InputError(
        f"its header says 1 x 1 x 1 mm, which nobody set, and no other file of {patient} says "
        "more; give a folder of single frames with --stills."
    )


def _on_grid(
    scan: Scan,
    found: NDArray[np.uint8],
    phases: tuple[int, int],
    about: Mapping[str, str],
    choices: Preparing,
) -> _Cine:
    ed, es = phases
    still = examination_of(
        scan,
        np.asarray(scan.array[ed], np.float32),
        found[ed],
        cohort=about["cohort"],
        patient=about["patient"],
        files=(scan.name,),
    )
    assert still.orientation is not None
    turned = (np.asarray(scan.array, np.float32), found)
    pixels, labels = (apply(still.orientation, array) for array in turned)
    spacing = apply_to_spacing(still.orientation, scan.spacing)
    in_plane = (spacing[1], spacing[2])
    slices = np.flatnonzero((labels == LV).any(axis=(2, 3)).all(axis=0))
    if not slices.size:
        raise InputError("no slice has a left ventricle in every frame.")
    heart = is_heart(labels)
    grid = choices.wide_grid
    placed = place(heart, in_plane, grid=grid, name=scan.name, must_fit=False)
    frames, (rows, columns) = len(pixels), pixels.shape[2:]
    # (t, z, y, x) -> (t * z, y, x), and back to a beat after a beat
    whole = in_unit_range(
        pixels.reshape(-1, rows, columns),
        choices.normalisation,
        heart.reshape(-1, rows, columns),
        in_plane,
    ).reshape(pixels.shape)
    beats = whole[:, slices].swapaxes(0, 1).reshape(-1, rows, columns)
    masks = labels[:, slices].swapaxes(0, 1).reshape(-1, rows, columns)
    images = placed.image_to_grid(beats)
    arrays = {
        "images": np.round(np.clip(images, 0, 1) * 255).astype(np.uint8),
        "labels": placed.labels_to_grid(masks),
        "covered": np.broadcast_to(placed.covered(), images.shape).astype(np.uint8),
    }
    made = tuple(
        SliceRow(
            cohort=about["cohort"],
            patient=about["patient"],
            split="",
            vendor=about["vendor"],
            phase={ed: "ED", es: "ES"}.get(t, ""),
            pathology=about.get("pathology", ""),
            slice=int(k),
            z=float(still.z[k]),
            completed=True,
            between_mm=float(spacing[0]),
            frame=t,
        )
        for k in slices
        for t in range(frames)
    )
    return _Cine(arrays, made)
