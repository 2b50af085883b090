"""Building blocks that know nothing of neural networks."""
