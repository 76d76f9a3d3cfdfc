"""Masked tokens: a transformer that fills in what is hidden, again and again, from nothing."""
