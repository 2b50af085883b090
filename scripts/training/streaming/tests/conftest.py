"""Fixtures of the tests of streams."""

from popflip.scripts.tests.fixtures import folder, trained

__all__ = ["folder", "trained"]
