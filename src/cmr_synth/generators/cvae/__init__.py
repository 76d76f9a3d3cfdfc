"""Conditional VAE: the fast baseline, one pass and no discriminator."""
