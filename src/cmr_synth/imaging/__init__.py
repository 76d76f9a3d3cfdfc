"""What a scan is: reading and writing, orientation, normalisation, the working grid."""

from cmr_synth.imaging.scan import Scan, require_foreground, require_same_grid

__all__ = ["Scan", "require_foreground", "require_same_grid"]
