"""A latent model whose conditions are the two codes of a factorised VAE: anatomy and domain."""
