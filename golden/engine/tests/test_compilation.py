"""The compiled code of the engine: one lock for all of it, and none that is out of date."""

import threading

import pytest

from popflip.golden.description.params import Params
from popflip.golden.engine import batches, compilation, drive, relaxation, update
from popflip.golden.engine.compilation import SOURCES, compiling, forget_other_code
from popflip.golden.engine.machine import FastMachine

pytestmark = pytest.mark.timeout(600)  # the first of them compiles the engine


def test_processes_compile_one_after_the_other():
    """A lock is of an open file: what holds for a thread holds for a process."""
    thread = threading.Thread(target=FastMachine, args=[Params.load("local-small")])
    with compiling():
        thread.start()
        thread.join(1)
        assert thread.is_alive()
    thread.join()


def test_the_code_of_all_files_lies_under_one_lock():
    kernels = [drive.cut_windows, relaxation.relax, update.learn, batches.infer, batches.train]
    with compiling():
        folders = {kernel.stats.cache_path for kernel in kernels}
        (folder,) = folders
        assert (compilation.Path(folder) / "engine.lock").exists()


def test_code_of_other_sources_is_thrown_away(tmp_path):
    for name in ("a.nbi", "a.1.nbc", "a.pyc"):
        (tmp_path / name).write_text("old")
    forget_other_code(tmp_path, "these")
    assert {path.name for path in tmp_path.iterdir()} == {"a.pyc", "engine.sources"}
    (tmp_path / "a.nbi").write_text("new")
    forget_other_code(tmp_path, "these")
    assert (tmp_path / "a.nbi").exists()
    forget_other_code(tmp_path, "others")
    assert not (tmp_path / "a.nbi").exists()


def test_any_file_of_the_engine_tells_its_sources_apart(tmp_path):
    for name in ("lanes.py", "layout.py"):
        (tmp_path / name).write_text("x = 1")
    found = {compilation._digest(tmp_path)}
    for name in ("lanes.py", "layout.py"):
        (tmp_path / name).write_text("x = 2")
        found.add(compilation._digest(tmp_path))
    (tmp_path / "more.py").write_text("")
    found.add(compilation._digest(tmp_path))
    assert len(found) == 4
    for name in ("__init__.py", "machine.py", "threads.py"):
        (tmp_path / name).write_text("x = 3")  # without kernels
    assert compilation._digest(tmp_path) in found
    assert compilation._digest(compilation.Path(compilation.__file__).parent) == SOURCES
