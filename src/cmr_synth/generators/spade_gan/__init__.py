"""SPADE GAN: a slice in one pass of the network."""
