"""What any release is for, and what it is not: said in the datasheet and in the metadata alike."""

from __future__ import annotations

INTENDED = (
    "Developing, debugging and stress-testing segmentation and measurement of short-axis cardiac "
    "MR, where patients' pictures cannot be shared.",
    "Augmenting real training data, after its utility was measured on real patients.",
    "Teaching, and demonstrations of software.",
)
NOT_FOR = (
    "Not for diagnosis, treatment or any decision about a person.",
    "Not as the only data that a medical device is trained or validated on.",
    "Not for claims about populations: mixes and function are as they were asked for.",
)
LIMITS = (
    "Pictures follow their masks and the looks that a model learned; pathology beyond shape and "
    "size of LV, myocardium and RV is not shown.",
    "An audit sees the kinds of copies that it proved to see, against the archive that it was "
    "given; it does not prove anonymity.",
    "Function is measured on masks; what the segmenter reads off pictures stands beside it.",
)
