"""The Dials panel: diseases turned on in a mask by sliders."""
