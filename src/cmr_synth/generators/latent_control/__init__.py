"""Mask control for a frozen latent model that was trained without masks."""
