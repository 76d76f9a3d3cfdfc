"""From what a user asks for to pictures with their record: slices, stacks, batches, what-if."""
