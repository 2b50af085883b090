import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from popflip.boards.tests.odd_folder import move_to_odd_folder
from popflip.boards.tools import ToolError
from popflip.boards.virtual import model
from popflip.boards.virtual.board import VirtualBoard
from popflip.boards.virtual.model import build_model, model_path
from popflip.boards.virtual.tests.echo_top import DIVISOR

pytestmark = pytest.mark.usefixtures("default_signals")


def left(folder):
    """Names in a folder but of locks."""
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


def test_cached_model_needs_no_compiler(text, models, board, monkeypatch):
    path = model_path(text, folder=models)
    made = path.stat().st_mtime_ns

    def refuse(*args, **kwargs):
        raise AssertionError(f"a program was started: {args}")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert build_model(text, folder=models) == path
    assert path.stat().st_mtime_ns == made


def test_key_is_the_content(text, models):
    paths = {
        model_path(text, folder=models),
        model_path(text + "\n", folder=models),
        model_path(text, top="other", folder=models),
        model_path(text, trace=True, folder=models),
        model_path(text, error_pin=True, folder=models),
    }
    assert len(paths) == 5


def test_default_folder(text, monkeypatch, tmp_path):
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path))
    assert model_path(text).parents[1] == tmp_path / "models"


@pytest.mark.parametrize("edge", ["posedge other", "negedge clk"])
def test_other_clocks_are_refused(tmp_path, edge):
    text = f"module top(input clk); reg r; always @({edge}) r <= 1'b1; endmodule"
    with pytest.raises(ToolError, match=r"design must have one clock, clk, and its rising edge$"):
        build_model(text, folder=tmp_path)
    assert left(tmp_path) == []


def test_error_shows_its_cause_and_the_end_of_the_log(tmp_path):
    broken = "module top(input clk);\n  assign nowhere[3 = 1;\nendmodule\n"
    with pytest.raises(ToolError) as caught:
        build_model(broken, folder=tmp_path)
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("the virtual board's model does not compile: top.v:2:")
    assert "syntax error" in first
    assert any("top.v:2" in line for line in rest)
    assert len(rest) <= 25
    assert left(tmp_path) == []


def test_error_of_the_compiler_is_named(text, tmp_path, monkeypatch):
    """One that appears behind Verilator, in the C++ compiler."""
    monkeypatch.setattr(model, "_COMPILER_FLAGS", "-fno-such-flag")
    with pytest.raises(ToolError) as caught:
        build_model(text, folder=tmp_path)
    first = str(caught.value).splitlines()[0]
    assert first.startswith("the virtual board's model does not compile: ")
    assert "-fno-such-flag" in first


@pytest.mark.slow
def test_folders_with_spaces_and_letters_beyond_ascii(text, tmp_path, monkeypatch):
    odd = move_to_odd_folder(tmp_path, monkeypatch)
    path = build_model(text + "// odd\n")
    assert path.is_relative_to(odd / "cache" / "models")
    with VirtualBoard(text + "// odd\n", divisor=DIVISOR, sample_bytes=1) as board:
        board.write(b"\x81")
        assert board.read(1e-3) == b"\x81"


def test_a_model_that_was_cut_short_is_made_anew(text, tmp_path):
    path = build_model(text, folder=tmp_path)
    whole = path.stat().st_size
    os.truncate(path, whole // 2)
    assert build_model(text, folder=tmp_path) == path
    assert path.stat().st_size == whole


def test_builders_of_one_model_build_it_once(text, tmp_path):
    code = (
        "import logging, pathlib, sys\n"
        "from popflip.boards.virtual.model import build_model\n"
        "logging.basicConfig(level='INFO', format='%(message)s')\n"
        "print(build_model(sys.stdin.read(), folder=pathlib.Path(sys.argv[1])))\n"
    )

    def build(_):
        command = [sys.executable, "-c", code, str(tmp_path / "a folder")]
        return subprocess.run(
            command, input=text + "// once\n", capture_output=True, text=True, timeout=120
        )

    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(build, range(2)))
    assert [run.returncode for run in runs] == [0, 0], runs
    (path,) = {run.stdout.strip() for run in runs}
    assert os.path.getsize(path) > 0
    assert sum("compiling the virtual board" in run.stderr for run in runs) == 1


def test_interrupt_leaves_nothing(text, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / "models"
    main = threading.main_thread().ident
    compiling = []

    def interrupt():
        # Once make has started: its work lies in the folder of objects.
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not compiling:
            compiling.extend(tmp_path.glob("popflip-*/obj/*.d"))
            time.sleep(0.02)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        build_model(text + "// interrupted\n", folder=folder)
    thread.join()
    assert compiling, "make did not start within a minute"
    assert left(folder) == []
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.slow
def test_waves(text, tmp_path):
    waves = tmp_path / "waves.vcd"
    with VirtualBoard(text, divisor=DIVISOR, sample_bytes=1, trace=waves, folder=tmp_path) as board:
        board.write(b"\x81")
        assert board.read(1e-3) == b"\x81"
    lines = waves.read_text().splitlines()
    assert sum(line.startswith("#") for line in lines) > board.cycles
    assert any(line.endswith(" order $end") or " order [" in line for line in lines)
