"""Latent flow and latent diffusion: an autoencoder, and a network on what it encodes."""
