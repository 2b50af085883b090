"""Fixtures that the tests of data sets share."""

from popflip.golden.datasets.tests.fixtures import arrays, folder, originals

__all__ = ["arrays", "folder", "originals"]
