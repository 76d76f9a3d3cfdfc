"""Is it good: realism, mask adherence and variety of a generator on patients it never saw."""
