"""Learn the bundled shape model from training patients; it and its card go into the package.

.venv/bin/python tools/fit_shape_model.py acdc=data/ACDC/training
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from cmr_synth.anatomy.shapes.card import LearnedFrom, ShapeCard, write_card
from cmr_synth.anatomy.shapes.encoding import encode
from cmr_synth.anatomy.shapes.model import BUNDLED
from cmr_synth.anatomy.shapes.outlines import function_of_shape
from cmr_synth.anatomy.shapes.statistics import function_values, learn
from cmr_synth.anatomy.shapes.store import write_statistics
from cmr_synth.cohorts.examination import LeftOut
from cmr_synth.cohorts.hearts import Heart, read_hearts
from cmr_synth.cohorts.reading import told
from cmr_synth.cohorts.registry import load_cohort, parse_sources
from cmr_synth.errors import InputError

MODES = 20
LIMITS = (
    "Adults of one French centre, Siemens 1.5 T and 3 T; no congenital heart disease, no children.",
    "Outlines are smooth: no trabeculae, no papillary muscles, no outflow tract, and the wall is "
    "closed at the base.",
    "Both ends of a stack are as ACDC's annotators drew them, in slices of 5 to 10 mm.",
    "Membership of a training patient can be told from the numbers of the model by whoever has "
    "that patient's masks, and a little better than by chance from many sampled hearts; see the "
    "figures.",
)


def main() -> None:
    """Write `data/heart_shapes` of the package, or another folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", metavar="NAME=PATH", help="cohorts, as everywhere")
    parser.add_argument("--out", type=Path, default=BUNDLED)
    parser.add_argument("--modes", type=int, default=MODES)
    parser.add_argument("--seed", type=int, default=0, help="of the split by patient")
    given = parser.parse_args()
    try:
        fit(given.sources, given.out, modes=given.modes, seed=given.seed)
    except InputError as error:
        sys.exit(str(error))


def fit(sources: list[str], out: Path, *, modes: int, seed: int) -> None:
    """Learn from the training patients of some cohorts and write the model's folder."""
    left_out: list[LeftOut] = []
    hearts: list[Heart] = []
    for name, root in parse_sources(sources):
        hearts += [h for h in read_hearts(name, root, left_out, seed=seed) if h.split == "train"]
    hearts = [heart for heart in hearts if heart.pathology is not None]
    shapes, kept = [], []
    for heart in hearts:
        try:
            shapes.append(encode(heart.ed, heart.es, heart.spacing))
            kept.append(heart)
        except InputError as error:
            left_out.append(LeftOut(f"{heart.cohort} {heart.patient}", str(error)))
    for line in told(left_out):
        print(line, file=sys.stderr)
    vectors = np.array([shape.vector for shape in shapes]).reshape(len(shapes), -1)
    function = np.array([function_values(function_of_shape(shape)) for shape in shapes])
    pathology = np.array([heart.pathology for heart in kept])
    statistics = learn(vectors, function, pathology, modes=modes)
    digest = write_statistics(statistics, out)
    licences = dict.fromkeys(load_cohort(name).licence for name in {h.cohort for h in kept})
    card = ShapeCard(
        format=1,
        name="heart-shapes",
        version="1",
        title="Shapes of short-axis hearts at end-diastole and end-systole",
        description=(
            "Radii of endocardium, epicardium and RV over angle, level and phase; means by "
            "pathology, principal components within pathologies, and their regression on volumes, "
            "ejection fractions and mass. Draws whole stacks without any patient's mask."
        ),
        licence=f"{' and '.join(licences)}, as the masks that it was learned from",
        learned_from=tuple(
            _learned_from(name, [h for h in kept if h.cohort == name])
            for name in dict.fromkeys(h.cohort for h in kept)
        ),
        split={"seed": seed, "side": "train"},
        pathologies=statistics.pathologies,
        modes=modes,
        sha256=digest,
        limits=LIMITS,
    )
    write_card(card, out)
    print(f"{out}: {len(kept)} patients, {modes} modes")


def _learned_from(name: str, hearts: list[Heart]) -> LearnedFrom:
    cohort = load_cohort(name)
    return LearnedFrom(
        name=name,
        title=cohort.title,
        licence=cohort.licence,
        citation=cohort.citation,
        patients=len(hearts),
        by_pathology=dict(sorted(Counter(str(heart.pathology) for heart in hearts).items())),
    )


if __name__ == "__main__":
    main()
