"""Looking over a cohort before it is used: what is missing, implausible, or there twice.

Nothing here is a verdict. A finding says what was seen, in whose data, and what it means for
training or evaluation; public data sets have some of each.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import (
    LV,
    SCAR,
    STRUCTURES,
    UNLABELLED,
    scar_as_myocardium,
)
from cmr_synth.anatomy.plausibility import CODES as IN_SLICES
from cmr_synth.anatomy.plausibility import Severity, stack_findings
from cmr_synth.cohorts.alike import closest_pairs, thumbnails
from cmr_synth.cohorts.examination import PATHOLOGIES, PHASES, VENDORS, Examination, LeftOut
from cmr_synth.cohorts.facts import Facts
from cmr_synth.cohorts.people import named_alike
from cmr_synth.cohorts.reading import read_cohort, told
from cmr_synth.cohorts.registry import load_cohort

PIXEL_MM = (0.4, 3.0)  # outside of this, spacing in the header is doubtful for short-axis cine
SLICE_MM = (3.0, 20.0)

# Medians over slices of the best correlation with another patient's slices. In ACDC, CHLA and
# Sunnybrook together 1 pair of patients exceeds 0.95 (one examination under two numbers) and
# another 0.85 (the same defect at the same place); all others stay below 0.81. End-diastole and
# end-systole of one patient lie between 0.66 and 0.85.
REPEATED = 0.95
SIMILAR = 0.85

CODES = {
    "read": "what was read",
    "assumed": "what the adapter had to assume",
    "conditions": "vendors, phases, pathologies and contrasts, counted by examination",
    "planes": "which planes the stacks lie in, and how they came into radiological display",
    "grey-values": "the range of intensities",
    "repaired": "what reading had to repair",
    "left-out": "files that no examination was made of, by reason",
    "spacing": "voxel spacing over the cohort, or unusual for one patient",
    "labels": "which structures are labelled, or missing throughout",
    "unlabelled": "an examination without any label",
    "plausibility": "unusual slices, counted by patient",
    "flat": "an image without contrast",
    "frames": "end-diastole or end-systole missing, or given more than once",
    "phases-swapped": "the LV is larger at ES than at ED",
    "word": "a vendor, phase or pathology that no model knows",
    "repeated": "the same pictures under two patients",
    "named-alike": "patients whose names differ by a phase or a visit alone",
    "similar": "pictures of two patients so similar that they may be one person's",
}
"""Every code and what it stands for."""

_SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")


@dataclass(frozen=True, kw_only=True)
class CohortFinding:
    """One thing to know about a cohort.

    Parameters
    ----------
    code : str
        A key of `CODES`.
    message : str
        In plain words.
    severity : str
        "info", "warning" or "error".
    patient : str, optional
        Whom it concerns; None for the whole cohort.
    """

    code: str
    message: str
    severity: Severity
    patient: str | None = None


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A cohort that was looked over.

    Parameters
    ----------
    findings : list of CohortFinding
        First on the whole cohort, then patient by patient.
    examinations : list of Facts
        In the order of reading.
    left_out : list of LeftOut
    """

    findings: list[CohortFinding]
    examinations: list[Facts]
    left_out: list[LeftOut]


def check(
    name: str,
    root: Path,
    *,
    progress: Callable[[str], None] | None = None,
    show: Callable[[Examination], None] | None = None,
) -> Checked:
    """Read every examination of a cohort and report what is worth knowing.

    Parameters
    ----------
    name : str
        A cohort adapter.
    root : Path
        Its folder.
    progress : callable, optional
        Called with a line for every examination read.
    show : callable, optional
        Called with every examination, such as to draw it.

    Returns
    -------
    Checked

    Raises
    ------
    InputError
        If the cohort is unknown, empty, or nothing of it can be read.
    """
    cohort = load_cohort(name)
    seen: list[_Seen] = []
    facts: list[Facts] = []
    notes: list[str] = []
    found: list[CohortFinding] = []
    left_out: list[LeftOut] = []
    for examination in read_cohort(name, Path(root), left_out):
        found += _of_examination(examination)
        seen.append(_Seen.of(examination))
        facts.append(Facts.of(examination))
        notes += examination.notes
        if show is not None:
            show(examination)
        if progress is not None:
            progress(f"{name} {examination.patient} {examination.phase or ''}".rstrip())
    said = cohort.remarks(Path(root))
    assumed = [CohortFinding(code="assumed", message=m, severity="info") for m in said]
    lost = [CohortFinding(code="left-out", message=m, severity="warning") for m in told(left_out)]
    alike = _named_alike(seen, cohort.same_person)
    whole = [*_summary(seen), *_of_facts(facts), *assumed, *_repairs(notes), *lost, *alike]
    whole += _repeats(seen)
    by_patient = [*found, *_frames(seen)]
    by_patient.sort(key=lambda finding: finding.patient or "")  # stable: else as they were found
    return Checked(
        findings=[*whole, *_plausibility(seen), *by_patient],
        examinations=facts,
        left_out=left_out,
    )


@dataclass(frozen=True)
class _Seen:
    """What is remembered of an examination once its pixels are gone."""

    patient: str
    phase: str | None
    shape: tuple[int, ...]
    spacing: tuple[float, float, float]
    structures: frozenset[int]
    slices: int
    lv_voxels: int
    hides_lv: bool
    counts: Counter[tuple[str, Severity]]
    thumbnails: NDArray[np.float32]  # (slices, pixels), zero mean and unit length

    @classmethod
    def of(cls, examination: Examination) -> _Seen:
        labels = examination.labels
        spacing = examination.spacing
        unusual = stack_findings(scar_as_myocardium(labels), spacing, name=f"{examination.patient}")
        counts = Counter((f.code, f.severity) for f in unusual if f.code != "empty")
        return cls(
            patient=examination.patient,
            phase=examination.phase,
            shape=labels.shape,
            spacing=spacing,
            structures=frozenset(np.unique(labels).tolist()) - {0},
            slices=int(examination.labelled.sum()),
            lv_voxels=int((labels == LV).sum()),
            hides_lv=bool(examination.may_hide[:, LV].any()),
            counts=counts,
            thumbnails=thumbnails(examination),
        )


def _of_examination(examination: Examination) -> list[CohortFinding]:
    which = f"{examination.patient} {examination.phase or ''}".rstrip()
    found = []

    def add(code: str, message: str, severity: Severity = "warning") -> None:
        found.append(
            CohortFinding(
                code=code, message=message, severity=severity, patient=examination.patient
            )
        )

    z, y, x = examination.spacing
    odd = [mm for mm in (y, x) if not PIXEL_MM[0] <= mm <= PIXEL_MM[1]]
    if odd or not SLICE_MM[0] <= z <= SLICE_MM[1]:
        add(
            "spacing",
            f"{which}: voxels of {z:.3g} x {y:.3g} x {x:.3g} mm (slices, rows, columns) are "
            "unusual; sizes on the working grid follow them.",
        )
    if not examination.labelled.any():
        add("unlabelled", f"{which}: nothing is labelled; it is left out of slice sets.")
    if float(examination.image.max()) == float(examination.image.min()):
        add("flat", f"{which}: every pixel has the same value.", "error")
    for word, value, known in (
        ("vendor", examination.vendor, VENDORS),
        ("phase", examination.phase, PHASES),
        ("pathology", examination.pathology, tuple(PATHOLOGIES)),
    ):
        if value is not None and value not in known:
            add(
                "word",
                f"{which}: {word} {value!r} is unknown to the models; known are "
                f"{', '.join(known)}.",
                "error",
            )
    return found


def _summary(seen: list[_Seen]) -> list[CohortFinding]:
    patients = {s.patient for s in seen}
    slices = sum(s.slices for s in seen)
    rows = np.array([s.spacing for s in seen])
    spacing = ", ".join(
        f"{axis} {low:.3g} mm" if low == high else f"{axis} {low:.3g} to {high:.3g} mm"
        for axis, low, high in zip(
            ("slices", "rows", "columns"), rows.min(axis=0), rows.max(axis=0), strict=True
        )
    )
    shares = {
        structure: sum(value in s.structures for s in seen)
        for structure, value in [
            *STRUCTURES.items(),
            *SCAR.items(),
            ("unlabelled pixels", UNLABELLED),
        ]
    }
    listed = ", ".join(f"{structure} in {n}" for structure, n in shares.items() if n)
    summary = [
        CohortFinding(
            code="read",
            message=f"{len(patients)} patients, {len(seen)} examinations, "
            f"{slices} labelled slices.",
            severity="info",
        ),
        CohortFinding(code="spacing", message=f"Voxel spacing: {spacing}.", severity="info"),
        CohortFinding(
            code="labels",
            message=f"Of {len(seen)} examinations: {listed or 'no label in any'}.",
            severity="info",
        ),
    ]
    missing = [s for s in STRUCTURES if not shares[s]]
    if missing and not shares["unlabelled pixels"]:
        summary.append(
            CohortFinding(
                code="labels",
                message=f"No mask has {' or '.join(missing)}, and it counts as absent; where it "
                "was not drawn, say so (`drawn:` in cohort.yaml for a plain folder).",
                severity="warning",
            )
        )
    return summary


def _of_facts(facts: list[Facts]) -> list[CohortFinding]:
    """Counts over the cohort of what stands in its table."""

    def counted(part: str) -> str:
        count = Counter(getattr(one, part) or "not stated" for one in facts)
        return ", ".join(f"{word} {n}" for word, n in count.most_common())

    turned = " ".join(
        f"{n}: {reason}" for reason, n in Counter(one.orientation for one in facts).most_common()
    )
    lows, middles, highs = (sorted(one.grey_values[k] for one in facts) for k in range(3))
    messages = {
        "conditions": f"Vendors: {counted('vendor')}. Phases: {counted('phase')}. Pathologies: "
        f"{counted('pathology')}. Contrasts: {counted('contrast')}.",
        "planes": f"Planes: {counted('plane')}. Radiological display: {turned}",
        "grey-values": f"Grey values: darkest {lows[0]:.4g} to {lows[-1]:.4g}, median "
        f"{middles[0]:.4g} to {middles[-1]:.4g}, brightest {highs[0]:.4g} to {highs[-1]:.4g}.",
    }
    return [CohortFinding(code=c, message=m, severity="info") for c, m in messages.items()]


def _repairs(notes: list[str]) -> list[CohortFinding]:
    """What readers noted, counted by what they say after the name, whatever the numbers in it."""
    by_words: dict[str, list[str]] = defaultdict(list)
    for note in dict.fromkeys(notes):
        by_words[re.sub(r"\d[\d.,]*", "#", note.partition(": ")[2])].append(note)
    return [
        CohortFinding(
            code="repaired",
            message=notes[0] if len(notes) == 1 else f"{len(notes)} files, such as {notes[0]}",
            severity="info",
        )
        for notes in by_words.values()
    ]


def _plausibility(seen: list[_Seen]) -> list[CohortFinding]:
    counts: dict[str, Counter[tuple[str, Severity]]] = defaultdict(Counter)
    for examination in seen:
        counts[examination.patient] += examination.counts
    found = []
    for patient, of_patient in sorted(counts.items()):
        if not of_patient:
            continue
        listed = "; ".join(f"{IN_SLICES[code]} ({n})" for (code, _), n in of_patient.most_common())
        worst = max((severity for _, severity in of_patient), key=_SEVERITIES.index)
        found.append(
            CohortFinding(
                code="plausibility",
                message=f"{patient}: {listed}.",
                severity=worst,
                patient=patient,
            )
        )
    return found


def _frames(seen: list[_Seen]) -> list[CohortFinding]:
    by_patient: dict[str, list[_Seen]] = defaultdict(list)
    for examination in seen:
        by_patient[examination.patient].append(examination)
    found = []
    for patient, own in by_patient.items():
        phases = Counter(s.phase for s in own)
        has = [p for p in PHASES if phases[p]]
        if len(has) == 1:
            lacks = PHASES[1 - PHASES.index(has[0])]
            found.append(
                CohortFinding(
                    code="frames",
                    message=f"{patient}: has {has[0]} but no {lacks}.",
                    severity="warning",
                    patient=patient,
                )
            )
        twice = [p for p in has if phases[p] > 1]
        if twice:
            found.append(
                CohortFinding(
                    code="frames",
                    message=f"{patient}: {' and '.join(twice)} given more than once; each counts "
                    "as one patient's data.",
                    severity="info",
                    patient=patient,
                )
            )
        if len(has) == 2 and not twice:
            ed, es = (next(s for s in own if s.phase == p) for p in PHASES)
            comparable = ed.shape == es.shape and not (ed.hides_lv or es.hides_lv)
            if comparable and es.lv_voxels > ed.lv_voxels:
                found.append(
                    CohortFinding(
                        code="phases-swapped",
                        message=f"{patient}: the LV blood pool is larger at ES than at ED; the "
                        "phases may be exchanged.",
                        severity="warning",
                        patient=patient,
                    )
                )
    return found


def _named_alike(seen: list[_Seen], same_person: Mapping[str, str]) -> list[CohortFinding]:
    return [
        CohortFinding(
            code="named-alike",
            message=f"{', '.join(group)}: the names differ by phase or visit alone; if that is one "
            "person, give one name in cohort.csv (columns file and patient). They are not split.",
            severity="warning",
            patient=group[0],
        )
        for group in named_alike((s.patient for s in seen), same_person)
    ]


def _repeats(seen: list[_Seen]) -> list[CohortFinding]:
    """Pairs of patients whose slices look the same, the most alike first."""
    closest = closest_pairs([s.patient for s in seen], [s.thumbnails for s in seen])
    found = []
    for (one_patient, other_patient), likeness in sorted(closest.items(), key=lambda kv: -kv[1]):
        if likeness < SIMILAR:
            break
        repeated = likeness >= REPEATED
        which = f"{one_patient} and {other_patient}"
        found.append(
            CohortFinding(
                code="repeated" if repeated else "similar",
                message=f"{which}: the same pictures (correlation {likeness:.3f}); they must not "
                "be split between training and test."
                if repeated
                else f"{which}: very similar pictures (correlation {likeness:.3f}); look whether "
                "they are one person's.",
                severity="warning" if repeated else "info",
                patient=one_patient,
            )
        )
    return found
