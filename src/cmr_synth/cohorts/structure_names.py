"""Which structure a name means: tables of labels that people write beside their masks."""

from __future__ import annotations

import re

from cmr_synth.anatomy.labels import (
    BACKGROUND,
    INFARCT,
    LV,
    MYO,
    NO_REFLOW,
    RV,
    UNLABELLED,
)

_NAMES = {
    BACKGROUND: ("background", "bg", "none", "clear label"),
    LV: (
        "lv",
        "lvc",
        "lvbp",
        "lv cavity",
        "lv blood pool",
        "left ventricle",
        "left ventricular cavity",
        "left ventricular blood pool",
        "left ventricle blood pool",
        "left ventricle cavity",
    ),
    MYO: (
        "myo",
        "mlv",
        "lvm",
        "lvmyo",
        "myocardium",
        "lv myo",
        "lv myocardium",
        "left ventricular myocardium",
        "left ventricle myocardium",
        "lv wall",
    ),
    RV: (
        "rv",
        "rvc",
        "rvbp",
        "rv cavity",
        "rv blood pool",
        "right ventricle",
        "right ventricular cavity",
        "right ventricular blood pool",
        "right ventricle blood pool",
        "right ventricle cavity",
    ),
    INFARCT: ("infarct", "infarction", "mi", "scar", "myocardial infarction"),
    NO_REFLOW: ("no reflow", "mvo", "microvascular obstruction"),
    UNLABELLED: ("ignore", "unlabelled", "unlabeled", "unknown"),
}


def structure_named(name: str) -> int | None:
    """The engine label that a structure's name means; None if it is none of the heart's three."""
    plain = " ".join(re.findall(r"[a-z]+", name.lower()))
    return next((label for label, names in _NAMES.items() if plain in names), None)
