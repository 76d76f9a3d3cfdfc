"""One picture at a time: does it show its mask, and is it as real ones are."""
