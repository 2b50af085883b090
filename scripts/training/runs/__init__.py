"""Runs: a board, or an engine, that learns while others look on, in a process of its own.

Whoever shows or feeds one holds a :class:`popflip.scripts.training.runs.run.Run`, and knows nothing
of transports: it is the same for the virtual board, a serial port and the engines. A board that
trains alone, from its own flash, is a :class:`popflip.scripts.training.runs.watched.WatchedRun`.
Both are listened to in one way (:class:`popflip.scripts.training.runs.process.ProcessRun`).
"""
