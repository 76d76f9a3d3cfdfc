"""Layers as files, and as napari's own Save writes them.

A file lies on the grid and in the place of the scan that its layer belongs to, and a synthetic
image says that it is one: in the file, and in a record that tells how it was made.
"""
