"""Hearts that beat: one mask becomes a cine along a volume curve, its wall's mass kept."""

from cmr_synth.anatomy.beating.beat import Frame, beat, contracted, function_between
from cmr_synth.anatomy.beating.curves import TYPICAL, Curve
from cmr_synth.anatomy.beating.plan import Plan

__all__ = ["TYPICAL", "Curve", "Frame", "Plan", "beat", "contracted", "function_between"]
