"""Random machines, computed in every way there is."""
