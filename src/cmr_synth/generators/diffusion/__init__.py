"""Segmentation-guided diffusion in pixel space."""
