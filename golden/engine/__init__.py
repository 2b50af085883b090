"""The fast engine: the bits of the golden model, from packed words and compiled loops."""
