"""Blinded reader studies, and the statistics of what readers said."""
