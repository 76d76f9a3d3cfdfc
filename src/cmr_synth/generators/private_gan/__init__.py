"""A SPADE GAN that has seen patients through a private discriminator alone."""
