"""The errors that are the user's, or the surroundings', to put right; and a warning.

The command turns a :class:`PopflipError` into one line and exit status 2. Any other exception is a
fault of popflip: it shows its trace.
"""

__all__ = ["InputError", "PopflipError", "RenamedWarning"]


class PopflipError(Exception):
    """Something that the user can put right; the message says what is wrong and what to do.

    Its first line stands by itself; a tool's own log may follow.
    """


class InputError(PopflipError, ValueError):
    """A value from outside that is not allowed; the message names it and the allowed range."""


class RenamedWarning(FutureWarning):
    """A name from outside has changed; the old one is still read in this version."""
