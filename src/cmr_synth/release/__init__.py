"""A synthetic cohort to hand over: a request in, one signed data set with its evidence out."""
