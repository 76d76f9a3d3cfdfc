"""Measure every bundled generator on held-out patients; put the figures on cards, in documents.

    .venv/bin/python tools/measure_zoo.py --slices prepared --raw prepared-raw --work runs/zoo

Fidelity, two-sample test and mask adherence on the ACDC test patients; utility with segmenters
trained on ACDC training patients and tested on the test patients of all cohorts. `--slices` is a
slice set as the models were trained on, `--raw` one prepared with `--no-complete`; without it,
utility is left as it is. Models of late enhancement are measured on `--enhanced`, a set of EMIDEC,
by the bundled segmenter of that contrast, or left out. A model that has seen neither ACDC nor
EMIDEC is measured on test patients of the first cohort that it has seen. What is in `--work`
already is not made again, nor are trainings whose scores are among `tools/records`. Hours on two
cores.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import utility_records
from bundled_cards import put
from card_tables import JUDGES

from cmr_synth.cohorts.examination import CINE, LGE
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.adherence.card_facts import card_facts as adherence_facts
from cmr_synth.evaluation.adherence.card_facts import cell_facts
from cmr_synth.evaluation.adherence.cells import cells
from cmr_synth.evaluation.candidates import Candidate
from cmr_synth.evaluation.counterparts import counterpart_sample
from cmr_synth.evaluation.protocol import Followed, Measured, Protocol
from cmr_synth.evaluation.realism.card_facts import card_facts as realism_facts
from cmr_synth.evaluation.realism.spaces import open_space
from cmr_synth.evaluation.sample import Sample
from cmr_synth.evaluation.setting import Setting
from cmr_synth.evaluation.utility import study as utility
from cmr_synth.evaluation.utility.results import TRAINING_MASKS, Findings, Result
from cmr_synth.files import write_file
from cmr_synth.generators import zoo
from cmr_synth.generators.card import Card
from cmr_synth.judges.segmenter import Segmenter

COHORTS = {CINE: ["acdc"], LGE: ["emidec"]}
NAMES = {"acdc": "ACDC", "emidec": "EMIDEC", "sunnybrook": "Sunnybrook"}
FULL = "flow"  # has all arms of utility, where others have one, and every vendor's hearts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="by default every bundled generator")
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--enhanced", type=Path, help="of EMIDEC, for models of late enhancement")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", choices=["pictures", "utility"], help="the rest stays as it is")
    parser.add_argument(
        "--kept", action="store_true", help="utility of the arms that are trained already"
    )
    options = parser.parse_args()
    if options.only == "utility" and not options.raw:
        parser.error("utility is measured on a set of drawn labels alone: --raw")

    folders = {CINE: options.slices} | ({LGE: options.enhanced} if options.enhanced else {})
    protocols: dict[tuple[str, ...], Protocol] = {}
    for entry in generator_entries():
        if options.names and entry.name not in options.names:
            continue
        contrast = zoo.card_of(entry).conditions.contrast
        if contrast not in folders:
            print(f"{entry.name}: makes {contrast}, of which no slices were given", flush=True)
            continue
        model = zoo.load(entry.folder)
        changes: dict[str, Any] = {}
        if options.only != "utility":
            cohorts = cohorts_of(model.card)
            if cohorts not in protocols:
                protocols[cohorts] = _protocol(folders[contrast], cohorts)
            changes |= _of_pictures(entry, model, protocols[cohorts], options.work)
        of_cine = cohorts_of(model.card) == tuple(COHORTS[CINE]) and "mask" in model.generator.takes
        if options.raw and options.only != "pictures" and of_cine:
            folder = options.work / "utility"
            changes["utility"] = _utility(entry.name, model, options.raw, folder, options.kept)
        card = zoo.card_of(entry)
        measured = card.measured.model_copy(update=changes)
        put(card.model_copy(update={"measured": measured}))
        print(f"{entry.name}: {changes}", flush=True)


def cohorts_of(card: Card) -> tuple[str, ...]:
    """On whose test patients a model is measured."""
    usual = COHORTS[card.conditions.contrast]
    seen = [use.name for use in card.training.cohorts]
    return tuple(usual if set(usual) & set(seen) else seen[:1])


def _protocol(slices: Path, cohorts: tuple[str, ...]) -> Protocol:
    """What models are measured on, by a segmenter of the slices' contrast."""
    setting = Setting(slices=open_slice_set(slices), cohorts=cohorts, null=True)
    return Protocol(setting=setting, spaces=[open_space("encoder")])


def _of_pictures(
    entry: zoo.Entry, model: zoo.Model, protocol: Protocol, work: Path
) -> dict[str, Any]:
    """Fidelity and adherence of counterparts of the test slices."""
    setting = protocol.setting
    assert setting.cohorts
    one = candidate_of(entry, model, setting, work)
    about = {
        "what": f"synthetic counterparts of real {NAMES[setting.cohorts[0]]} test slices, "
        f"{steps_words(model)}seed {setting.seed}",
        "patients": len(np.unique(setting.held_out.patients)),
        "slices": len(setting.held_out),
    }
    # a card has neither likeness to the patients of the masks nor figures of tissue
    *_, near = protocol.fidelity([replace(one, paired=False, masked=False)])
    assert isinstance(near, Measured)
    (space,) = near.spaces
    estimates = {**space.estimates, **near.pictures.estimates}
    changes = {"fidelity": about | realism_facts(space.space, space.hash, estimates)}
    if one.masked:
        *_, seen = protocol.adherence([one])
        assert isinstance(seen, Followed)
        judge = {"segmenter": seen.adherence.segmenter}
        changes["adherence"] = about | judge | adherence_facts(seen.adherence.as_dict())
        if entry.name == FULL:
            changes["adherence"] |= {"every_vendor": _every_vendor(model, setting)}
    return changes


def generator_entries() -> list[zoo.Entry]:
    """Bundled models that make pictures."""
    return [
        entry
        for entry in zoo.entries()
        if entry.source == "bundled" and zoo.card_of(entry).family not in JUDGES
    ]


def steps_words(model: zoo.Model) -> str:
    """How the model is sampled, for a sentence."""
    steps = model.card.default_steps
    return f"{steps} step{'s' * (steps > 1)}, " if steps else ""


def candidate_of(entry: zoo.Entry, model: zoo.Model, setting: Setting, work: Path) -> Candidate:
    """A model's counterparts of the test slices, kept under what they depend on."""
    real, steps = setting.held_out, model.card.default_steps
    depends = (
        f"{model.card.sha256} {model.card.config_sha256} "
        f"{steps} {setting.seed} {hashlib.sha256(real.labels.tobytes()).hexdigest()}"
    )
    digest = hashlib.sha256(depends.encode()).hexdigest()[:12]
    kept = []
    for again in range(1 + setting.null):  # the second with other noise
        path = work / f"{entry.name}-{digest}{'-again' * again}.npy"
        if not path.exists():
            run = counterpart_sample(
                model.generator, real, name=entry.name, seed=setting.seed, steps=steps, again=again
            )
            *_, made = run
            assert isinstance(made, Sample)
            with write_file(path) as temporary:
                np.save(temporary, made.pixels, allow_pickle=False)
        kept.append(replace(real, name=entry.name, pixels=np.load(path, allow_pickle=False)))
    masked = "mask" in model.generator.takes
    return Candidate(
        name=entry.name,
        sha256=model.card.sha256,
        sample=kept[0],
        paired=masked,
        masked=masked,
        folder=entry.folder,
        steps=steps,
        again=kept[1] if setting.null else None,
    )


def _every_vendor(model: zoo.Model, setting: Setting) -> dict[str, Any]:
    segmenter, real = Segmenter.load(), setting.held_out
    *_, table = cells(
        model.generator,
        model.card.conditions.vendors,
        real,
        segmenter.segment(real.pixels),
        segmenter,
        seed=setting.seed,
        steps=model.card.default_steps,
    )
    assert isinstance(table, list)
    return cell_facts(table)


def _utility(name: str, model: zoo.Model, raw: Path, folder: Path, kept: bool) -> dict[str, Any]:
    full = utility.Protocol(new_hearts=True)
    protocol = full if name == FULL else utility.Protocol(ratios=(), rivals=False)
    study = utility.Study(open_slice_set(raw), folder, protocol)
    utility_records.lay(folder)
    if kept:
        runs = study.kept(name, model)
    else:
        *_, made = study.runs(name, model)
        assert isinstance(made, dict)
        runs = made
    utility_records.keep(folder)
    findings = Findings.of(runs, protocol.trained_on)
    by_arm: dict[str, dict[str, Any]] = {arm: {} for arm in runs}
    for one in findings.against_real.results:
        if (one.score, one.stratum.by, one.stratum.structure) == ("dice", "cohort", "mean"):
            by_arm[one.arm][one.stratum.value] = _gained(one)
    return {
        "what": "mean Dice of a small U-Net on real test patients, and what it gained against real "
        "slices alone, with the 95 % interval over patients and seeds",
        "trained_on": list(protocol.trained_on),
        "real_slices_seen": protocol.images,
        "images_seen": {arm: own[0].images for arm, own in runs.items()},
        "seeds": protocol.seeds,
        "arms": by_arm,
        **_new_anatomy(findings),
    }


def _new_anatomy(findings: Findings) -> dict[str, Any]:
    """Pictures of new hearts against as many of the training patients' masks."""
    found: dict[str, dict[str, Any]] = {}
    for arm, rival in TRAINING_MASKS.items():
        if rival in findings.against_rivals:
            own = found.setdefault(f"{arm} less {rival}", {})
            for one in findings.against_rivals[rival].results:
                stratum = one.stratum
                mean_dice = (one.score, stratum.structure) == ("dice", "mean")
                if one.arm == arm and mean_dice and stratum.by in ("cohort", "pathology"):
                    own[stratum.value] = _gained(one)
    return {"new_anatomy": found} if found else {}


def _gained(one: Result) -> dict[str, Any]:
    found: dict[str, Any] = {"dice": round(one.mean, 4), "patients": one.patients}
    if one.difference is not None:
        low, high = one.difference_low, one.difference_high
        assert low is not None and high is not None
        found["gained"] = [round(v, 4) for v in (one.difference, low, high)]
    return found


if __name__ == "__main__":
    main()
