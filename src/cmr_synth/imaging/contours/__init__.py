"""Contours that people draw on DICOM images: in, as masks, and out."""
