"""The paper's own systems, in floating point."""
