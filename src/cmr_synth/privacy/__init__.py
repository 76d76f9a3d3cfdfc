"""Is it anybody: reference archives, neighbours, membership, certificates."""
