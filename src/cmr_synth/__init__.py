"""Synthetic cardiac MRI from heart masks: the engine, complete without Qt."""

__version__ = "0.1.0"
