"""Masks named on the command line: read, told apart by convention, and called by unique names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_synth.errors import InputError

if TYPE_CHECKING:
    from cmr_synth.imaging.scan import Scan

SURE = 0.75  # confidence of a guess from which it is used without asking


class Labels(str, Enum):
    """How a mask numbers its structures."""

    auto = "auto"
    acdc = "acdc"
    mnms = "mnms"
    ukbb = "ukbb"


@dataclass(frozen=True)
class Mask:
    """A mask in engine labels.

    Parameters
    ----------
    scan : Scan
    path : Path
    stem : str
        Unique among the masks of one command.
    labels : str
        Where the meaning of its numbers comes from, in one sentence.
    """

    scan: Scan
    path: Path
    stem: str
    labels: str


def read_masks(paths: Sequence[Path], labels: Labels) -> list[Mask]:
    """Read every mask before anything is made of the first.

    Raises
    ------
    InputError
        Naming the first file that cannot be used.
    """
    from cmr_synth.anatomy.labels import convert, guess_convention
    from cmr_synth.imaging.nifti import read_labels
    from cmr_synth.imaging.scan import require_foreground

    masks = []
    for path, stem in zip(paths, _stems(paths), strict=True):
        scan = require_foreground(read_labels(path))
        if labels is Labels.auto:
            guess = guess_convention(scan.array, name=scan.name)
            if guess.confidence < SURE:
                raise InputError(
                    f"{scan.name}: cannot tell which convention its numbers follow. "
                    f"{guess.reason.rstrip('.')}. Name it with --labels acdc, mnms or ukbb."
                )
            convention = guess.convention
            how = f"read as {convention} labels. {guess.reason}"
        else:
            convention = labels.value
            how = f"read as {convention} labels, as told."
        engine = convert(scan.array, convention, name=scan.name)
        masks.append(Mask(scan.with_array(engine), path, stem, how))
    return masks


def _stems(paths: Sequence[Path]) -> list[str]:
    stems = [_stem(path) for path in paths]
    count = Counter(stems)
    # Data sets that name every mask alike have a folder for each patient.
    unique = [
        f"{path.resolve().parent.name}_{stem}" if count[stem] > 1 else stem
        for path, stem in zip(paths, stems, strict=True)
    ]
    for name, times in Counter(unique).items():
        if times > 1:
            raise InputError(
                f"{times} masks would be called {name!r} in the output folder; run them one by "
                "one into different folders."
            )
    return unique


def _stem(path: Path) -> str:
    name = path.name
    for suffix in (".nii.gz", ".nii"):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem
