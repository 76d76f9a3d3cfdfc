"""Latent diffusion of volumes: a stack, or a slice over a heartbeat, with its mask, all at once."""
