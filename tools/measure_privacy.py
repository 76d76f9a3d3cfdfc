"""Audit the privacy of every bundled generator, and put the findings on the cards and in documents.

    .venv/bin/python tools/measure_privacy.py --slices prepared --work runs/zoo

Nearest patients with a certificate and counterfactuals, tests of overfitting and copying, and
membership attacks, against the training patients of all cohorts. What is in `--work` already, made
by the same weights against the same slices, is not made again; nor are the two references by which
membership attacks know how hard a slice is, in `--work/references`. Two hours on one core.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from bundled_cards import put
from measure_zoo import COHORTS, candidate_of, cohorts_of, generator_entries, steps_words

from cmr_synth.cohorts.examination import CINE
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.candidates import Candidate
from cmr_synth.evaluation.sample import Sample, joined, real_sample, splits_besides
from cmr_synth.evaluation.setting import SEED, Setting
from cmr_synth.files import write_file
from cmr_synth.generators import zoo
from cmr_synth.generators.card import Card
from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.privacy.archive import ABOUT, Archive, open_archive
from cmr_synth.privacy.archive_writer import build
from cmr_synth.privacy.audit import NeighbourAudit, audit_neighbours
from cmr_synth.privacy.certificate import ALONE, EACH, MASKS, Certificate, certify
from cmr_synth.privacy.explain import explain
from cmr_synth.privacy.membership.attack import Membership, attack, spread_over
from cmr_synth.privacy.membership.references import References, train_references
from cmr_synth.privacy.overfitting.audit import (
    Overfitting,
    RealSets,
    audit_overfitting,
    real_sets,
)

PER_PATIENT = 6
Found = TypeVar("Found")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="by default every bundled generator")
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=200, help="planted of each kind")
    options = parser.parse_args()

    slices = open_slice_set(options.slices)
    setting = Setting(slices=slices, cohorts=COHORTS[CINE])
    detector = CopyDetector.load()
    trained = real_sample(slices, "train")
    rest = splits_besides(slices, "train")
    held_out = joined([real_sample(slices, name) for name in rest], name="held-out patients")
    archive = _archive(options.work, trained, held_out, detector)
    certificate: Certificate | None = None
    real: RealSets | None = None
    references = _last(
        References, train_references(slices, options.work / "references", others=rest)
    )
    for entry in generator_entries():
        if options.names and entry.name not in options.names:
            continue
        card = zoo.card_of(entry)
        if card.conditions.contrast != CINE:  # the copy detector has learned cine alone
            continue
        if cohorts_of(card) != tuple(COHORTS[CINE]):  # others are its members
            print(f"{entry.name}: has not seen {COHORTS[CINE][0]}; use `cmr-synth audit`")
            continue
        kept = (
            options.work / f"privacy-{entry.name}-{_key(card, archive, references, options)}.json"
        )
        if kept.exists():
            found = json.loads(kept.read_text(encoding="utf-8"))
        else:
            if certificate is None or real is None:
                assert archive.calibration is not None
                certificate = _last(
                    Certificate,
                    certify(archive, archive.calibration, detector, copies=options.copies),
                )
                real = real_sets(trained, held_out, detector)
            model = zoo.load(entry.folder)
            one = candidate_of(entry, model, setting, options.work)
            found = {
                "what": f"synthetic counterparts of the test slices of {', '.join(COHORTS[CINE])}, "
                f"{steps_words(model)}seed {SEED}, against the training patients of all cohorts",
                "slices": len(one.sample),
                "training_patients": len(archive.starts),
                "held_out_patients": certificate.held_out,
                **_audited(model, one, archive, detector, certificate, real, references),
            }
            with write_file(kept) as temporary:
                temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        measured = card.measured.model_copy(update={"privacy": found})
        put(card.model_copy(update={"measured": measured}))
        print(f"{entry.name}: {found['membership']['words']}", flush=True)


def _audited(
    model: zoo.Model,
    one: Candidate,
    archive: Archive,
    detector: CopyDetector,
    certificate: Certificate,
    real: RealSets,
    references: References,
) -> dict[str, Any]:
    near = audit_neighbours(one.sample, archive, detector, certificate, sha256=one.sha256)
    near = _last(
        NeighbourAudit,
        explain(near, archive, detector, model.generator, seed=SEED, steps=one.steps),
    )
    copying = _last(
        Overfitting,
        audit_overfitting(
            one.sample,
            real,
            detector,
            sha256=one.sha256,
            generator=model.generator,
            steps=one.steps,
            seed=SEED,
        ),
    )
    member = _last(
        Membership,
        attack(
            model.generator,
            spread_over(real.training, PER_PATIENT),
            spread_over(real.held_out, PER_PATIENT),
            name=model.card.name,
            sha256=model.card.sha256,
            references=references,
            seed=SEED,
        ),
    )
    return {
        "neighbours": _neighbours(near, certificate),
        "copying": _copying(copying),
        "membership": _membership(member),
    }


def _neighbours(near: NeighbourAudit, certificate: Certificate) -> dict[str, Any]:
    return {
        "verdict": near.verdict,
        "flagged": int(near.flagged.sum()),
        "share_below_1_percent_point": round(near.near, 4),
        "held_out_patients_left_out": near.left_out and near.left_out.as_dict(),
        "most_like_a_patient_by": near.leaks(),
        "planted_copies_found_at_1_percent_false_alarms": {
            kind: round(row["any"][0] / row["any"][1], 3) for kind, row in certificate.found.items()
        },
        f"planted_copies_flagged_alone_among_{MASKS * EACH}_slices": {
            kind: round(row[ALONE][0] / row[ALONE][1], 3)
            for kind, row in certificate.found.items()
            if ALONE in row
        },
    }


def _copying(found: Overfitting) -> dict[str, Any]:
    def shown(one: Any) -> list[float]:
        return [round(v, 4) for v in (one.value, one.low, one.high)]

    return {
        "findings": [_nameless(words, found) for words in found.findings()],
        "authenticity": shown(found.authenticity),
        "authenticity_of_real_slices": round(found.authenticity.real, 4),
        "generalisation_gap": shown(found.gap),
        "data_copying": shown(found.copying),
        "privacy_loss": shown(found.loss),
        "diversity": shown(found.diversity),
        "cluster_p": round(found.cluster.p, 4),
        "texture_auc": None if found.texture is None else [round(v, 4) for v in found.texture.auc],
        "tests": len(found.tests),
        "style_p": {vendor: round(one.p, 4) for vendor, one in found.styles.items()},
    }


def _nameless(words: str, found: Overfitting) -> str:
    """Without the patient, whom a card does not name."""
    for one in (found.cluster, *found.styles.values()):
        words = words.replace(f", {one.patient}", "")
    return words


def _membership(found: Membership) -> dict[str, Any]:
    first, alone = found.first, found.images_alone
    value, low, high = first.auc
    by = (
        f"AUC {value:.3f} [{low:.3f}, {high:.3f}] of the declared attack, {found.declared}, "
        f"p {first.p:.2g}: memory {'shown' if found.found else 'not shown'}"
    )
    again = found.corrected
    attacks = {
        name: {"auc": [round(v, 4) for v in one.auc], "p": round(one.p, 4)}
        | ({"p_corrected": round(again[name], 4)} if name in again else {})
        | {
            f"found_at_{100 * rate:g}_percent": [round(v, 4) for v in rates]
            for rate, rates in one.rates.items()
            if rates is not None
        }
        for name, one in found.attacks.items()
    }
    return {
        "words": by,
        "declared": found.declared,
        "patients": [first.members, first.others],  # people: somebody examined twice is one
        "slices_of_a_patient": PER_PATIENT,
        "attacks": attacks,
        "images_alone": alone.as_dict(),
        "member_against_member_auc": [round(v, 4) for v in found.between_members],
    }


def _archive(work: Path, trained: Sample, held_out: Sample, detector: CopyDetector) -> Archive:
    """The archive of these very slices, kept under what it depends on."""
    depends = hashlib.sha256(detector.hash.encode())
    for part in (trained, held_out):
        depends.update(np.ascontiguousarray(part.pixels).data)
    folder = work / f"archive-{depends.hexdigest()[:12]}"
    if (folder / ABOUT).exists():
        return open_archive(folder)
    return _last(Archive, build(trained, folder, detector, held_out=held_out))


def _key(card: Card, archive: Archive, references: References, options: argparse.Namespace) -> str:
    hashes = " ".join((card.sha256, card.config_sha256, archive.hash, *references.hashes))
    depends = f"{hashes} {SEED} {PER_PATIENT} {options.copies}"
    return hashlib.sha256(depends.encode()).hexdigest()[:12]


def _last(kind: type[Found], events: Iterable[Any]) -> Found:
    *_, found = events
    assert isinstance(found, kind)
    return found


if __name__ == "__main__":
    main()
