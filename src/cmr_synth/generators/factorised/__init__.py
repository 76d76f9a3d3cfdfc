"""A factorised VAE: what a picture shows and how it looks, as two codes that can be exchanged."""
