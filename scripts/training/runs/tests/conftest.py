"""Fixtures of the tests of runs."""

from popflip.scripts.tests.fixtures import folder

__all__ = ["folder"]
