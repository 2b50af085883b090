"""Data sets that have a name: the ``registry``, what is ``published``, and its ``download``."""
