"""Is the current synthetic slice as real ones are."""
