"""What the bundled segmenter reached on patients of each vendor that it was not trained on.

It is what to expect of *Find the heart* on a scanner. `tools/measure_segmenter.py` writes the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.errors import InputError

FILE = Path(__file__).resolve().parents[1] / "data" / "segmenter_dice.json"

Interval = tuple[float, float, float]
"""Mean of the patients, and both ends of its 95 % interval."""


@dataclass(frozen=True)
class VendorDice:
    """One vendor.

    Parameters
    ----------
    cohort : str
    patients, slices : int
    dice : mapping of structure to Interval
        Pooled over the slices of a patient, then the mean of patients. A structure that the
        cohort does not draw is missing.
    """

    cohort: str
    patients: int
    slices: int
    dice: Mapping[str, Interval]


@dataclass(frozen=True)
class KnownDice:
    """Measured Dice by vendor.

    Parameters
    ----------
    vendors : mapping of vendor to VendorDice
    segmenter_sha256 : str
        Of the weights that it was measured with: the numbers are those of no other.
    """

    vendors: Mapping[str, VendorDice]
    segmenter_sha256: str

    @classmethod
    def load(cls, file: Path = FILE) -> KnownDice:
        """Read the shipped file.

        Raises
        ------
        InputError
            If it is missing or damaged.
        """
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
            vendors = {
                str(vendor): VendorDice(
                    str(one["cohort"]),
                    int(one["patients"]),
                    int(one["slices"]),
                    {
                        name: _interval(one["dice"][name])
                        for name in STRUCTURES
                        if name in one["dice"]
                    },
                )
                for vendor, one in facts["vendors"].items()
            }
            return cls(vendors, str(facts["segmenter_sha256"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{file}: cannot be read ({error!r}); install the program again."
            ) from error


def _interval(numbers: list[float]) -> Interval:
    mean, low, high = (float(number) for number in numbers)
    return mean, low, high
