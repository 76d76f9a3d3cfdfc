"""The nearest real patients of a synthetic slice."""
