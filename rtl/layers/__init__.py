"""The engines between layers of neurons, and the memories that they work on."""
