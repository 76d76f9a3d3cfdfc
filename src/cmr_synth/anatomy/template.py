"""Hearts drawn in code: short-axis label maps with realistic sizes, from a seed and no data.

They serve as test fixtures, as the bundled masks of the demonstration and as a first canvas to
paint on. Outlines follow the medians of 100 manually segmented patients of the ACDC challenge
(Bernard et al. 2018, doi:10.1109/TMI.2018.2837502); volumes, masses and ejection fractions of
normal hearts lie within `reference.NORMAL`. Pixels are engine labels in the canonical radiological
display: the RV lies on the left side of the picture.

Geometry, in mm: the LV blood pool is a disc about the long axis whose radius falls from base to
apex; the myocardium is a band around it; the RV blood pool is a bent oval on the septal side, of
which the band cuts off the inner part. Low Fourier orders, drawn once per heart, make the outlines
irregular and change smoothly from slice to slice.

From ED to ES both ventricles become shorter, because the base moves towards the apex: the most
basal slice of a stack then lies above them and shows none. The wall keeps its volume, as muscle
does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import BACKGROUND, LV, MYO, RV
from cmr_synth.errors import InputError

Level = Literal["basal", "mid", "apical"]
Phase = Literal["ED", "ES"]
Anatomy = Literal["normal", "dilated", "hypertrophic"]

LEVELS: dict[str, float] = {"basal": 0.12, "mid": 0.5, "apical": 0.85}
"""Slice position of each level: 0 at the base, 1 at the apex."""

PHASES: tuple[str, ...] = ("ED", "ES")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of one anatomy in one phase, in mm at the base.

    Attributes
    ----------
    cavity : float
        Radius of the LV blood pool.
    wall : float
        Mean thickness of the myocardium.
    septal_excess : float
        How much thicker the septum is than the mean, and the lateral wall thinner, as a fraction.
    rv_depth : float
        From the septum to the RV free wall.
    rv_height : float
        Half the extent of the RV across that direction.
    length : float
        Of the long axis, as a share of that at ED.
    """

    cavity: float
    wall: float
    septal_excess: float
    rv_depth: float
    rv_height: float
    length: float = 1.0


SIZES: dict[str, dict[str, Sizes]] = {
    "normal": {
        "ED": Sizes(cavity=29.4, wall=7.3, septal_excess=0.06, rv_depth=44, rv_height=48),
        "ES": Sizes(
            cavity=19.8, wall=11.6, septal_excess=0.03, rv_depth=27, rv_height=38, length=0.87
        ),
    },
    "dilated": {
        "ED": Sizes(cavity=37.0, wall=6.7, septal_excess=0.02, rv_depth=42, rv_height=52),
        "ES": Sizes(
            cavity=32.6, wall=7.6, septal_excess=0.02, rv_depth=31, rv_height=44, length=0.98
        ),
    },
    "hypertrophic": {
        "ED": Sizes(cavity=25.8, wall=13.0, septal_excess=0.30, rv_depth=42, rv_height=45),
        "ES": Sizes(
            cavity=15.4, wall=19.0, septal_excess=0.20, rv_depth=26, rv_height=36.5, length=0.88
        ),
    },
}
"""Every anatomy by name, then by phase; the wall at ES is what the one at ED comes to."""

_ORDERS = np.arange(2, 6)  # an outline's order 1 is a shift of its centre
_SMALLEST_RV_MM2 = 25.0  # nobody draws fewer than about ten pixels


@dataclass(frozen=True, kw_only=True)
class _Individual:
    """What makes one heart differ from the next: drawn once, then applied to every slice."""

    sizes: dict[str, Sizes]  # by phase
    centre: NDArray[np.float64]  # (2,) mm from the image centre to the LV axis, (y, x)
    drift: NDArray[np.float64]  # (2,) mm that the axis moves further from base to apex
    tilt: float  # radians by which the RV lies below the horizontal at the base
    twist: float  # further radians from base to apex
    lean: float  # slant of the RV free wall
    cavity: NDArray[np.complex128]  # (2, orders) Fourier coefficients at the base and the apex
    wall: NDArray[np.complex128]
    rv: NDArray[np.complex128]


def draw_slice(
    *,
    shape: tuple[int, int] = (128, 128),
    spacing: tuple[float, float] = (1.5, 1.5),
    level: Level | float = "mid",
    phase: Phase = "ED",
    anatomy: Anatomy = "normal",
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Draw one short-axis slice.

    Parameters
    ----------
    shape : (y, x)
        Pixels. A field of view smaller than the heart cuts it.
    spacing : (y, x) in mm
        Pixel size.
    level : str or float
        "basal", "mid", "apical", or a position from 0 (base) to 1 (apex).
    phase : str
        "ED" or "ES".
    anatomy : str
        "normal", "dilated" or "hypertrophic".
    seed : int
        Which individual. Levels and phases of one seed and anatomy belong to one heart.

    Returns
    -------
    (y, x) uint8 array
        Engine labels.

    Raises
    ------
    InputError
        If a name is unknown, the level is outside 0 to 1, or shape or spacing are not positive.
    """
    if isinstance(level, str):
        position = LEVELS[_known("level", level, LEVELS)]
    else:
        position = float(level)
        if not 0 <= position <= 1:
            raise InputError(f"level {level} is outside 0 (base) to 1 (apex).")
    _known("phase", phase, PHASES)
    _check_grid(shape, spacing)
    return _draw(position, phase, _individual(anatomy, seed), shape, spacing)


def draw_stack(
    *,
    slices: int = 8,
    shape: tuple[int, int] = (128, 128),
    spacing: tuple[float, float, float] = (8.0, 1.5, 1.5),
    phase: Phase = "ED",
    anatomy: Anatomy = "normal",
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Draw a stack of slices that spans the ventricle from base to apex.

    The first slice is the most basal. The ventricle is as long as the stack, so its volume grows
    with the number and distance of the slices; the default is 120 to 150 mL in a normal heart.

    Parameters
    ----------
    slices : int
        How many.
    shape : (y, x)
        Pixels of each slice.
    spacing : (z, y, x) in mm
        Distance between slices, then pixel size.
    phase, anatomy, seed
        As in `draw_slice`.

    Returns
    -------
    (z, y, x) uint8 array
        Engine labels.

    Raises
    ------
    InputError
        As `draw_slice`, or if there is not at least one slice.
    """
    if slices < 1:
        raise InputError(f"a stack of {slices} slices cannot be drawn; ask for at least 1.")
    _known("phase", phase, PHASES)
    _check_grid((slices, *shape), spacing)
    individual = _individual(anatomy, seed)
    # the apex stays where it is, the base moves towards it; a ventricle ends between slices
    spanned = max(round(slices * individual.sizes[phase].length), 1)
    in_plane = (spacing[1], spacing[2])
    stack = np.full((slices, *shape), BACKGROUND, dtype=np.uint8)
    for k in range(spanned):
        z = (k + 0.5) / spanned
        stack[slices - spanned + k] = _draw(z, phase, individual, shape, in_plane)
    return stack


def _individual(anatomy: str, seed: int) -> _Individual:
    typical = SIZES[_known("anatomy", anatomy, SIZES)]
    rng = np.random.default_rng([seed, list(SIZES).index(anatomy)])

    size = _about_one(rng, 0.02)
    wall = size * _about_one(rng, 0.04)
    rv = size * _about_one(rng, 0.02)
    # Drawn per phase, because this is what moves the ejection fraction.
    cavity = {"ED": size * _about_one(rng, 0.015), "ES": size * _about_one(rng, 0.025)}
    sizes = {
        phase: Sizes(
            cavity=of.cavity * cavity[phase],
            wall=of.wall * wall,
            septal_excess=of.septal_excess,
            rv_depth=of.rv_depth * rv,
            rv_height=of.rv_height * rv,
            length=of.length,
        )
        for phase, of in typical.items()
    }
    sizes["ES"] = replace(sizes["ES"], wall=_wall_of_equal_volume(sizes["ED"], sizes["ES"]))
    tilt = float(rng.uniform(-0.65, 0.3))
    return _Individual(
        sizes=sizes,
        # Both ventricles together are centred at the base, so the LV lies to the right.
        centre=sizes["ED"].rv_depth / 2 * np.array([-np.sin(tilt), np.cos(tilt)]),
        drift=rng.normal(0, 1.5, size=2),
        tilt=tilt,
        twist=float(rng.uniform(0.15, 0.5)),
        lean=float(rng.uniform(-0.15, 0.15)),
        cavity=_outline(rng, 0.018),
        wall=_outline(rng, 0.05),
        rv=_outline(rng, 0.03),
    )


def _wall_of_equal_volume(before: Sizes, after: Sizes) -> float:
    """Thickness at which the wall has the volume that it had before, in mm at the base."""
    from scipy.optimize import brentq

    z = (np.arange(64) + 0.5) / 64

    def volume(sizes: Sizes, wall: float) -> float:
        cavity, thickness = _cavity_mm(sizes, z), wall * _wall_share(z)
        return sizes.length * float(((cavity + thickness) ** 2 - cavity**2).mean())

    return float(
        brentq(lambda w: volume(after, w) - volume(before, before.wall), 0, 10 * before.wall)
    )


def _cavity_mm(sizes: Sizes, z: Any) -> Any:
    """Radius of the LV blood pool at a position."""
    return sizes.cavity * np.sqrt(1 - 0.85 * z**2.6)


def _wall_share(z: Any) -> Any:
    """Thickness of the wall at a position, as a share of that at the base."""
    return 1 - 0.25 * z**2


def _outline(rng: np.random.Generator, roughness: float) -> NDArray[np.complex128]:
    """Fourier coefficients that fall with the order, as in hand-drawn contours."""
    real, imaginary = rng.normal(size=(2, 2, _ORDERS.size))
    base, change = real + 1j * imaginary
    falling = roughness * (2 / _ORDERS) ** 1.5
    return np.asarray(np.stack([base, base + 0.8 * change]) * falling, dtype=np.complex128)


def _about_one(rng: np.random.Generator, spread: float) -> float:
    """Draw a factor near 1, at most two standard deviations away."""
    return float(1 + spread * np.clip(rng.normal(), -2, 2))


def _draw(
    z: float,
    phase: str,
    individual: _Individual,
    shape: tuple[int, int],
    spacing: tuple[float, float],
) -> NDArray[np.uint8]:
    """Label the pixels of one slice by where they lie relative to the outlines."""
    sizes = individual.sizes[phase]
    cavity_mm = _cavity_mm(sizes, z)
    wall_mm = sizes.wall * _wall_share(z)

    centre = individual.centre + individual.drift * z
    rows = (np.arange(shape[0]) - (shape[0] - 1) / 2) * spacing[0] - centre[0]
    columns = (np.arange(shape[1]) - (shape[1] - 1) / 2) * spacing[1] - centre[1]
    y, x = np.meshgrid(rows, columns, indexing="ij")

    # Axes of the septum: `out` points from the LV to the RV, `along` from anterior to inferior.
    tilt = individual.tilt + individual.twist * z
    out = -x * np.cos(tilt) + y * np.sin(tilt)
    along = x * np.sin(tilt) + y * np.cos(tilt)
    radius = np.hypot(out, along)
    angle = np.arctan2(along, out)  # 0 in the middle of the septum

    endocardium = cavity_mm * (1 + _wave(individual.cavity, z, angle))
    excess = sizes.septal_excess * np.cos(angle) + _wave(individual.wall, z, angle)
    epicardium = endocardium + wall_mm * (1 + excess)
    septum_mm = cavity_mm + wall_mm * (1 + sizes.septal_excess)

    labels = np.full(shape, BACKGROUND, dtype=np.uint8)
    labels[radius <= epicardium] = MYO
    labels[radius <= endocardium] = LV
    rv = _in_right_ventricle(out, along, septum_mm, individual, phase, z) & (labels == BACKGROUND)
    return _with_right_ventricle(labels, rv, spacing[0] * spacing[1])


def _with_right_ventricle(
    labels: NDArray[np.uint8], rv: NDArray[np.bool_], pixel_mm2: float
) -> NDArray[np.uint8]:
    """Add the RV as one piece without pockets at the septum, or not at all if it is too small."""
    from scipy.ndimage import binary_fill_holes, label

    pieces, _ = label(rv)
    sizes = np.bincount(pieces.ravel())[1:]
    if not sizes.size or sizes.max() * pixel_mm2 < _SMALLEST_RV_MM2:
        return labels
    rv = pieces == 1 + sizes.argmax()
    pockets = binary_fill_holes(rv | (labels != BACKGROUND)) & (labels == BACKGROUND)
    labels[rv | pockets] = RV
    return labels


def _in_right_ventricle(
    out: NDArray[np.float64],
    along: NDArray[np.float64],
    septum_mm: float,
    individual: _Individual,
    phase: str,
    z: float,
) -> NDArray[np.bool_]:
    """Points inside the oval of which the RV is the part that the LV does not cover."""
    depth_mm = individual.sizes[phase].rv_depth * (1 - z**2.2)
    height_mm = individual.sizes[phase].rv_height * (1 - 0.85 * z**1.7)
    half_width = (depth_mm + 0.8 * septum_mm) / 2
    centre = septum_mm + depth_mm - half_width
    bent = out - centre + 0.2 * along**2 / height_mm  # both ends curve around the LV
    u = (bent - individual.lean * along) / half_width
    v = along / height_mm
    angle = np.arctan2(v, u)
    # Order 3 draws the triangle: the anterior horn, the acute margin below, one corner in the LV.
    corners = 0.11 * np.cos(3 * (angle - np.deg2rad(40)))
    return np.hypot(u, v) <= 1 + corners + _wave(individual.rv, z, angle)


def _wave(
    coefficients: NDArray[np.complex128], z: float, angle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Relative departure of an outline from its mean at each angle."""
    base, apex = coefficients
    turn = np.cos(angle) + 1j * np.sin(angle)
    # the sum over the orders of mixed * turn ** order, by Horner's rule: powers would be slow
    total = np.zeros_like(turn)
    for mixed in ((1 - z) * base + z * apex)[::-1]:
        total = (total + mixed) * turn
    return np.real(total * turn ** (_ORDERS[0] - 1))


def _known(what: str, name: str, names: Collection[str]) -> str:
    if name not in names:
        raise InputError(f"unknown {what} {name!r}; known are {', '.join(names)}.")
    return name


def _check_grid(shape: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    if len(shape) != len(spacing) or min(shape) < 1:
        raise InputError(f"cannot draw on a grid of shape {shape} with spacing {spacing} mm.")
    if not all(np.isfinite(step) and step > 0 for step in spacing):
        raise InputError(f"spacing {spacing} mm; every step must be a positive number.")
