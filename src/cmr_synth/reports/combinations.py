"""The report of combinations of contrast and pathology, with what was never seen in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cmr_synth.cohorts.examination import CONTRASTS
from cmr_synth.evaluation.combinations import Answers, Combinations
from cmr_synth.generators.card import Card
from cmr_synth.generators.combinations import NEVER_SEEN
from cmr_synth.reports.content import Content, Table
from cmr_synth.reports.numbers import interval_in_words

ASKED = {
    "Contrast": "",
    "Pathology": "",
    "in training": "patients who had both",
    "patients": "held out, whose masks were followed",
    "pictures": "",
    "Dice": "of the segmenter's contours with the masks, mean of LV cavity and wall",
    "contrast told": "share that a classifier of the bundled encoder's features calls the contrast",
    "pathology told": "share whose contours have, by their shape, the pathology",
    "called": "what else the shapes are called",
}


def combinations_content(
    found: Mapping[str, tuple[Card, Combinations]], *, split: str, seed: int, segmenter: str
) -> Content:
    """Lay out what `cmr_synth.evaluation.combinations` found, model by model.

    Parameters
    ----------
    found : mapping
        Name of a model to its card and the answers.
    segmenter : str
        SHA-256 of the weights that contoured the pictures.
    """
    tables = []
    for name, (card, answers) in found.items():
        tables += [
            _seen(name, card),
            _table(f"{name}: on masks of held-out patients", answers.on_masks),
            _table(f"{name}: from the words alone", answers.from_words, masks=False),
            _table(f"{name}: the same judges about real held-out slices", answers.real),
        ]
    new = sorted(
        {
            f"{one.contrast} x {one.pathology}"
            for _, answers in found.values()
            for one in (*answers.on_masks, *answers.from_words)
            if not one.seen
        }
    )
    return Content(
        title="Contrast x pathology",
        lead="What a model makes of combinations, and what judges who learned from real patients "
        f"say of it; patients of the {split} split, 95 % intervals over patients (over pictures "
        "where no mask was followed). The segmenter was trained on cine: compare its Dice with "
        "that on real slices of the same contrast.",
        tables=tuple(tables),
        facts=(("Seed", str(seed)), ("Segmenter", f"sha256 {segmenter}")),
        remarks=tuple(
            f"{combination}: {NEVER_SEEN}; its pictures are extrapolated and tell nothing of real "
            "patients."
            for combination in new
        ),
        data={
            "models": {
                name: {
                    "training": [one.model_dump() for one in card.training.combinations],
                    **answers.as_dict(),
                }
                for name, (card, answers) in found.items()
            },
            "never_seen_in_training": new,
            "split": split,
            "seed": seed,
            "segmenter_sha256": segmenter,
        },
    )


def _seen(name: str, card: Card) -> Table:
    seen = card.training.combinations
    pathologies = list(dict.fromkeys(one.pathology for one in seen))
    people = {(one.contrast, one.pathology): one.patients for one in seen}
    rows = [
        [CONTRASTS[contrast], *(people.get((contrast, p), "none") for p in pathologies)]
        for contrast in card.conditions.contrasts
    ]
    columns = {"Contrast": "", **{p or "not known": "" for p in pathologies}}
    return Table(columns, rows, title=f"{name}: patients in training")


def _table(title: str, answers: Sequence[Answers], *, masks: bool = True) -> Table:
    left_out = () if masks else ("patients", "Dice")
    rows = []
    for one in answers:
        called = sorted(one.called.items(), key=lambda word: -word[1])
        cells = {
            "Contrast": one.contrast,
            "Pathology": one.pathology or "not known",
            "in training": one.seen or NEVER_SEEN,
            "patients": one.patients,
            "pictures": one.pictures,
            "Dice": interval_in_words(*one.dice),
            "contrast told": interval_in_words(*one.told_contrast),
            "pathology told": interval_in_words(*one.told_pathology),
            "called": ", ".join(f"{word} {share:.0%}" for word, share in called[:3]),
        }
        rows.append([cell for column, cell in cells.items() if column not in left_out])
    columns = {name: about for name, about in ASKED.items() if name not in left_out}
    return Table(columns, rows, title=title)
