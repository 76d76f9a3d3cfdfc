"""Draw docs/img/tissues.png: hearts with the chest of their own scan, and with one of the model's.

    .venv/bin/python docs/make_tissues.py --slices open

Slices of Sunnybrook validation patients (CC0), whom no model has seen: the scan, the map of tissues
that is taken from it, a picture of mask and map, and one of the mask alone with the same noise.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from cmr_synth.anatomy.surroundings import TISSUES, tissues_around
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.counterparts import conditions_for, made_for
from cmr_synth.evaluation.sample import real_sample
from cmr_synth.generators import zoo
from cmr_synth.reports.sheet import SheetRow, contact_sheet

HERE = Path(__file__).parent
SHOWN = 8
SEED = 11


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--model", default="flow-open", help="name in the zoo, or a folder")
    options = parser.parse_args()

    real = real_sample(open_slice_set(options.slices), "validation", ["sunnybrook"])
    real = real.take(np.linspace(0, len(real) - 1, SHOWN).astype(int))
    model = zoo.load(options.model)
    asked = conditions_for(model.generator, real)
    maps = [
        tissues_around(
            pixels,
            labels,
            spacing=real.spacing,
            structures=model.generator.config.structures,
        )
        for pixels, labels in zip(real.pixels, real.labels, strict=True)
    ]
    told = [replace(one, tissues=tissues) for one, tissues in zip(asked, maps, strict=True)]
    steps = model.card.default_steps
    followed, free = (
        np.concatenate(list(made_for(model.generator, conditions, seed=SEED, steps=steps)))
        for conditions in (told, asked)
    )
    shown = np.stack(maps).astype(np.float32) / len(TISSUES)
    rows = [
        SheetRow(name="scan", detail="Sunnybrook, CC0", pictures=real.pixels),
        SheetRow(name="tissues", detail="of the scan", pictures=shown),
        SheetRow(name="mask and tissues", detail="synthetic", pictures=followed),
        SheetRow(name="mask alone", detail="synthetic", pictures=free),
    ]
    contact_sheet(rows).save(HERE / "img" / "tissues.png")


if __name__ == "__main__":
    main()
