"""Fitting, building and flashing need no POSIX: what only it has is not even imported."""

import subprocess
import sys
import textwrap


def test_the_rooms_of_builds_import_without_posix():
    program = textwrap.dedent("""
        import importlib, pkgutil, sys
        for name in ("fcntl", "termios", "pty", "tty", "resource"):
            sys.modules[name] = None  # an import of it fails
        from popflip.boards import build, families, recipes
        for package in (build, families, recipes):
            for found in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{package.__name__}.{found.name}")
        from popflip.boards.build.inventory import inventory
        from popflip.boards.registry import find_board
        from popflip.boards.tests.networks import MICRO
        board = find_board("icebreaker")
        assert inventory(board.params(MICRO)).memories
    """)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
