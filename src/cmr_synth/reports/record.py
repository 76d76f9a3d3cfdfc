"""The record of one synthetic picture, and how it agrees with its mask, for people to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.anatomy.phenotypes import in_words
from cmr_synth.reports.content import Content, Line, Plot, Table
from cmr_synth.reports.numbers import interval_in_words, show
from cmr_synth.reports.sheet import COLOURS, NAMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cmr_synth.evaluation.one_picture.agreement import Agreement

OPEN = "not specified"


def record_content(
    record: Mapping[str, Any],
    *,
    name: str,
    agreement: Agreement | None = None,
    reference: Mapping[str, Any] | None = None,
    remarks: Sequence[str] = (),
) -> Content:
    """Lay out a record.

    Parameters
    ----------
    record : mapping
        Of a synthetic picture; see `cmr_synth.synthesis.record`.
    name : str
        What the picture is called.
    agreement : Agreement, optional
        Of the picture with its mask, if it was checked.
    reference : mapping, optional
        What the segmenter's card measured on real pictures: structure to [mean, low, high], and
        the number of "patients".
    remarks : sequence of str
        More to say, after the findings in the record.

    Returns
    -------
    Content
    """
    data: dict[str, Any] = {"record": dict(record)}
    if agreement is not None:
        data["agreement"] = agreement.as_dict()
    if agreement is not None and reference:
        data["reference"] = dict(reference)
    return Content(
        title=name,
        lead="Synthetic; shows no patient.",
        lines=() if agreement is None else _lines(agreement, reference or {}),
        facts=_facts(record),
        plots=() if agreement is None else (_bars(agreement, reference or {}),),
        tables=() if agreement is None else (_by_slice(agreement),),
        remarks=(*_findings(record), *_missing(agreement), *remarks),
        data=data,
    )


_RARE = ("sampler", "prompt")


def _facts(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    model = record["model"]
    positions = record.get("slice_positions") or {}
    z = ", ".join(f"slice {k}: {value:.2f}" for k, value in positions.items())
    return (
        ("Model", f"{model['name']}, version {model['version']}, {model['family']}"),
        ("Weights", f"sha256 {model['sha256']}"),
        *([("Whole model", f"sha256 {model['identity']}")] if "identity" in model else []),
        ("Licence", str(model["licence"])),
        *_mask(record["mask"]),
        ("Vendor", record.get("vendor") or OPEN),
        ("Phase", record.get("phase") or OPEN),
        ("Pathology", record.get("pathology") or OPEN),
        ("Cohort", record.get("cohort") or OPEN),
        ("Contrast", str(record.get("contrast") or model.get("contrast", "not recorded"))),
        ("Surroundings", str(record.get("surroundings") or OPEN)),
        ("Position", f"{z} (0 base, 1 apex)" if z else OPEN),
        ("Seed", f"{record['seed']}, variant {record['variant']}"),
        ("Steps", str(record.get("steps") or "none")),
        ("Guidance", str(record.get("guidance") or "none")),
        *_choices(record),
        ("Device", str(record.get("device", "not recorded"))),
        ("Precision", str(record.get("precision", "fp32"))),
        ("Made", str(record["created"])),
        ("Orientation", str(record.get("orientation", "not recorded"))),
        ("Versions", ", ".join(f"{k} {v}" for k, v in record.get("versions", {}).items())),
    )


def _mask(mask: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    if mask is None:
        return (("Mask", "none; the model drew the anatomy"),)
    return (("Mask", str(mask["name"])), ("Labels", f"sha256 {mask['labels_sha256']}"))


def _choices(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What most pictures are made without."""
    told = [(name.capitalize(), str(record[name])) for name in _RARE if record.get(name)]
    if asked := record.get("phenotypes"):
        told.append(("Asked for", ", ".join(in_words(*one) for one in asked.items())))
    reference = record.get("reference")
    if reference:
        where = f"slice {reference['slice']} of {reference['name']}"
        told.append(("Look of", f"{where}, strength {reference['strength']:g}"))
    return tuple(told)


def _findings(record: Mapping[str, Any]) -> tuple[str, ...]:
    said = []
    for finding in record.get("findings", ()):
        where = [f"frame {finding['frame']}"] if "frame" in finding else []
        if finding["slice_index"] is not None:
            where.append(f"slice {finding['slice_index']}")
        said.append(": ".join(filter(None, (", ".join(where).capitalize(), finding["message"]))))
    if record.get("skipped_slices"):
        skipped = ", ".join(str(k) for k in record["skipped_slices"])
        said.append(f"Slices without a heart were skipped and are 0: {skipped}.")
    return (*said, *record.get("notes", ()))


def _missing(agreement: Agreement | None) -> tuple[str, ...]:
    if agreement is None or not agreement.not_compared:
        return ()
    slices = ", ".join(str(k) for k in sorted({k for _, k in agreement.not_compared}))
    return (f"The picture is empty on slices {slices}, so they were not compared.",)


def _lines(agreement: Agreement, reference: Mapping[str, Any]) -> tuple[Line, ...]:
    lines = [
        Line(
            name="Mean Dice",
            value=agreement.mean,
            note=f"over {len(agreement.slices)} slices, found by the bundled segmenter",
        )
    ]
    for structure in STRUCTURES:
        real = reference.get(structure)
        note = (
            f"on real pictures {interval_in_words(*real)}, {reference['patients']} patients"
            if real
            else ""
        )
        lines.append(Line(name=NAMES[structure], value=float(agreement.dice[structure]), note=note))
    return tuple(lines)


def _by_slice(agreement: Agreement) -> Table:
    cine = len({one.frame for one in agreement.slices}) > 1
    return Table(
        title="Dice by slice",
        columns=(*(("Frame",) if cine else ()), "Slice", *STRUCTURES),
        rows=tuple(
            (
                *((one.frame,) if cine else ()),
                one.slice,
                *(one.dice[structure] for structure in STRUCTURES),
            )
            for one in agreement.slices
        ),
    )


def _bars(agreement: Agreement, reference: Mapping[str, Any]) -> Plot:
    """A bar for each structure, its slices as dots, and what real pictures reach as a line."""

    def drawn(figure: Figure) -> None:
        axes = figure.add_subplot()
        ink = axes.xaxis.label.get_color()
        for place, structure in enumerate(STRUCTURES):
            value = agreement.dice[structure]
            real = reference.get(structure)
            axes.bar(place, np.nan_to_num(value), width=0.55, color=COLOURS[structure], zorder=2)
            of_slices = [one.dice[structure] for one in agreement.slices]
            spread = np.linspace(-0.18, 0.18, len(of_slices)) if len(of_slices) > 1 else [0.0]
            axes.plot(place + np.asarray(spread), of_slices, "o", ms=3, color=ink, zorder=4)
            if real:
                edge = (place - 0.36, place + 0.36)
                label = "real pictures" if place == 0 else None
                axes.plot(edge, (real[0], real[0]), color=ink, lw=1.5, ls="--", label=label)
        axes.set_xticks(range(len(STRUCTURES)), list(STRUCTURES))
        axes.set_ylim(0, 1.02)
        axes.set_ylabel("Dice")
        if reference:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), fontsize=8)

    values = ", ".join(f"{NAMES[s]} {show(agreement.dice[s])}" for s in STRUCTURES)
    return Plot(says=f"Dice of each structure as bars: {values}; each slice is a dot.", draw=drawn)
