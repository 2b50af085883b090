"""Data sets: where images come from, and how pixels become input bits."""
