"""Verbs of the command: one module or package each, in a package for each group of the help."""
