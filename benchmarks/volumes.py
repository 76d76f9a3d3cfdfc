"""Volumes out of one latent beside slices with noise in common, and whom whole stacks are like.

    .venv/bin/python benchmarks/volumes.py runs/latent-stacks --slices prepared
    .venv/bin/python benchmarks/volumes.py runs/latent-beats --slices cines

Alike is as in `stacks.py`: the correlation of grey values of neighbours outside both hearts, the
mean over a patient's pairs; here of volumes at the model's own depth, from a folder of a model of
the family latent-volume. Compared are real volumes of validation patients, what its autoencoder
makes of them, slices of their masks by a model whose noise is alike, and the model's own volumes.
Below stand the share of plausible draws, and the nearest training stack of whole stacks: of
synthetic ones, of validation patients, and of planted copies (training stacks with noise).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from stacks import alike

from cmr_synth.anatomy.labels import is_heart
from cmr_synth.cohorts.slices import SliceSet, open_slice_set, persons_of
from cmr_synth.cohorts.volumes import Depth, Volume, volumes_of
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.noise import COHERENCE
from cmr_synth.generators.volumes.generator import LatentVolumeGenerator, Volumes
from cmr_synth.imaging.scan import Scan
from cmr_synth.privacy.volumes import COPY_NOISE, nearest_volumes
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request
from cmr_synth.synthesis.volumes import implausible
from cmr_synth.training.volumes import depth_of

BATCH = 4
Stacks = list[tuple[NDArray[np.float32], NDArray[np.uint8]]]
"""Pixels and labels of volumes, (d, y, x) each."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="of the family latent-volume")
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--cohort", default="acdc")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--correlated", default="flow-fast", help="model of slices")
    parser.add_argument("--n", type=int, default=16, help="synthetic volumes")
    options = parser.parse_args()
    slices = open_slice_set(options.slices)
    loaded = zoo.load(options.model)
    generator = loaded.generator
    assert isinstance(generator, LatentVolumeGenerator)
    config = generator.config.autoencoder
    depth = depth_of(config)
    chosen, left_out = volumes_of(slices, depth, split=options.split, cohorts=[options.cohort])
    for told in left_out.told(depth):
        print(told)
    real = [cropped(volume, slices, config.shape) for volume in chosen]
    known = set(loaded.card.conditions.phases) if config.axis == "z" else set()
    made = list(drawn(generator, options.n, [phase for phase in ("ED", "ES") if phase in known]))
    whole = [own(pixels, labels) for pixels, labels in made]
    print("| neighbours of | volumes | 5 % | median | 95 % |")
    print("| --- | --- | --- | --- | --- |")
    rows = {
        f"real, {options.split}": [own(*one) for one in real],
        "these through the autoencoder": [own(*one) for one in coded(generator, real)],
        f"their masks by {options.correlated}, noise alike": list(
            correlated(zoo.load(options.correlated), chosen, real, config.between_mm, config.axis)
        ),
        "out of one latent": whole,
    }
    for what, found in rows.items():
        # a volume without a heart, or with one slice, has no neighbours to compare
        line_of(what, [alike(*one) for one in found if len(one[0]) > 1])
    for what, stacks in (("real", [own(*one) for one in real]), ("first draws", whole)):
        plausible = sum(not implausible(labels, config) for _, labels in stacks)
        print(f"\nplausible masks, {what}: {plausible} of {len(stacks)}")
    if config.axis == "z":
        nearest(slices, made, real, depth, options.cohort, config.shape)


def nearest(
    slices: SliceSet, made: Stacks, real: Stacks, depth: Depth, cohort: str, shape: tuple[int, int]
) -> None:
    """Print how like the nearest training stack whole stacks are, and the lead over the next."""
    trained, _ = volumes_of(slices, depth, cohorts=[cohort])
    training = np.stack([cropped(one, slices, shape)[0] for one in trained])
    rng = np.random.default_rng(0)
    copies = training[: len(made)] + rng.normal(0, COPY_NOISE, training[: len(made)].shape)
    unseen = np.stack([pixels for pixels, _ in real])
    whose = persons_of([one.row for one in trained])
    most = nearest_volumes(unseen, training, whose)[2].max()
    print("\n| nearest training stack of | volumes | correlation | lead | most | beyond unseen |")
    print("| --- | --- | --- | --- | --- | --- |")
    for what, stacks in (
        ("real, unseen", unseen),
        ("synthetic", np.stack([pixels for pixels, _ in made])),
        ("planted copies", copies),
    ):
        _, values, leads = nearest_volumes(stacks, training, whose)
        middle, lead = np.median(values), np.median(leads)
        beyond = int((leads > most).sum())
        print(
            f"| {what} | {len(values)} | {middle:.3f} | {lead:.3f} | {leads.max():.3f} | {beyond} |"
        )


def cropped(
    volume: Volume, slices: SliceSet, shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The middle of a real volume."""
    pixels, labels, _ = volume.read(slices)
    top, left = ((a - b) // 2 for a, b in zip(pixels.shape[1:], shape, strict=True))
    window = (slice(None), slice(top, top + shape[0]), slice(left, left + shape[1]))
    return pixels[window], labels[window]


def own(pixels: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
    """The slices from the first to the last with a heart."""
    levels = np.flatnonzero(is_heart(labels).any(axis=(1, 2)))
    if not levels.size:
        return pixels[:0], labels[:0]
    return pixels[levels[0] : levels[-1] + 1], labels[levels[0] : levels[-1] + 1]


def drawn(generator: LatentVolumeGenerator, count: int, phases: Sequence[str]) -> Iterator:
    """Volumes of the model, phases in turns where it knows them."""
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        asked = [Condition(phase=phases[k % len(phases)] if phases else None) for k in numbers]
        *_, found = generator.sample_volumes(asked, seed=0, indices=numbers)
        assert isinstance(found, Volumes)
        yield from zip(found.pixels, found.labels, strict=True)


@torch.no_grad()
def coded(generator: LatentVolumeGenerator, real: Stacks) -> Iterator:
    """What the autoencoder makes of real volumes, with the masks that it gives back."""
    for pixels, labels in real:
        seen = 2 * torch.from_numpy(pixels)[None, None] - 1
        autoencoder = generator.network.autoencoder
        made, scores = autoencoder.decode(
            autoencoder.encode(seen, torch.from_numpy(labels).long()[None])
        )
        grey = ((made[0, 0].clamp(-1, 1) + 1) / 2).numpy()
        yield grey, scores[0].argmax(dim=0).numpy().astype(np.uint8)


def correlated(
    model: zoo.Model, chosen: Sequence[Volume], real: Stacks, between: float, axis: str
) -> Iterator:
    """Slices of the masks of real volumes, by a model of slices whose noise is alike."""
    pixel = model.card.grid.spacing_mm
    for volume, (pixels, labels) in zip(chosen, real, strict=True):
        labels = own(pixels, labels)[1]
        array = labels if axis == "z" else labels[:, None]
        # columns to the left, rows to the back, slices to the feet, as in the set
        affine = np.diag([-pixel, -pixel, -between, 1.0])
        mask = Scan(array=array, affine=affine, spacing=(between, pixel, pixel), name="mask")
        phase = volume.row.phase if axis == "z" else None
        request = Request(vendor=volume.row.vendor or None, phase=phase or None)
        *_, made = synthesize(mask, model, request, coherence=COHERENCE)
        assert isinstance(made, Synthetic)
        grey = made.scan.array if axis == "z" else made.scan.array[:, 0]
        yield np.asarray(grey, np.float32), labels


def line_of(what: str, values: Sequence[float]) -> None:
    """One row of a table; a dash where there is nothing to measure."""
    if not values:
        print(f"| {what} | 0 | - | - | - |")
        return
    low, middle, high = np.percentile(values, [5, 50, 95])
    print(f"| {what} | {len(values)} | {low:.3f} | {middle:.3f} | {high:.3f} |")


if __name__ == "__main__":
    main()
