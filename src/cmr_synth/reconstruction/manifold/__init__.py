"""Cine and T1 contrast of one slice from a single scan: a generative manifold fitted to it."""
