"""The tests of copying on one set of synthetic slices, and what only a model can be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.errors import InputError
from cmr_synth.evaluation.counterparts import counterparts
from cmr_synth.evaluation.resampling import corrected
from cmr_synth.evaluation.sample import Sample, joined, require_disjoint
from cmr_synth.generators.interface import Generator, Progress
from cmr_synth.privacy.membership.figures import Figures, figures
from cmr_synth.privacy.overfitting.measures import (
    Cluster,
    Estimate,
    authentic,
    cluster,
    data_copying,
    diversity,
    generalisation_gap,
    nearest,
    privacy_loss,
    share_estimate,
)

if TYPE_CHECKING:
    from cmr_synth.judges.copy_detector import CopyDetector

LEAST = 5
"""Patients that each set needs."""
LEVEL = 0.05
"""Chance of any finding where there is nothing to find, all tests together."""
HEART_MARGIN = 6
"""Pixels about the heart that are painted over for the style-leak test."""


@dataclass(frozen=True, eq=False)
class Overfitting:
    """What the tests found of one set.

    Parameters
    ----------
    authenticity : Estimate
        Share of authentic slices; `real` is that of held-out real slices.
    gap, copying, diversity : Estimate
    accuracy_held_out, accuracy_training, loss : Estimate
        Nearest-neighbour adversarial accuracies and their difference.
    cluster : Cluster
    texture : Figures or None
        Are slices made from masks of training patients nearer to these patients' own pictures
        than slices from other masks are to theirs? The mask is the same on both sides, so that
        what remains is texture.
    styles : dict of vendor to Cluster
        Nearest patients of slices in one vendor's style, the heart painted over.
    """

    name: str
    sha256: str | None
    slices: int
    authenticity: Estimate
    gap: Estimate
    copying: Estimate
    accuracy_held_out: Estimate
    accuracy_training: Estimate
    loss: Estimate
    cluster: Cluster
    diversity: Estimate
    texture: Figures | None = None
    styles: dict[str, Cluster] = field(default_factory=dict)

    @property
    def tests(self) -> dict[str, tuple[float, str]]:
        """One-sided p-value of each test that was made, and what it says if it is small."""
        copied = self.copying.value < 0
        cluster = f"many slices lie around one patient, {self.cluster.patient} (cluster)"
        made = {
            "authenticity": (
                self.authenticity.p,
                "more slices than of real patients lie closer to a training slice than "
                "its own nearest neighbour does (authenticity)",
            ),
            "generalisation gap": (
                self.gap.p,
                "the set lies closer to training patients than to others (gap)",
            ),
            "C_T": (
                self.copying.p,
                "slices lie closer to the training set than held-out ones (C_T)"
                if copied
                else "slices lie farther from the training set than held-out ones: "
                "underfitted (C_T)",
            ),
            "privacy loss": (
                self.loss.p,
                "training patients are harder to tell from the set than others (privacy loss)",
            ),
            "cluster": (self.cluster.p, cluster),
            "diversity": (
                self.diversity.p,
                "the set is less varied than real patients (diversity)",
            ),
        }
        if self.texture is not None:
            made["texture"] = (
                self.texture.p,
                "slices from training masks resemble those patients beyond what the mask "
                "forces (texture)",
            )
        for vendor, one in self.styles.items():
            words = f"the style of {vendor} points to one patient, {one.patient}"
            made[f"style of {vendor}"] = (one.p, words)
        return {name: test for name, test in made.items() if not np.isnan(test[0])}

    @property
    def corrected(self) -> dict[str, float]:
        """P-values of `tests`, corrected for their number."""
        return corrected({name: p for name, (p, _) in self.tests.items()})

    def findings(self) -> list[str]:
        """What lies outside of what real patients give, in plain words; empty if nothing does.

        Of sets in which there is nothing to find, a share `LEVEL` at most has any finding.
        """
        p = self.corrected
        return [words for name, (_, words) in self.tests.items() if p[name] <= LEVEL]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        estimates = {
            "authenticity": self.authenticity,
            "generalisation_gap": self.gap,
            "data_copying": self.copying,
            "adversarial_accuracy_held_out": self.accuracy_held_out,
            "adversarial_accuracy_training": self.accuracy_training,
            "privacy_loss": self.loss,
            "diversity": self.diversity,
        }
        return {
            "name": self.name,
            "sha256": self.sha256,
            "slices": self.slices,
            "findings": self.findings(),
            "tests": {
                name: {"p": round(p, 5), "corrected": round(self.corrected[name], 5)}
                for name, (p, _) in self.tests.items()
            },
            **{key: _rounded(asdict(one)) for key, one in estimates.items()},
            "cluster": _rounded(asdict(self.cluster)),
            "texture": None if self.texture is None else self.texture.as_dict(),
            "styles": {vendor: _rounded(asdict(one)) for vendor, one in self.styles.items()},
        }


@dataclass(frozen=True, eq=False)
class RealSets:
    """Training and held-out patients with their descriptors, whole and with the heart covered."""

    training: Sample
    held_out: Sample
    whole: tuple[NDArray[np.float32], NDArray[np.float32]]
    covered: tuple[NDArray[np.float32], NDArray[np.float32]]


def real_sets(training: Sample, held_out: Sample, detector: CopyDetector) -> RealSets:
    """Describe real slices, once for all sets that are compared with them.

    Raises
    ------
    InputError
        If a patient is on both sides, or there are too few.
    """
    require_disjoint(training, held_out)
    for sample, side in ((training, "training"), (held_out, "held-out")):
        if (count := len(np.unique(sample.persons))) < LEAST:
            raise InputError(f"{count} {side} patients, and {LEAST} are needed; name more.")
    both = (training, held_out)
    whole = tuple(detector.descriptors(one.pixels)[0] for one in both)
    covered = tuple(detector.descriptors(heart_covered(one))[0] for one in both)
    return RealSets(training, held_out, whole, covered)  # type: ignore[arg-type]


def audit_overfitting(
    sample: Sample,
    real: RealSets,
    detector: CopyDetector,
    *,
    sha256: str | None = None,
    generator: Generator | None = None,
    steps: int | None = None,
    per_style: int = 64,
    own_masks: int = 2,
    seed: int = 2026,
) -> Iterator[Progress | Overfitting]:
    """Run all tests.

    Parameters
    ----------
    sample : Sample
        Synthetic slices.
    generator : Generator, optional
        That made them and follows masks; without it neither texture nor styles are looked at.
    per_style : int
        Slices made in each vendor's style.
    own_masks : int
        Slices made from the masks of every real patient.

    Yields
    ------
    Progress or Overfitting
    """
    groups = sample.persons
    if len(np.unique(groups)) < LEAST:
        raise InputError(
            f"{sample.name}: masks of {len(np.unique(groups))} patients, and {LEAST} are needed."
        )
    whole, _ = detector.descriptors(sample.pixels)
    trained, held = real.whole
    names = real.training.persons
    others = real.held_out.persons
    sets = (whole, trained, held, groups, names, others)
    with_held_out, with_training, loss = privacy_loss(*sets, seed=seed)
    at, _ = nearest(whole, trained, groups, names)
    at_real, _ = nearest(held, trained)
    authentic_real = share_estimate(authentic(held, trained), others, real=np.nan, seed=seed)
    authenticity = share_estimate(
        authentic(whole, trained, groups, names), groups, real=authentic_real.value, seed=seed
    )
    error = float(np.hypot(authenticity.error, authentic_real.error))
    texture: Figures | None = None
    styles: dict[str, Cluster] = {}
    if generator is not None:
        vendors = [str(v) for v in np.unique(real.training.vendors) if v]
        rows = _spread(real.held_out, per_style)
        real_rows = (_few_each(real.training, own_masks), _few_each(real.held_out, own_masks))
        total = sum(map(len, real_rows)) + len(vendors) * len(rows)
        done = 0
        made: list[NDArray[np.float32]] = []
        for part, index in zip((real.training, real.held_out), real_rows, strict=True):
            pictures: list[NDArray[np.float32]] = []
            for batch in counterparts(generator, part, index, seed=seed, steps=steps):
                pictures.append(batch)
                done += len(batch)
                yield Progress(done, total)
            made.append(np.concatenate(pictures))
        texture = _texture(made, real, real_rows, detector, seed)
        at_covered, _ = nearest(real.covered[1], real.covered[0])
        for vendor in vendors:
            pictures = []
            for batch in counterparts(
                generator, real.held_out, rows, seed=seed, steps=steps, vendor=vendor
            ):
                pictures.append(batch)
                done += len(batch)
                yield Progress(done, total)
            styled = replace(real.held_out.take(rows), name=vendor, pixels=np.concatenate(pictures))
            seen, _ = detector.descriptors(heart_covered(styled))
            found, _ = nearest(seen, real.covered[0])
            same = real.held_out.vendors == vendor
            if len(np.unique(others[same])) >= LEAST:
                styles[vendor] = cluster(
                    names[found], styled.persons, names[at_covered[same]], others[same], seed=seed
                )
    yield Overfitting(
        sample.name,
        sha256,
        len(sample),
        authenticity.tested(-1, error),
        generalisation_gap(*sets, seed=seed),
        data_copying(whole, held, trained, groups, others, names, seed=seed),
        with_held_out,
        with_training,
        loss,
        cluster(names[at], groups, names[at_real], others, seed=seed),
        diversity(whole, held, groups, others, seed=seed),
        texture,
        styles,
    )


def heart_covered(sample: Sample) -> NDArray[np.float32]:
    """Slices with the heart and a margin under the mean grey of the rest."""
    from scipy.ndimage import binary_dilation

    covered = sample.pixels.copy()
    for picture, labels in zip(covered, sample.labels, strict=True):
        heart = (labels > 0) & (labels != UNLABELLED)
        if heart.any():
            heart = binary_dilation(heart, iterations=HEART_MARGIN)
            picture[heart] = picture[~heart].mean() if not heart.all() else 0.5
    return covered


def _texture(
    made: list[NDArray[np.float32]],
    real: RealSets,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    detector: CopyDetector,
    seed: int,
) -> Figures:
    """Distances of slices to the real one of their mask, training against held-out patients."""
    apart = [
        np.linalg.norm(detector.descriptors(pictures)[0] - bank[index], axis=1)
        for pictures, bank, index in zip(made, real.whole, rows, strict=True)
    ]
    both = joined(
        [real.training.take(rows[0]), real.held_out.take(rows[1])], name="masks of patients"
    )
    member = np.arange(len(both)) < len(rows[0])
    cohorts = np.array([row.cohort for row in both.rows])
    return figures(-np.concatenate(apart), member, both.persons, cohorts, seed=seed)


def _spread(sample: Sample, count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, len(sample) - 1, min(count, len(sample))).round().astype(int))


def _few_each(sample: Sample, count: int) -> NDArray[np.int64]:
    """So many slices of each person, evenly spread and away from both ends."""
    kept: list[int] = []
    for person in np.unique(sample.persons):
        rows = np.flatnonzero(sample.persons == person)
        places = np.linspace(0, len(rows) - 1, count + 2).round().astype(int)[1:-1]
        kept += rows[np.unique(places)].tolist()
    return np.array(sorted(kept))


def _rounded(facts: dict[str, Any]) -> dict[str, Any]:
    """Numbers to four places, and none where there is none."""
    return {
        key: value if not isinstance(value, float) else round(value, 4) if value == value else None
        for key, value in facts.items()
    }
