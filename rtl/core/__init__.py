"""The trainer core: the engines joined, and the sequencer that leads a sample through them."""
