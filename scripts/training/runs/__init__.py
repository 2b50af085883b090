"""Runs: a board, or an engine, that learns in a process of its own.

Whoever shows or feeds one holds a :class:`popflip.scripts.training.runs.run.Run`, and knows nothing
of transports: it is the same for the virtual board, a serial port and the engines.
"""
