"""Formal proofs of the components of :mod:`popflip.rtl`: harnesses, and a fault for each claim."""
