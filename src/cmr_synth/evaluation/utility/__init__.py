"""Is it useful: a segmenter trained on real, on synthetic, and on both, tested on real patients."""
