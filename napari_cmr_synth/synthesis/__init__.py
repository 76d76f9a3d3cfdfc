"""The panels that make pictures: of a mask in view, live while it is painted, of a folder."""
