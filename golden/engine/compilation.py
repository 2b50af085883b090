"""How the engine's kernels are compiled, and how the compiled code is kept.

Numba compiles a kernel when it is first called and keeps the code in a folder beside this file, or
in the user's cache if that cannot be written. Two things that Numba does not do are done here:

- Numba compiles a kernel anew when the kernel's own file has changed, not when that of a kernel
  that it calls has. So all code is thrown away when any file of the engine has changed.
- Of two processes that add code at once, for latents of 8 and of 16 bits, one may find the other's
  code behind its own entry, and crash. So one lock covers all kernels: the code of all files lies
  in one folder.
"""

import hashlib
from contextlib import contextmanager
from pathlib import Path

from numba import njit

from popflip.golden.support.cache import locked

__all__ = ["compiled", "compiling", "driver", "inlined"]

# No reference counts: nothing here allocates, and arrays outlive the call.
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}

#: A kernel.
compiled = njit(**_OPTIONS, _nrt=False)

#: A kernel that is always made part of its caller.
inlined = njit(**_OPTIONS, _nrt=False, forceinline=True)

#: What Python calls: it may hand arrays out and take them back.
driver = njit(**_OPTIONS)


@compiled
def _any_kernel():
    """Ask this one where the code of all lies."""


#: Files without kernels.
_PLAIN = {"__init__.py", "machine.py", "threads.py"}


def _digest(folder: Path) -> str:
    """Tell apart what the files of a folder hold that have kernels, or constants of kernels."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        if path.name in _PLAIN:
            continue
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)} ".encode() + content)
    return digest.hexdigest()


#: Of the files as this process has imported them.
SOURCES = _digest(Path(__file__).parent)


@contextmanager
def compiling():
    """Keep other processes from compiling meanwhile; throw away code of other sources first."""
    folder = Path(_any_kernel.stats.cache_path)
    with locked(folder / "engine.lock"):
        forget_other_code(folder, SOURCES)
        yield


def forget_other_code(folder: Path, sources: str) -> None:
    """Remove all compiled code of a folder if it was made from other sources."""
    note = folder / "engine.sources"
    if note.exists() and note.read_text() == sources:
        return
    for path in (*folder.glob("*.nbi"), *folder.glob("*.nbc")):
        path.unlink()
    note.write_text(sources)
