"""Where the people of a release come from: given masks, drawn templates, sampled hearts."""
