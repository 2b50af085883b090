"""A place whose path perl, make and shells do not take as it is, as some users' folders are."""

import sys
from pathlib import Path

from popflip.boards import tools
from popflip.boards.tools import Verilator, verilator


def move_to_odd_folder(tmp_path, monkeypatch):
    """Move the tools, the cache and temporary files to a folder with a space and an umlaut.

    As in a clone, with its virtual environment, at such a place. Returns the folder.
    """
    odd = tmp_path / "my project ü"
    odd.mkdir()
    (odd / ".venv").symlink_to(sys.prefix)
    python = odd / ".venv" / Path(sys.executable).relative_to(sys.prefix)
    packaged = verilator()
    root = packaged.variables.get("VERILATOR_ROOT")
    if root is not None:
        there = odd / "verilator"
        there.symlink_to(root)
        variables = {
            name: value.replace(root, str(there)) for name, value in packaged.variables.items()
        }
        moved = Verilator(there / "bin" / "verilator", packaged.version, variables)
        monkeypatch.setattr(tools, "_packaged", lambda: moved)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    monkeypatch.setenv("POPFLIP_CACHE", str(odd / "cache"))
    return odd
