"""What every trained network needs, whatever it is for: its weights and folder on disk."""
