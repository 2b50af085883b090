"""Training loops, checkpoints, and the training of a standalone machine."""
