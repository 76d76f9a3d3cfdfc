"""Put a finished training into the package: weights, configuration and a measured card.

    .venv/bin/python tools/bundle_model.py runs/flow-few-step --name flow \\
        --slices prepared --earlier runs/flow --words tools/cards/flow.yaml

    .venv/bin/python tools/bundle_model.py runs/cvae --name cvae --slices prepared \\
        --words tools/cards/cvae.yaml --figures compared/comparison.json

`--words` holds what a person writes (title, description, licence, limits, default steps, machine);
everything else on the card is counted, or measured here on the test patients of the slice set, or
taken from the figures of a `cmr-synth compare` that has measured these very weights.
Run it for the segmenter first: the other models are measured with the bundled one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from bundled_cards import WEIGHTS, put
from measure_zoo import COHORTS, NAMES, cohorts_of

from cmr_synth.cohorts.examination import CINE
from cmr_synth.cohorts.slices import SliceSet, open_slice_set
from cmr_synth.comparison.protocol import Comparison, Row
from cmr_synth.evaluation.adherence.card_facts import card_facts as adherence_facts
from cmr_synth.evaluation.adherence.dice import dice_by_patient
from cmr_synth.evaluation.adherence.patients import patient_scores
from cmr_synth.evaluation.events import Event
from cmr_synth.evaluation.realism.card_facts import card_facts as realism_facts
from cmr_synth.evaluation.realism.estimate import Estimate
from cmr_synth.evaluation.realism.sensitivity import sensitivity
from cmr_synth.evaluation.realism.spaces import EncoderSpace
from cmr_synth.evaluation.resampling import mean_interval
from cmr_synth.evaluation.sample import joined, real_sample
from cmr_synth.files import write_folder
from cmr_synth.generators.card import (
    NOT_MEASURED,
    Card,
    draft_card,
    file_hashes,
    read_card,
    this_machine,
    write_card,
)
from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.judges.segmenter import Segmenter
from cmr_synth.privacy.archive import Archive
from cmr_synth.privacy.archive_writer import build
from cmr_synth.privacy.certificate import Certificate, certify

COPIES = 400
"""Planted of each kind, for the card of the copy detector."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--earlier", type=Path, nargs="*", default=[])
    parser.add_argument(
        "--began", help="bundled model whose weights the first stage began with: its patients count"
    )
    parser.add_argument("--words", type=Path, required=True)
    parser.add_argument("--figures", type=Path, help="comparison.json of `cmr-synth compare`")
    options = parser.parse_args()

    slices = open_slice_set(options.slices)
    words = yaml.safe_load(options.words.read_text(encoding="utf-8"))
    about = json.loads((options.run / "config.json").read_text(encoding="utf-8"))
    stages = [_stage(folder) for folder in [*options.earlier, options.run]]
    card = draft_card(
        options.run, slices, cohorts=about["recipe"]["cohorts"], machine=words.pop("machine")
    )
    facts = card.model_dump(mode="json") | words | {"name": options.name}
    facts["training"] |= {
        "images_seen": sum(stage["images_seen"] for stage in stages),
        "minutes": round(sum(stage["minutes"] for stage in stages), 1),
        "recipe": {"stages": stages},
    }
    if options.began:
        before = read_card(WEIGHTS / options.began / "card.yaml").model_dump(mode="json")
        facts["training"]["cohorts"] = [
            *facts["training"]["cohorts"],
            *before["training"]["cohorts"],
        ]
        facts["citations"] = list(dict.fromkeys([*facts["citations"], *before["citations"]]))
    # a draft beside the run's weights, so that it can be loaded like any model
    write_card(Card(**facts), options.run / "card.yaml")
    if card.family == "segmenter":
        facts["measured"] = {"adherence": _segmenter(options.run, slices)}
    elif card.family == "encoder":
        facts["measured"] = {"fidelity": _encoder(options.run, slices)}
    elif card.family == "copy-detector":
        facts["measured"] = {"privacy": _copy_detector(options.run, slices)}
    elif card.conditions.contrast == CINE:  # others: `measure_zoo.py --enhanced`
        row, protocol = (
            _compared(options.figures, facts["sha256"])
            if options.figures
            else _measure(options.run, slices, cohorts_of(Card(**facts)))
        )
        facts["measured"] = _figures(row, protocol, this_machine())
    with write_folder(WEIGHTS / options.name, replaces="card.yaml") as folder:
        shutil.copy(options.run / "weights.safetensors", folder)
        # paths of the machine that trained it say nothing to others
        about["recipe"] = _without_paths(about["recipe"])
        (folder / "config.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        facts |= file_hashes(folder)
        write_card(Card(**facts), folder / "card.yaml")
    put(Card(**facts))
    print(f"{WEIGHTS / options.name}: {json.dumps(facts['measured'])}")


def _stage(folder: Path) -> dict[str, Any]:
    about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    recipe = _without_paths(about["recipe"])
    return {"recipe": recipe, "images_seen": about["images_seen"], "minutes": about["minutes"]}


def _without_paths(recipe: dict[str, Any]) -> dict[str, Any]:
    loss = {k: v for k, v in recipe["loss"].items() if k != "pairs_folder"}
    return recipe | {"initialize_from": None, "loss": loss}


def _segmenter(folder: Path, slices: SliceSet) -> dict[str, Any]:
    segmenter = Segmenter.load(folder)
    config = segmenter.network.config
    cohorts = COHORTS[config.contrast]
    test = real_sample(slices, "test", cohorts)
    found = segmenter.segment(test.pixels)
    figures: dict[str, Any] = {
        "what": f"Dice on real slices of {NAMES[cohorts[0]]} test patients, pooled by patient, "
        "95% interval",
        "patients": len(np.unique(test.patients)),
        "slices": len(test.pixels),
    }
    if config.contrast == CINE:
        scores = dice_by_patient(found, test.labels, test.patients)
    else:  # the wall with its scar; patients without scar count where some is found
        one_by_one = patient_scores(found, test, structures=config.structures, distances=False)
        scores = {
            name: np.array([s.dice for s in one_by_one if (s.structure, s.level) == (name, "all")])
            for name in config.structures
        }
    for structure, values in scores.items():
        low, high = mean_interval(values)
        figures[structure] = [round(float(np.nanmean(values)), 4), round(low, 4), round(high, 4)]
    return figures


def _encoder(folder: Path, slices: SliceSet) -> dict[str, Any]:
    held_out, other = (real_sample(slices, split, ["acdc"]) for split in ("test", "train"))
    floor, ratios = sensitivity(EncoderSpace(folder), held_out, other)
    return {
        "what": "Frechet distance of damaged real ACDC training slices to real ACDC test slices, "
        "over that of the same slices undamaged",
        "slices": len(held_out),
        "floor": round(floor, 3),
        "ratio": {name: round(ratio, 2) for name, ratio in ratios.items()},
    }


def _copy_detector(folder: Path, slices: SliceSet) -> dict[str, Any]:
    detector = CopyDetector.load(folder)
    held_out = joined(
        [real_sample(slices, split) for split in ("test", "validation")], name="held-out patients"
    )
    # thresholds come from patients that the archive does not hold, so half of them are archived
    patients = np.unique(held_out.patients)
    half = set(np.random.default_rng(0).permutation(patients)[: len(patients) // 2])
    unseen = np.isin(held_out.patients, list(half))
    figures: dict[str, Any] = {
        "what": "planted copies found at 1 % false alarms among slices of held-out patients, "
        "patients weighing the same, by embedding or by its windows",
    }
    archived = {
        "training patients": (real_sample(slices, "train"), held_out),
        "patients it never saw": (held_out.take(unseen), held_out.take(~unseen)),
    }
    for name, (real, others) in archived.items():
        with tempfile.TemporaryDirectory() as scratch:
            *_, archive = build(real, Path(scratch) / "archive", detector, held_out=others)
            assert isinstance(archive, Archive) and archive.calibration is not None
            *_, found = certify(archive, archive.calibration, detector, copies=COPIES)
        assert isinstance(found, Certificate)
        figures[f"archive of {name}"] = {
            "patients": len(archive.starts),
            "held_out_patients": found.held_out,
            "copies_of_each_kind": COPIES,
            "share_found": {
                kind: {key: round(hits / of, 4) for key, (hits, of) in row.items()}
                for kind, row in found.found.items()
            },
        }
    return figures


def _compared(path: Path, sha256: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The row of these weights in a comparison, and its protocol."""
    compared = json.loads(path.read_text(encoding="utf-8"))
    (row,) = [row for row in compared["models"] if row["sha256"] == sha256]
    return row, compared["protocol"]


def _measure(
    folder: Path, slices: SliceSet, cohorts: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    comparison = Comparison(slices, cohorts=cohorts)
    row: Any = None
    for row in comparison.rows(folder, folder.name):
        if isinstance(row, Event):
            print(f"\r{row.title} {row.words}", end="", flush=True)
    print()
    assert isinstance(row, Row)
    return row.as_dict(), comparison.basis.as_dict()


def _figures(row: dict[str, Any], protocol: dict[str, Any], machine: str) -> dict[str, Any]:
    """Figures for the card; `row` and `protocol` as in `comparison.json`."""
    cost, near, seen = row["cost"], row["fidelity"], row["adherence"]
    estimates = {name: Estimate.of_dict(one) for name, one in near["metrics"].items()}
    steps = f" at {row['steps']} step{'s' * (row['steps'] > 1)}" if row["steps"] else ""
    about = {
        "what": f"synthetic counterparts of real {', '.join(protocol['cohorts']).upper()} "
        f"{protocol['split']} slices{steps}, seed {protocol['seed']}",
        "patients": protocol["patients"],
        "slices": protocol["slices"],
    }
    judge = {"segmenter": protocol["segmenter"]}
    return {
        "fidelity": about | realism_facts(near["space"], near["hash"], estimates),
        "adherence": about | judge | adherence_facts(seen) if seen else NOT_MEASURED,
        "variety": {
            "what": "mean MS-SSIM of 8 pictures of one mask, and of different real patients",
            "one_mask": None if row["similarity"] is None else round(row["similarity"], 2),
            "real_patients": round(protocol["similarity"], 2),
        },
        "speed": {
            "what": "seconds a slice, warm, median and range",
            "seconds": [round(cost[k], 3) for k in ("seconds", "fastest", "slowest")],
            "threads": cost["threads"],
            "memory_mb": round(cost["memory_mb"]),
            "machine": machine,
        },
    }


if __name__ == "__main__":
    main()
