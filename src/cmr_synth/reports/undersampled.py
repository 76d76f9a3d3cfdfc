"""The report of reconstructions from under-sampled k-space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cmr_synth.evaluation.undersampled import Undersampled
from cmr_synth.reports.content import Content, Table
from cmr_synth.reports.numbers import interval

_NONE = (float("nan"),) * 3
_COLUMNS = {
    "nmse": ("NMSE", "squared error over squared brightness; 0 is the fully sampled slice", 4),
    "psnr_db": ("PSNR dB", "peak signal over root mean square error", 1),
    "ssim": ("SSIM", "structural similarity; 1 is the fully sampled slice", 3),
    "frechet": (
        "Fréchet",
        "distance to the fully sampled slices in the cardiac encoder's features, between "
        "counterparts as rFID is; compares with nothing but this column",
        3,
    ),
    "dice_lv": ("Dice LV", "of what the segmenter finds with what was drawn", 3),
    "dice_myo": ("Dice MYO", "", 3),
    "dice_rv": ("Dice RV", "", 3),
}


def undersampled_content(
    found: Sequence[Undersampled],
    *,
    split: str,
    scanner: Mapping[str, Any],
    methods: Sequence[Mapping[str, Any]],
    seed: int,
    judges: Mapping[str, str],
) -> Content:
    """Lay out what `cmr_synth.evaluation.undersampled` found, one table a way to sample.

    Parameters
    ----------
    found : sequence of Undersampled
    split : str
    scanner : mapping
        Coils and noise.
    methods : sequence of mappings
        The facts of each `Method`.
    seed : int
    judges : mapping
        Name of a judge to the SHA-256 of its weights.
    """
    columns = {"Reconstruction": "", **{words[0]: words[1] for words in _COLUMNS.values()}}
    tables = [
        Table(
            columns,
            [
                [
                    name,
                    *(
                        interval(value, low, high, digits)
                        for figure, (_, _, digits) in _COLUMNS.items()
                        for value, low, high in [own.get(figure, _NONE)]
                    ),
                ]
                for name, own in one.figures.items()
            ],
            title=f"{one.sampling.acceleration:g}-fold, {one.sampling.pattern}",
        )
        for one in found
    ]
    slices, patients = found[0].slices, found[0].patients
    return Content(
        title="Reconstruction from under-sampled k-space",
        lead=f"{slices} slices of {patients} patients of the {split} split; means over patients "
        "with 95 % intervals, patients drawn with replacement.",
        tables=tables,
        remarks=(
            "K-space was simulated from pictures that a scanner had processed already. That "
            "flatters every method; the figures compare methods with each other, not with those "
            "of raw data.",
        ),
        facts=(
            ("Simulated coils", str(scanner["coils"])),
            ("Noise", f"{scanner['noise']:g} of the brightest pixel, in each coil and channel"),
            ("Seed", str(seed)),
            *(
                (one["model"]["name"], f"sha256 {one['sha256']}")
                for one in methods
                if one["learned"]
            ),
            *((name, f"sha256 {digest}") for name, digest in judges.items()),
        ),
        data={
            "split": split,
            "seed": seed,
            "scanner": dict(scanner),
            "methods": [dict(one) for one in methods],
            "judges": dict(judges),
            "found": [one.as_dict() for one in found],
        },
    )
