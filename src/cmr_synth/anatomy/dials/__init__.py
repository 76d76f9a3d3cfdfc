"""Disease dials: continuous changes of a heart that move its mask and its image alike.

from cmr_synth.anatomy.dials import Dials, Regional, Region, turn

sick = turn(labels, spacing, Dials(hypertrophy=(Regional(0.8, Region("septal")),)))
sick.labels, sick.effects, move_pixels(image, sick.warp)
"""

from cmr_synth.anatomy.dials.effects import Effect
from cmr_synth.anatomy.dials.moving import move_labels, move_pixels
from cmr_synth.anatomy.dials.regions import Region
from cmr_synth.anatomy.dials.settings import (
    DIALS,
    PRESETS,
    Dials,
    Regional,
    combined,
    preset,
    scaled,
)
from cmr_synth.anatomy.dials.turning import Dialled, Heart, turn
from cmr_synth.anatomy.dials.warp import Warp

__all__ = [
    "DIALS",
    "PRESETS",
    "Dialled",
    "Dials",
    "Effect",
    "Heart",
    "Region",
    "Regional",
    "Warp",
    "combined",
    "move_labels",
    "move_pixels",
    "preset",
    "scaled",
    "turn",
]
