"""What a release asked for and what was measured of it: mix, function, adherence, anatomy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.evaluation.resampling import mean_interval
from cmr_synth.release.asked import Asked
from cmr_synth.release.request import FUNCTION, ReleaseRequest

MISSED_OF_REAL = 0.05
"""Share of real slices on which a structure counts as missed: so the bounds are made."""

Patients = Sequence[Mapping[str, Any]]
"""As `state.Work.patients` has them, in the order of their numbers."""


def mix_of(people: Sequence[Asked], patients: Patients) -> dict[str, dict[str, dict[str, int]]]:
    """Patients asked for and made, by pathology and vendor."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for what in ("pathology", "vendor"):
        asked = Counter(getattr(one, what) or "unspecified" for one in people)
        made = Counter(one["asked"][what] or "unspecified" for one in patients)
        found[what] = {
            word: {"asked": count, "made": made[word]} for word, count in sorted(asked.items())
        }
    return found


def function_of_all(request: ReleaseRequest, patients: Patients) -> dict[str, dict[str, Any]]:
    """Measured function of all patients, and how far it lies from what was asked for.

    Returns
    -------
    dict
        Name of the measurement to its mean, standard deviation and range in the masks and in the
        pictures; and, where it was asked for, the share of patients within the tolerance.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in FUNCTION:
        own: dict[str, Any] = {}
        for where in ("mask", "picture"):
            values = [one["measured"][where].get(name) for one in patients]
            known = np.array([value for value in values if value is not None], float)
            if len(known):
                own[where] = {
                    "patients": len(known),
                    "mean": round(float(known.mean()), 2),
                    "sd": round(float(known.std(ddof=1)), 2) if len(known) > 1 else None,
                    "range": [round(float(known.min()), 2), round(float(known.max()), 2)],
                }
        pairs = [
            (
                one["asked"]["function"][name],
                one["measured"]["mask"][name],
                request.function_of(one["asked"]["pathology"])[name].allowed,
            )
            for one in patients
            if name in one["asked"]["function"] and name in one["measured"]["mask"]
        ]
        if pairs:
            asked, measured, allowed = (np.array(column) for column in zip(*pairs, strict=True))
            off = np.abs(measured - asked)
            own["asked"] = {
                "patients": len(pairs),
                "within_tolerance": int((off <= allowed + 1e-9).sum()),
                "mean_difference": round(float((measured - asked).mean()), 2),
                "largest_difference": round(float(off.max()), 2),
                "tolerance": sorted({round(float(one), 3) for one in allowed}),
            }
        if own:
            found[name] = own
    return found


def adherence_of(patients: Patients) -> dict[str, Any] | None:
    """How the pictures follow their masks, as the segmenter saw every slice when it was made.

    Returns
    -------
    dict or None
        None where pictures were not looked at. Dice by structure is the mean over patients of the
        means over their slices, with its 95 % interval over patients.
    """
    checks = [picture["check"] for one in patients for picture in one["pictures"]]
    if not any(checks):
        return None
    slices = [one for check in checks for one in check["slices"]]
    dice = {}
    for structure in STRUCTURES:
        by_patient = []
        for one in patients:
            values = [
                seen["dice"][structure]
                for picture in one["pictures"]
                for seen in picture["check"]["slices"]
                if structure in seen["dice"]
            ]
            if values:
                by_patient.append(float(np.mean(values)))
        if by_patient:
            low, high = mean_interval(np.array(by_patient))
            seen = [one for one in slices if structure in one["dice"]]
            dice[structure] = {
                "share_missed": round(
                    sum(structure in one["missed"] for one in seen) / len(seen), 4
                ),
                "share_missed_of_real": MISSED_OF_REAL,
                "mean": round(float(np.mean(by_patient)), 4),
                "interval": [round(low, 4), round(high, 4)],
                "patients": len(by_patient),
            }
    missed = sum(bool(one["missed"]) for one in slices)
    return {
        "segmenter_sha256": next(check["segmenter_sha256"] for check in checks if check),
        "slices": len(slices),
        "drawn_again": sum(check["drawn_again"] for check in checks),
        "slices_of_a_later_attempt": sum(one["attempt"] > 0 for one in slices),
        "missed": missed,
        "share_missed": round(missed / len(slices), 4),
        "dice": dice,
    }


def anatomy_of(patients: Patients) -> dict[str, Any]:
    """Slices of masks that look unlike a heart, as the rules of anatomy find them."""
    slices = sum(len(picture["slices"]) for one in patients for picture in one["pictures"])
    messages = Counter(
        finding["message"]
        for one in patients
        for picture in one["pictures"]
        for finding in picture["findings"]
    )
    return {
        "slices": slices,
        "findings": sum(messages.values()),
        "patients_with_findings": sum(
            any(picture["findings"] for picture in one["pictures"]) for one in patients
        ),
    }
