"""Do synthetic slices show the heart that their masks asked for."""
