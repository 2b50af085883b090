"""Fixtures of the command's tests."""

from popflip.scripts.tests.fixtures import command, folder, popflip, trained, uncounted

__all__ = ["command", "folder", "popflip", "trained", "uncounted"]
