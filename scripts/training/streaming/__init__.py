"""Learning from samples as they come: where they come from, and what becomes of them.

``lines`` reads lines as they arrive, ``parsing`` makes samples of them, ``samples`` encodes samples
and numbers their labels, ``job`` has a run learn them.
"""
