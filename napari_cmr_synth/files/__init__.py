"""What napari opens, saves and offers as samples through this plugin."""
