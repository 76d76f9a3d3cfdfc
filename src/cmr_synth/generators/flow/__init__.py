"""Few-step flow matching in pixel space, conditioned on a heart mask."""
