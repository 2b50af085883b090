"""What needs no POSIX works without it, as on Windows: modules that Windows lacks are blocked."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

#: Modules of Python that Windows lacks and that popflip could be tempted to use.
BLOCKED = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")

RUN = f"""
import sys, warnings
for name in {BLOCKED!r}:
    assert name not in sys.modules, name
    sys.modules[name] = None
warnings.filterwarnings("ignore", "only soft file lock")
"""

NETWORK = """
[network]
image = [8, 8]
thresholds = [63, 127]
hidden = [64]
copies = 2
[dynamics]
gains = [14, 12]
[learning]
beta = 2
tau = [8, 8]
[machine]
row_lanes = 32
relax_lanes = 20
latent_lanes = [32, 20]
"""

IMPORTS = """
import popflip.boards.build.bitstream
import popflip.boards.build.built
import popflip.boards.build.programmer
import popflip.boards.host.machine
import popflip.boards.host.monitor
import popflip.boards.virtual.terminal
import popflip.golden.engine.machine
import popflip.golden.description.params
import popflip.golden.training.trainer
import popflip.rtl.verilog
import popflip.scripts.cli
"""


def run(code, folder, *arguments):
    command = [sys.executable, "-c", RUN + code, *map(str, arguments)]
    environment = {**os.environ, "POPFLIP_CACHE": str(folder / "cache")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def command(folder, *arguments):
    code = "from popflip.scripts.cli import run\nsys.exit(run(sys.argv[1:]))"
    return run(code, folder, *arguments)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "net.toml").write_text(NETWORK)
    data = tmp_path / "data"
    data.mkdir()
    rng = np.random.default_rng(1)
    for part, n in (("train", 40), ("t10k", 20)):
        for kind, shape in (("images-idx3", (n, 8, 8)), ("labels-idx1", (n,))):
            values = rng.integers(0, 256 if "images" in kind else 10, shape, np.uint8)
            header = bytes((0, 0, 8, len(shape))) + np.array(shape, ">u4").tobytes()
            (data / f"{part}-{kind}-ubyte").write_bytes(header + values.tobytes())
    return tmp_path


def test_imports(tmp_path):
    run(IMPORTS, tmp_path)


def test_verilog(folder):
    command(folder, "verilog", "--config", "net.toml", "--out", "out")
    assert list((folder / "out").glob("*.v"))


def test_fit(tmp_path):
    said = command(tmp_path, "fit", "--board", "icebreaker", "--no-search", "--no-cycles", "--json")
    assert json.loads(said)["fits"]


def test_train(folder):
    command(
        folder, "train", "--config", "net.toml", "--engine", "golden", "--data", "data",
        "--epochs", "1", "--out", "out",
    )  # fmt: skip
    assert (folder / "out" / "checkpoint.npz").is_file()
