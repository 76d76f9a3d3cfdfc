"""Do synthetic slices look like those of real patients."""
