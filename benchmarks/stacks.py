"""Are neighbouring slices and frames of a synthetic stack as alike as those of a real one?

    .venv/bin/python benchmarks/stacks.py --slices prepared --cine ACDC-cine/training \
        --masks ACDC/training

Alike: the correlation of grey values outside both hearts (10 mm around them left out), the mean
over a patient's pairs. Real stacks of validation patients against synthetic ones of the same masks,
at several distances of the noise's knots; frames that follow each other in real cines against
frames of one mask, at several shares of noise of their own. Choose values whose median lies inside
the 5th to 95th percentile of real patients.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from skimage.feature import match_template

from cmr_synth.anatomy.labels import is_heart
from cmr_synth.cohorts.slices import SliceSet, open_slice_set
from cmr_synth.generators import zoo
from cmr_synth.generators.noise import Coherence
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request

KNOTS = (10.0, 17.0, 22.0, 30.0)
SHARES = (0.0, 0.01, 0.03, 0.1)
MARGIN_MM = 10.0
SIDE = 128


def main() -> None:
    """Print two tables, of slices and of frames."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--cine", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True, help="the same patients' ED and ES")
    parser.add_argument("--model", default="flow")
    parser.add_argument("--split", default="validation")
    options = parser.parse_args()
    slices = open_slice_set(options.slices)
    model = zoo.load(options.model)
    stacks = stacks_of(slices, options.split)
    print("| slices of | knots mm | patients | 5 % | median | 95 % |")
    print("| --- | --- | --- | --- | --- | --- |")
    for phase in ("ED", "ES"):
        own = [s for s in stacks if s.phase == phase]
        line(f"real {phase}", "", [alike(s.pixels, s.labels) for s in own])
        for knot in KNOTS:
            made = [alike(s.made(model, Coherence(knot, 0.0)), s.labels) for s in own]
            line(f"synthetic {phase}", f"{knot:g}", made)
    print("\n| frames of | own share | patients | 5 % | median | 95 % |")
    print("| --- | --- | --- | --- | --- | --- |")
    cines = sorted(options.cine.iterdir())
    line("real cine", "", [cine_alike(one, options.masks) for one in cines])
    for share in SHARES:
        found = []
        for stack in (s for s in stacks if s.phase == "ED"):
            frames = stack.made(model, Coherence(22.0, share), frames=2)
            pairs = [alike(frames[:, k], stack.labels[[k, k]]) for k in range(frames.shape[1])]
            found.append(float(np.mean(pairs)))
        line("synthetic", f"{share:g}", found)


class Stack:
    """The slices of one patient at one phase, in order."""

    def __init__(self, slices: SliceSet, index: list[int]):
        rows = [slices.rows[i] for i in index]
        self.phase, self.vendor = rows[0].phase, rows[0].vendor
        self.between = rows[0].between_mm or 10.0
        self.pixels, self.labels = slices.crop(np.array(index), (SIDE, SIDE))
        self.spacing = slices.spacing

    def made(self, model: zoo.Model, coherence: Coherence, *, frames: int = 1) -> NDArray:
        """Synthetic pictures of the same masks, ([frames,] z, y, x)."""
        labels = self.labels if frames == 1 else np.stack([self.labels] * frames)
        spacing = (self.between, self.spacing, self.spacing)
        # rows to the back, columns to the left, slices to the feet, as in the set
        affine = np.diag([-spacing[2], -spacing[1], -spacing[0], 1.0])
        mask = Scan(array=labels, affine=affine, spacing=spacing, name="mask")
        request = Request(vendor=self.vendor or None, phase=self.phase)
        *_, made = synthesize(mask, model, request, coherence=coherence)
        assert isinstance(made, Synthetic)
        return made.scan.array


def stacks_of(slices: SliceSet, split: str) -> list[Stack]:
    """Stacks of three slices and more."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i in slices.where(split=split):
        row = slices.rows[i]
        groups.setdefault((row.cohort, row.patient, row.phase), []).append(int(i))
    ordered = [sorted(g, key=lambda i: slices.rows[i].slice) for g in groups.values()]
    return [Stack(slices, g) for g in ordered if len(g) > 2]


def alike(pixels: NDArray, labels: NDArray, margin: int = round(MARGIN_MM / 1.5)) -> float:
    """Mean correlation of neighbours outside both hearts."""
    found = []
    for k in range(len(pixels) - 1):
        heart = is_heart(labels[k]) | is_heart(labels[k + 1])
        outside = ~binary_dilation(heart, iterations=margin)
        outside &= (pixels[k] > 0) & (pixels[k + 1] > 0)
        found.append(np.corrcoef(pixels[k][outside], pixels[k + 1][outside])[0, 1])
    return float(np.mean(found))


def cine_alike(folder: Path, masks: Path) -> float:
    """The same of frames that follow each other in a real cine.

    The cine is cropped otherwise than the examinations with masks, so that each of its slices is
    looked for in them.
    """
    cine = np.asarray(nib.load(folder / f"{folder.name}_4d.nii.gz").dataobj, dtype=np.float32)
    cfg = (folder / "Info.cfg").read_text()
    frames = [int(cfg.split(f"{phase}:")[1].split()[0]) for phase in ("ED", "ES")]
    hearts = np.zeros(cine.shape[:3], dtype=bool)
    for frame in frames:
        stem = masks / folder.name / f"{folder.name}_frame{frame:02d}"
        image = np.asarray(nib.load(f"{stem}.nii.gz").dataobj, dtype=np.float32)
        drawn = np.asarray(nib.load(f"{stem}_gt.nii.gz").dataobj) > 0
        for k in range(cine.shape[2]):
            wanted = cine[:, :, k, frame - 1]
            found = [match_template(image[:, :, z], wanted) for z in range(image.shape[2])]
            z = int(np.argmax([match.max() for match in found]))
            i, j = np.unravel_index(found[z].argmax(), found[z].shape)
            hearts[:, :, k] |= drawn[i : i + wanted.shape[0], j : j + wanted.shape[1], z]
    values = []
    for k in range(cine.shape[2]):
        if hearts[:, :, k].any():
            labels = np.stack([hearts[:, :, k]] * 2).astype(np.uint8)
            pairs = [cine[:, :, k, t : t + 2].transpose(2, 0, 1) for t in range(cine.shape[3] - 1)]
            values += [alike(pair, labels) for pair in pairs]
    return float(np.mean(values))


def line(what: str, setting: str, values: Sequence[float]) -> None:
    """One row of a table."""
    low, middle, high = np.percentile(values, [5, 50, 95])
    print(f"| {what} | {setting} | {len(values)} | {low:.3f} | {middle:.3f} | {high:.3f} |")


if __name__ == "__main__":
    main()
