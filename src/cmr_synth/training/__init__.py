"""What makes generators: one loop, recipes as YAML, checkpoints, moving averages."""
