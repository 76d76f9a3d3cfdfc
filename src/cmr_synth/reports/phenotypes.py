"""The report of phenotypes asked against measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cmr_synth.anatomy.phenotypes import MARKS, PHENOTYPES
from cmr_synth.evaluation.phenotypes import Ranks
from cmr_synth.reports.content import Content, Table
from cmr_synth.reports.numbers import interval_in_words


def phenotypes_content(
    found: Mapping[str, Sequence[Ranks]], *, split: str, seed: int, segmenter: str
) -> Content:
    """Lay out what `cmr_synth.evaluation.phenotypes` found, model by model.

    Parameters
    ----------
    found : mapping
        Name of a model to its ranks.
    segmenter : str
        SHA-256 of the weights that contoured the pictures.
    """
    columns = {
        "Phenotype": "",
        "seen as": "what a middle slice shows of it",
        "patients": "held out",
        "asked": "rank correlation of what was asked with what the picture shows",
        "real": "the same in the patients' own slices: how far a slice can tell",
        "left open": "the same in pictures that were not asked for it: what the rest gives away",
    }
    tables = [
        Table(
            columns,
            [
                [
                    PHENOTYPES[one.name].title,
                    MARKS[PHENOTYPES[one.name].mark][0],
                    one.patients,
                    *(interval_in_words(*x) for x in (one.asked, one.real, one.left_open)),
                ]
                for one in ranks
            ],
            title=name,
        )
        for name, ranks in found.items()
    ]
    return Content(
        title="Phenotypes: asked against measured",
        lead=f"Middle slices at ED and ES, drawn without a mask for the phenotypes of patients of "
        f"the {split} split; 95 % intervals over patients.",
        tables=tuple(tables),
        facts=(("Seed", str(seed)), ("Segmenter", f"sha256 {segmenter}")),
        data={
            "models": {name: [one.as_dict() for one in ranks] for name, ranks in found.items()},
            "split": split,
            "seed": seed,
            "segmenter_sha256": segmenter,
        },
    )
