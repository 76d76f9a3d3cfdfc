"""Bundled networks that look at pictures: segmenter, encoder, copy detector."""
