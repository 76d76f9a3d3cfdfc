"""Training batches that depend on the seed and the image's number alone.

Image number k of a run draws its slice, its augmentation and its noise from a random generator
seeded with (seed, k). A resumed run, or one on more processes, therefore sees the same images.
A private training names slices and generators itself: see `cmr_synth.training.private`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cmr_synth.anatomy.surroundings import tissues_around
from cmr_synth.cohorts.phenotypes import slice_phenotypes
from cmr_synth.cohorts.slices import SliceRow, SliceSet, persons_of
from cmr_synth.errors import InputError
from cmr_synth.training.looks import with_look_of
from cmr_synth.training.recipe import Augmentation
from cmr_synth.training.shapes import bent, drawn_factors, ring_of

Style = Callable[[Tensor, np.random.Generator], Tensor]
"""Changes how a picture (1, rows, columns) looks, and nothing of where it shows what."""


@dataclass(frozen=True)
class Batch:
    """One batch on the network's grid.

    Parameters
    ----------
    images : (n, 1, rows, columns) float tensor in [0, 1]
    labels : (n, rows, columns) int64 tensor
        Engine labels, 255 unlabelled.
    covered : (n, 1, rows, columns) float tensor
        1 inside the scan's field of view, 0 where pixels are made up.
    conditions : one mapping an image
        Vendor, phase, pathology, cohort (text, empty where unknown), z, whether it was augmented,
        and its contrast and its patient's phenotypes and covariates where they are wanted.
    draws : one random generator an image
        For noise and dropped conditions.
    tissues : (n, rows, columns) int64 tensor, optional
        Of the scan around the heart, where they are wanted.
    """

    images: Tensor
    labels: Tensor
    covered: Tensor
    conditions: tuple[dict[str, Any], ...]
    draws: tuple[np.random.Generator, ...]
    tissues: Tensor | None = None

    def __len__(self) -> int:
        return len(self.conditions)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device."""
        return replace(
            self,
            images=self.images.to(device),
            labels=self.labels.to(device),
            covered=self.covered.to(device),
            tissues=None if self.tissues is None else self.tissues.to(device),
        )

    def normal(self, *shape: int) -> Tensor:
        """Standard normal noise, (n, *shape), from each image's own generator."""
        noise = [draw.standard_normal(shape, dtype=np.float32) for draw in self.draws]
        return torch.from_numpy(np.stack(noise)).to(self.images.device)

    def uniform(self) -> NDArray[np.float64]:
        """One number in [0, 1) an image."""
        return np.array([draw.random() for draw in self.draws])


class Batches:
    """Training batches from the training patients of a slice set.

    Parameters
    ----------
    shape : (rows, columns), optional
        Of the pictures; by default that which the set was prepared for.
    streams : sequence of (n,) int arrays, optional
        Slices that take turns, each in an order and with augmentations of its own: every batch
        holds as many of one as of another, and what the first gives does not hang on the others.
        By default one, of all slices of `split` and `cohorts`.
    style : Style, optional
        Changes every picture once it is augmented.
    contrast : str or sequence of str
        Of the slices; where there are several, each picture's is told.
    covariates : sequence of str
        Those of each person that are told with the pictures; who lacks one is left out.
    phenotypes : sequence of str
        Those of each patient that are told with its pictures, where they could be measured.
    tissues : collection of str
        Structures of the heart around which tissues are told; empty, and none are.
    """

    def __init__(
        self,
        slices: SliceSet,
        *,
        augmentation: Augmentation,
        seed: int,
        cohorts: Sequence[str] | None = None,
        contrast: str | Sequence[str] = "cine",
        split: str = "train",
        shape: tuple[int, int] | None = None,
        streams: Sequence[NDArray[np.int64]] | None = None,
        style: Style | None = None,
        phenotypes: Sequence[str] = (),
        covariates: Sequence[str] = (),
        tissues: Collection[str] = (),
    ):
        self.slices, self.style, self.phenotypes = slices, style, tuple(phenotypes)
        self.covariates, self.tissues = tuple(covariates), tuple(tissues)
        self.contrast = contrast if isinstance(contrast, str) else " or ".join(contrast)
        self.tells_contrast = not isinstance(contrast, str) and len(contrast) > 1
        self.streams = streams or [slices.where(split=split, cohorts=cohorts, contrast=contrast)]
        self.index = np.concatenate(self.streams)
        if self.covariates and self.index.size:
            self.streams = [self._with_covariates(one) for one in self.streams]
            self.index = np.concatenate(self.streams)
        if self.index.size == 0:
            raise InputError(
                f"the slice set has no {split} slices of {cohorts or 'any cohort'} with the "
                f"contrast {self.contrast!r}; choose other cohorts, or prepare it from more "
                "patients."
            )
        self.augmentation = augmentation
        self.seed = seed
        self.shape = shape or slices.shape

    def batch(self, first: int, count: int) -> Batch:
        """Images number `first` to `first + count - 1` of the run."""
        places = [divmod(k, len(self.streams)) for k in range(first, first + count)]
        return self.of(
            np.array([self._slice_of(number, stream) for number, stream in places]),
            [self._draw(1, number, stream) for number, stream in places],
            [self._draw(2, number, stream).random() for number, stream in places],
        )

    def of(
        self,
        chosen: NDArray[np.int64],
        draws: Sequence[np.random.Generator],
        chances: Sequence[float],
    ) -> Batch:
        """Images of some slices of the set.

        Parameters
        ----------
        chosen : (n,) int array
            The slices.
        draws : n random generators
            Of each image, for its augmentation, noise and dropped conditions.
        chances : n floats in [0, 1)
            Images with one below the share are augmented.
        """
        images = torch.from_numpy(self.slices.images[chosen]).float().div(255)[:, None]
        labels = torch.from_numpy(self.slices.labels[chosen])
        covered = torch.from_numpy(self.slices.covered[chosen]).float()[:, None]
        changed = [bool(chance < self.augmentation.share) for chance in chances]
        theta = torch.stack(
            [
                self._geometry(d) if c else self._shift(d)
                for d, c in zip(draws, changed, strict=True)
            ]
        )
        grid = functional.affine_grid(theta, [len(images), 1, *self.shape], align_corners=False)
        rows = [self.slices.rows[i] for i in chosen]
        measured = [self._measured.get(int(i), {}) for i in chosen]
        for k, (draw, is_changed) in enumerate(zip(draws, changed, strict=True)):
            if not is_changed:
                continue
            if self.augmentation.looks and draw.random() < self.augmentation.looks:
                images[k, 0], rows[k] = self._in_another_look(images[k, 0], int(chosen[k]), draw)
            if self.augmentation.shapes and draw.random() < self.augmentation.shapes:
                grid[k], rows[k] = _bent(grid[k], labels[k], rows[k], draw)
                measured[k] = {}  # it is another heart now
        images, labels, covered = warp(images, labels, covered, grid)
        tissues = self._tissues_of(images, labels, covered) if self.tissues else None
        images = torch.stack(
            [
                intensity(i, d, self.augmentation) if c else i
                for i, d, c in zip(images, draws, changed, strict=True)
            ]
        )
        if self.style is not None:
            styled = [self.style(i, d) for i, d in zip(images, draws, strict=True)]
            images = torch.stack(styled)
        conditions = tuple(
            {
                "vendor": r.vendor,
                "phase": r.phase,
                "pathology": r.pathology,
                "cohort": r.cohort,
                "z": r.z,
                "augmented": c,
                **({"contrast": r.contrast} if self.tells_contrast else {}),
                **({"phenotypes": m} if m else {}),
                **({"covariates": r.covariates} if self.covariates else {}),
            }
            for r, c, m in zip(rows, changed, measured, strict=True)
        )
        return Batch(images, labels, covered, conditions, tuple(draws), tissues)

    def _tissues_of(self, images: Tensor, labels: Tensor, covered: Tensor) -> Tensor:
        """Maps of the pictures as they were scanned; open where the field of view ends."""
        maps = [
            tissues_around(pixels, drawn, spacing=self.slices.spacing, structures=self.tissues)
            for pixels, drawn in zip(
                images[:, 0].numpy(), labels.numpy().astype(np.uint8), strict=True
            )
        ]
        return torch.from_numpy(np.stack(maps)).long() * (covered[:, 0] > 0)

    def _in_another_look(
        self, image: Tensor, number: int, draw: np.random.Generator
    ) -> tuple[Tensor, SliceRow]:
        """A slice in the look of another vendor's training slice, and then said to be of it."""
        own = self.slices.rows[number]
        of_vendor = self._of_vendor.get(own.contrast, {})
        others = [vendor for vendor in of_vendor if vendor != own.vendor]
        if not others:
            return image, own
        like = int(draw.choice(of_vendor[others[int(draw.integers(len(others)))]]))
        seen = with_look_of(
            image.numpy(),
            self.slices.labels[number],
            self.slices.images[like].astype(np.float32) / np.float32(255),
            self.slices.labels[like],
        )
        return torch.from_numpy(seen), replace(own, vendor=self.slices.rows[like].vendor)

    def _with_covariates(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """The slices of people whose covariates are known."""
        rows = self.slices.rows
        kept = [i for i in index if all(name in rows[i].covariates for name in self.covariates)]
        if not kept:
            raise InputError(
                f"no training patient has {' and '.join(self.covariates)}; train on a cohort that "
                "states it (ACDC has height and weight), or add it to cohort.csv and prepare anew."
            )
        return np.array(kept, dtype=np.int64)

    def values_of(self, phenotype: str) -> list[float]:
        """A phenotype of the people trained on, one value each of those that could be measured."""
        persons = persons_of(self.slices.rows)
        found = {
            str(persons[i]): self._measured[int(i)][phenotype]
            for i in self.index
            if phenotype in self._measured.get(int(i), {})
        }
        return list(found.values())

    @cached_property
    def _measured(self) -> dict[int, dict[str, float]]:
        """The phenotypes wanted, by slice."""
        if not self.phenotypes:
            return {}
        return {
            i: {name: found[name] for name in self.phenotypes if name in found}
            for i, found in slice_phenotypes(self.slices, self.index).items()
        }

    @cached_property
    def _of_vendor(self) -> dict[str, dict[str, NDArray[np.int64]]]:
        """Training slices of each vendor that is known, by contrast."""
        rows = [self.slices.rows[i] for i in self.index]
        vendors = np.array([row.vendor for row in rows])
        contrasts = np.array([row.contrast for row in rows])
        return {
            str(c): {
                str(v): self.index[(vendors == v) & (contrasts == c)]
                for v in np.unique(vendors[contrasts == c])
                if v
            }
            for c in np.unique(contrasts)
        }

    def _draw(self, what: int, number: int, stream: int) -> np.random.Generator:
        # the first stream's is that of batches of one stream
        return np.random.default_rng([self.seed, what, number, *([stream] if stream else [])])

    def _slice_of(self, number: int, stream: int = 0) -> int:
        slices = self.streams[stream]
        epoch, place = divmod(number, len(slices))
        order = self._draw(0, epoch, stream).permutation(len(slices))
        return int(slices[order[place]])

    def _shift(self, draw: np.random.Generator) -> Tensor:
        """A move by whole pixels: nothing is interpolated, so that the grain stays as scanned."""
        rows, columns = self.slices.images.shape[1:]
        dx, dy = draw.uniform(-1, 1, 2) * self.augmentation.shift * np.array(self.shape[::-1])
        ry, rx = self.shape[0] / rows, self.shape[1] / columns
        return torch.tensor(
            [[rx, 0.0, 2 * round(dx) / columns], [0.0, ry, 2 * round(dy) / rows]],
            dtype=torch.float32,
        )

    def _geometry(self, draw: np.random.Generator) -> Tensor:
        ranges = self.augmentation
        angle, scale, dx, dy = draw.uniform(-1, 1, 4)
        angle = np.deg2rad(angle * ranges.rotation_degrees)
        zoom = np.exp(scale * np.log1p(ranges.scale))
        # normalised coordinates of the wide grid; the crop is `ratio` of it
        rows, columns = self.slices.images.shape[1:]
        ry, rx = self.shape[0] / rows, self.shape[1] / columns
        cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
        shift_x, shift_y = dx * 2 * ranges.shift * rx, dy * 2 * ranges.shift * ry
        return torch.tensor(
            [[cos * rx, -sin * ry, shift_x], [sin * rx, cos * ry, shift_y]], dtype=torch.float32
        )


def _bent(
    grid: Tensor, labels: Tensor, row: SliceRow, draw: np.random.Generator
) -> tuple[Tensor, SliceRow]:
    """Places to sample for a heart of another shape, of which no pathology is known."""
    ring, factors = ring_of(labels.numpy()), drawn_factors(draw)
    if ring is None:
        return grid, row
    rows, columns = labels.shape
    return bent(grid, ring, *factors, (rows, columns)), replace(row, pathology="")


def warp(
    images: Tensor, labels: Tensor, covered: Tensor, grid: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Sample all three at the same places: pixels bicubic, of labels the one with most weight."""
    sample = partial(functional.grid_sample, grid=grid, padding_mode="border", align_corners=False)
    pixels = sample(images, mode="bicubic").clamp(0, 1)
    values, most = torch.zeros(len(grid), *grid.shape[1:3], dtype=torch.long), None
    for value in labels.unique().tolist():  # scar too, where there is any
        share = sample((labels == value).float()[:, None], mode="bilinear")[:, 0]
        if most is None:
            values.fill_(value)
            most = share
            continue
        values = values.masked_fill(share > most, value)
        most = torch.maximum(most, share)
    inside = functional.grid_sample(
        covered, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return pixels, values, (inside > 0.99).float()


def intensity(image: Tensor, draw: np.random.Generator, ranges: Augmentation) -> Tensor:
    gamma, gain, bx, by = draw.uniform(-1, 1, 4)
    noise, blur = draw.random(2)
    if ranges.blur and blur > 0.5:
        sigma = float((blur - 0.5) * 2 * ranges.blur) + 1e-3
        x = torch.arange(-3.0, 4.0)
        kernel = torch.exp(-0.5 * (x / sigma) ** 2)
        kernel = kernel / kernel.sum()
        padded = functional.pad(image[None], (3, 3, 3, 3), mode="replicate")
        image = functional.conv2d(padded, kernel.view(1, 1, 1, -1))
        image = functional.conv2d(image, kernel.view(1, 1, -1, 1))[0]
    if ranges.gamma:
        image = image.clamp(0, 1) ** float(np.exp(gamma * np.log1p(ranges.gamma)))
    if ranges.gain:
        image = image * float(np.exp(gain * np.log1p(ranges.gain)))
    if ranges.bias:
        y = torch.linspace(-1, 1, image.shape[-2])[:, None]
        x = torch.linspace(-1, 1, image.shape[-1])[None, :]
        image = image * torch.exp(np.log1p(ranges.bias) * (float(bx) * x + float(by) * y))
    if ranges.noise:
        sigma = float(noise * ranges.noise)
        image = image + sigma * torch.from_numpy(
            draw.standard_normal(image.shape, dtype=np.float32)
        )
    return image
