"""Metrics of the pictures of one set of synthetic slices, in whatever feature space."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from cmr_synth.evaluation.realism.estimate import Estimate
from cmr_synth.evaluation.realism.in_pixels import paired as all_pairs
from cmr_synth.evaluation.realism.in_pixels import tissue as all_tissue
from cmr_synth.evaluation.realism.metrics import Found, measure, usable
from cmr_synth.evaluation.realism.paired import PairedSample
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.evaluation.realism.tissue import TissueSample
from cmr_synth.evaluation.realism.two_sample import TwoSample
from cmr_synth.evaluation.sample import Sample, require_disjoint
from cmr_synth.generators.interface import Progress


@dataclass(frozen=True, eq=False)
class Pictures:
    """Estimates, and what a report shows beside them.

    Parameters
    ----------
    estimates : mapping of name of a metric to Estimate
    told : TwoSample or None
        None if the test was left out.
    paired : PairedSample or None
        None without counterparts, or with too few patients.
    tissue : TissueSample or None
        None without masks, or with too few patients.
    notes, remarks : tuple of str
        As of `metrics.Found`.
    """

    estimates: Mapping[str, Estimate]
    told: TwoSample | None
    paired: PairedSample | None
    tissue: TissueSample | None
    notes: tuple[str, ...]
    remarks: tuple[str, ...]


def pictures(
    synthetic: Sample,
    held_out: Sample,
    other: Sample,
    *,
    paired: bool,
    masked: bool,
    without: Collection[str] = (),
) -> Iterator[Progress | Pictures]:
    """Take every metric that needs no feature space.

    Parameters
    ----------
    synthetic, held_out, other : Sample
        As for `fidelity`; not cut to one size.
    paired : bool
        Whether the synthetic slices are counterparts of the held-out ones, in their order.
    masked : bool
        Whether they follow their masks.
    without : collection of str
        Names of metrics to leave out.

    Raises
    ------
    InputError
        If `other` shares patients with `held_out`.
    """
    having = {"pixels"} | ({"masks"} if masked else set()) | ({"pairs"} if paired else set())
    require_disjoint(other, held_out)
    chosen, faults = usable(having, without=without)
    sets = Sets(synthetic, held_out, other)
    for event in measure(sets, chosen):
        if not isinstance(event, Found):
            yield event
            continue
        enough = bool(event.estimates)  # with too few patients there are no figures, but a note
        yield Pictures(
            estimates=event.estimates,
            told=sets.kept(TwoSample),
            paired=sets.once(all_pairs) if enough and paired and masked else None,
            tissue=sets.once(all_tissue) if enough and masked else None,
            notes=event.notes,
            remarks=(*faults, *event.remarks),
        )
