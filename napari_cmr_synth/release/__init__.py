"""A synthetic cohort to hand over: asked for, planned, made, leafed through, passed on."""
