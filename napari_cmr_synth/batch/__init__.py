"""The panel that makes a data set of a folder of masks."""
