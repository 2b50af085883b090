"""The one description of a network and its machine, for model, hardware and host."""
