"""DCGAN and progressive GAN: slices without a mask, in one pass of the network."""
