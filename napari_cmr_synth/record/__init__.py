"""The record panel, and the frame that panels with results share."""
