"""A learned generator of masks: what outlines of the shape model cannot draw."""
