"""Scores of the utility study that are kept with the program."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from cmr_synth.evaluation.adherence.patients import PatientScore
from cmr_synth.evaluation.utility.results import Findings
from cmr_synth.evaluation.utility.runs import Run
from cmr_synth.generators import zoo

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    import utility_records

    return utility_records


def run(seed: int) -> Run:
    score = PatientScore("acdc p1", "acdc", "siemens", "dcm", "LV", "all", 0.91234567, 3.0, 0, 9)
    return Run("real", seed, 96, 96, ((48, 0.5), (96, 0.6)), [score])


def test_scores_are_laid_out_as_they_were_kept(records: ModuleType, tmp_path: Path) -> None:
    study, kept = tmp_path / "study", tmp_path / "utility.jsonl.gz"
    for name in ("real-0-abc", "flow/synthetic-0-abc"):
        (study / name).mkdir(parents=True)
        run(0).write(study / name / "scores.json")
    assert records.keep(study, kept) == 2
    first = kept.read_bytes()
    assert records.keep(study, kept) == 2 and kept.read_bytes() == first
    assert records.lay(tmp_path / "other", kept) == 2
    again = Run.kept(tmp_path / "other" / "flow" / "synthetic-0-abc")
    assert again is not None and again.curve == run(0).curve and again.seed == 0
    assert again.scores[0].dice == pytest.approx(0.91234567, abs=1e-5)
    # what a study has is its own
    run(7).write(tmp_path / "other" / "real-0-abc" / "scores.json")
    assert records.lay(tmp_path / "other", kept) == 0
    own = Run.kept(tmp_path / "other" / "real-0-abc")
    assert own is not None and own.seed == 7


def test_more_are_added_and_none_is_lost(records: ModuleType, tmp_path: Path) -> None:
    kept = tmp_path / "utility.jsonl.gz"
    for seed in range(2):
        folder = tmp_path / str(seed) / f"real-{seed}-abc"
        folder.mkdir(parents=True)
        run(seed).write(folder / "scores.json")
        assert records.keep(tmp_path / str(seed), kept) == seed + 1


def test_the_card_says_what_the_records_say(records: ModuleType, tmp_path: Path) -> None:
    """Without the patients: what compares the scores is given nothing but these."""
    records.lay(tmp_path)
    runs: dict[str, dict[int, Run]] = {}
    for path in tmp_path.rglob("scores.json"):
        one = Run.read(path)
        runs.setdefault(one.arm, {})[one.seed] = one
    ordered = {arm: [own[seed] for seed in sorted(own)] for arm, own in runs.items()}
    utility = zoo.card_of("flow").measured.utility
    assert isinstance(utility, dict)
    assert set(utility["arms"]) == set(ordered)
    found = Findings.of(ordered, utility["trained_on"])
    told = {
        (one.arm, one.stratum.value): one
        for one in found.against_real.results
        if (one.score, one.stratum.by, one.stratum.structure) == ("dice", "cohort", "mean")
    }
    assert told
    for (arm, cohort), one in told.items():
        said = utility["arms"][arm][cohort]
        assert said["dice"] == pytest.approx(one.mean, abs=1e-4)
        if one.difference is not None:
            bounds = (one.difference, one.difference_low, one.difference_high)
            assert said["gained"] == pytest.approx(bounds, abs=1.5e-4)
