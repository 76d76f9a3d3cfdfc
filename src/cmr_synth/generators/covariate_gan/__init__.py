"""A person's picture at another age or body mass index, by a conditional Wasserstein GAN."""
