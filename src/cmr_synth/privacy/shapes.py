"""Does the shape model give its patients away? Nearest shapes and membership, by person.

Distances are between outlines, in mm, without how the heart is turned in the picture. Attackers
have a person's masks, and either sampled hearts alone or the numbers of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.shapes import ShapeModel, ShapeParameters, layout
from cmr_synth.anatomy.shapes.statistics import metric_mm
from cmr_synth.privacy.membership.figures import Figures, figures
from cmr_synth.privacy.overfitting.measures import Estimate, data_copying, nearest

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, kw_only=True, eq=False)
class Person:
    """Somebody whose masks are known.

    Attributes
    ----------
    name, pathology : str
    shape : ShapeParameters
    """

    name: str
    pathology: str
    shape: ShapeParameters


@dataclass(frozen=True, kw_only=True)
class ShapeAudit:
    """What was found.

    Attributes
    ----------
    sampled_mm, held_out_mm : tuple of float
        `QUANTILES` of the distance to the nearest training shape, of sampled hearts and of people
        who were not trained on.
    nearer_share : float
        Of sampled hearts that lie nearer to a training shape than 95 % of held-out people do.
    copying : Estimate
        C_T of Meehan et al.: far below 0 if sampled hearts lie nearer to training shapes than
        held-out people.
    from_samples : Figures
        Membership by the distance of a person to the nearest sampled heart.
    from_model : Figures
        Membership by what the model's mean and modes leave of a person's shape.
    """

    sampled_mm: tuple[float, ...]
    held_out_mm: tuple[float, ...]
    nearer_share: float
    copying: Estimate
    from_samples: Figures
    from_model: Figures

    def as_dict(self) -> dict[str, Any]:
        """For JSON and cards."""
        return {
            "nearest_training_shape_mm": {
                "quantiles": list(QUANTILES),
                "sampled": [round(v, 1) for v in self.sampled_mm],
                "held_out": [round(v, 1) for v in self.held_out_mm],
                "sampled_nearer_than_5_percent_of_held_out": round(self.nearer_share, 3),
            },
            "data_copying_c_t": {
                "value": round(self.copying.value, 2),
                "interval": [round(self.copying.low, 2), round(self.copying.high, 2)],
            },
            "membership_from_samples": self.from_samples.as_dict(),
            "membership_from_model": self.from_model.as_dict(),
        }


def audit_shapes(
    model: ShapeModel,
    members: Sequence[Person],
    others: Sequence[Person],
    sampled: Sequence[ShapeParameters],
    *,
    seed: int = 0,
) -> ShapeAudit:
    """Audit a shape model.

    Parameters
    ----------
    model : ShapeModel
    members : sequence of Person
        Whom the model was learned from, each once.
    others : sequence of Person
        Whom it was not.
    sampled : sequence of ShapeParameters
        Drawn from the model.
    seed : int
        Of permutations and bootstrap.
    """
    training, held_out = ([one.shape for one in side] for side in (members, others))
    made, trained, real = (vectors(shapes) for shapes in (sampled, training, held_out))
    _, made_mm = nearest(made, trained)
    _, real_mm = nearest(real, trained)
    sides = zip(("sampled", "held out", "training"), (made, real, trained), strict=True)
    groups = [np.array([f"{side} {i}" for i in range(len(part))]) for side, part in sides]
    everyone = [*members, *others]
    member = np.array([True] * len(members) + [False] * len(others))
    names = np.array([one.name for one in everyone])
    strata = np.array([one.pathology for one in everyone])

    def attack(score: NDArray[np.float64]) -> Figures:
        return figures(score, member, names, strata, seed=seed)

    _, to_sample = nearest(np.concatenate([trained, real]), made)
    left = np.array([left_by_model(model, one) for one in everyone])
    return ShapeAudit(
        sampled_mm=_quantiles(made_mm),
        held_out_mm=_quantiles(real_mm),
        nearer_share=float((made_mm < np.quantile(real_mm, 0.05)).mean()),
        copying=data_copying(made, real, trained, *groups, seed=seed),
        from_samples=attack(-to_sample),
        from_model=attack(-left),
    )


def vectors(shapes: Sequence[ShapeParameters]) -> NDArray[np.float64]:
    """Shapes (n, d) whose Euclidean distances are mm of outlines."""
    weights = metric_mm()
    weights[layout.where("tilt")] = 0
    return np.array([shape.vector for shape in shapes]) * weights


def left_by_model(model: ShapeModel, person: Person) -> float:
    """How far a person's shape lies from the nearest that mean and modes can make, mm."""
    back = model.by_modes(person.shape, pathology=person.pathology)
    return float(np.linalg.norm(vectors([person.shape])[0] - vectors([back])[0]))


def _quantiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(v) for v in np.quantile(values, QUANTILES))
