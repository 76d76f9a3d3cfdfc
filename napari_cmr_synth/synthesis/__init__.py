"""The panel that makes pictures of a mask in view, live while it is painted."""
