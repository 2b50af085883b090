"""The paper's own dynamics: every neuron keeps a potential, and all are updated at once."""
