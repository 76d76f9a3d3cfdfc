"""Layers written to files, one or many, in any of the formats: one dialog for all panels."""
