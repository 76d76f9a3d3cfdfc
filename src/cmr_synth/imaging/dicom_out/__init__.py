"""Synthetic scans and their masks as hospitals store them: DICOM series and segmentations."""
