"""Networks on their way between files and boards; the boards are virtual, at serial ports."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from popflip.boards.host import frames
from popflip.boards.host.machine import BoardMachine, virtual_machine
from popflip.boards.host.transport import SerialTransport
from popflip.boards.virtual.terminal import pseudo_terminal
from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import differences, initial_state
from popflip.golden.training.trainer import Trainer
from popflip.rtl.identity import identity

pytestmark = pytest.mark.usefixtures("default_signals")


@pytest.fixture(scope="module")
def board(folder):
    """A board of ``batches.toml``: its port, and access to it from behind."""
    params = Params.load(folder / "batches.toml")
    machine = virtual_machine(params)
    with pseudo_terminal(machine.transport) as port:
        yield SimpleNamespace(params=params, port=port)
    machine.transport.close()


@pytest.fixture
def trained(popflip, folder, tmp_path):
    """A checkpoint in the middle of a training: two epochs in software, tau grown."""
    text = (folder / "batches.toml").read_text()
    (tmp_path / "grown.toml").write_text(text.replace("batch =", "tau_growth = 60.0\nbatch ="))
    status, _, err = popflip(
        "train", "--config", tmp_path / "grown.toml", "--data", folder, "--engine", "golden",
        "--samples", 300, "--epochs", 2, "--out", tmp_path / "trained",
    )  # fmt: skip
    assert status == 0, err
    return tmp_path / "trained" / "checkpoint.npz"


def at(board):
    return ["--config", "batches.toml", "--board", board.port]


@contextmanager
def session(board):
    """Another host at the board's port."""
    with SerialTransport(board.port, 115200) as transport:
        yield BoardMachine(board.params, transport)


def answered(result, status=0):
    assert result[0] == status, result[2]
    return json.loads(result[1])


def test_a_network_goes_to_a_board_and_back_and_on(popflip, folder, board, trained, tmp_path):
    report = answered(popflip("load", "--checkpoint", trained, *at(board), "--json"))
    assert (report["verified"], report["differences"]) == (True, [])
    assert report["compared_bits"] == board.params.n_synapses * 9
    assert report["tau"] == [8, 5]  # of the third epoch: 3 and 2, growing by 60%

    moved = tmp_path / "moved" / "checkpoint.npz"
    argv = [*at(board), "--data", folder, "--seed", 7, "--out", moved]
    report = answered(popflip("save", *argv, "--json"))
    assert report["bits"] == board.params.n_synapses * 9
    origin = report["origin"]
    assert (origin["batch"], origin["tau"], origin["pending"]) == (16, [8, 5], 0)
    assert (origin["design"], origin["protocol"]) == (identity(board.params).hex(), 1)
    meta, first = Trainer.read_checkpoint(trained)
    _, second = Trainer.read_checkpoint(moved)
    assert differences(first, second) == []
    assert any(m.any() for m in second.latents)

    for path in (trained, moved):
        answered(popflip("verify", "--checkpoint", path, *at(board), "--json"))
    same = ["--data", folder, "--engine", "golden", "--json"]
    report = answered(popflip("infer", "--checkpoint", moved, *same))
    assert report["test_error"] == meta["history"][-1]["test_error"]

    # It goes on, in software, from what the board had.
    answered(popflip("train", "--resume", "--out", moved.parent, *same))
    plan = Trainer(board.params, load(str(folder)), GoldenMachine(board.params), seed=7)
    plan.machine.write_state(first)
    plan.run(1)
    assert differences(plan.machine.read_state(), Trainer.read_checkpoint(moved)[1]) == []
    # What came first is still not known.
    status, _, err = popflip("verify", "--checkpoint", moved, "--data", folder)
    assert status == 2
    assert err == (
        f"popflip: {moved} was saved from a board, and what that was trained on is not known: "
        "name the board with --board to compare the two\n"
    )
    # And the settings of that training are those of its own parameters.
    report = answered(popflip("load", "--checkpoint", moved, *at(board), "--json"))
    assert report["tau"] == [3, 2]


def test_a_saved_network_takes_its_thresholds_along(popflip, folder, board, trained, tmp_path):
    answered(popflip("load", "--checkpoint", trained, *at(board), "--json"))
    moved = tmp_path / "checkpoint.npz"
    answered(popflip("save", *at(board), "--data", folder, "--out", moved, "--json"))
    report = answered(popflip("load", "--checkpoint", moved, *at(board), "--json"))
    assert report["tau"] == [8, 5]


def test_one_bit_on_the_board_makes_a_difference(popflip, board, trained):
    answered(popflip("load", "--checkpoint", trained, *at(board), "--json"))
    with session(board) as machine:
        words = machine.link.read("latents1").copy()
        words[3, 0] ^= 1
        machine.link.write("latents1", 0, words)
    status, out, err = popflip("verify", "--checkpoint", trained, *at(board), "--json")
    assert status == 1
    assert json.loads(out)["differences"] == ["1 of 36 latents of layer 1 differ"]
    assert err == "popflip: not verified: 1 of 36 latents of layer 1 differ\n"


def test_half_a_batch_is_said(popflip, folder, board, tmp_path):
    rng = np.random.default_rng(1)
    with session(board) as machine:
        machine.write_state(initial_state(board.params, 1))
        machine.load(rng.random((5, 64)) < 0.5, rng.integers(0, 3, 5))
        machine.train(0, 5, flush=False)
        held = machine.read_state()
    moved = tmp_path / "checkpoint.npz"
    status, _, err = popflip("save", *at(board), "--data", folder, "--out", moved)
    assert status == 0
    assert "in the middle of a batch, 5 of 16 samples: the next batch begins anew" in err
    meta, state = Trainer.read_checkpoint(moved)
    assert meta["origin"]["pending"] == 5
    assert differences(state, held) == []


@pytest.mark.slow
def test_boards_of_other_shapes_take_the_network(popflip, folder, trained, tmp_path):
    text = (folder / "batches.toml").read_text()
    for name, change in {
        "lanes.toml": ("row_lanes = 64", "row_lanes = 32"),
        "inference.toml": ("row_lanes", "training = false\nrow_lanes"),
    }.items():
        config = tmp_path / name
        config.write_text(text.replace(*change))
        assert config.read_text() != text
        report = answered(popflip("load", "--checkpoint", trained, "--config", config, "--json"))
        bits = 1 if name == "inference.toml" else 9
        assert report["compared_bits"] == 804 * bits
        assert report["verified"] is True


def refused(result):
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    return err.removeprefix("popflip: ").removesuffix("\n")


def test_what_does_not_match_is_refused_in_one_line(
    popflip, folder, board, trained, tmp_path, monkeypatch
):
    argv = ["load", "--checkpoint", trained, "--board", board.port]
    line = refused(popflip(*argv, "--config", "wider.toml"))
    assert line == f"{trained} is of another network: its network differs"
    text = (folder / "batches.toml").read_text()
    for bits, said in (("latent_bits = 6", "6"), ("first_latent_bits = 9", "9 and 8")):
        (tmp_path / "other.toml").write_text(text.replace("batch =", f"{bits}\nbatch ="))
        line = refused(popflip(*argv, "--config", tmp_path / "other.toml"))
        assert line == f"{trained} has latents of 8 bits, and the board's have {said}"
    # The board was built with other lanes.
    (tmp_path / "lanes.toml").write_text(text.replace("row_lanes = 64", "row_lanes = 32"))
    for verb in (["save", "--out", tmp_path / "x.npz", "--data", folder], argv[:3]):
        words = [*verb, "--board", board.port, "--config", tmp_path / "lanes.toml"]
        assert refused(popflip(*words)).startswith("the board runs design ")
    # A board of another time.
    with monkeypatch.context() as patch:
        patch.setattr(frames, "VERSION", 2)
        line = refused(popflip(*argv, "--config", "batches.toml"))
    assert "protocol version is 1, not 2" in line
    assert not (tmp_path / "x.npz").exists()


def test_batches_are_refused_by_a_shared_update_engine(popflip, folder, trained, tmp_path):
    text = (folder / "tiny.toml").read_text()
    text = text.replace("[32, 3]", "[3, 3]\nweight_slice = 6\nshared_update = true")
    (tmp_path / "shared.toml").write_text(text)
    argv = ["load", "--checkpoint", trained, "--config", tmp_path / "shared.toml"]
    line = refused(popflip(*argv, "--board", "virtual"))
    assert line.endswith("learns in batches of 16; the board's shared update engine cannot")


def test_a_virtual_board_that_ends_with_its_command_holds_nothing(popflip, folder, trained):
    line = refused(popflip("save", "--board", "virtual", "--data", folder))
    assert line.startswith("board must be a serial port, not virtual: ")
    assert line.endswith("popflip serve keeps one at a port")
    line = refused(popflip("verify", "--checkpoint", trained, "--board", "virtual"))
    assert line == "board must be a serial port, not virtual: a new one has learned nothing"


def test_a_board_that_is_served_stays_between_commands(popflip, folder, trained, tmp_path):
    port = tmp_path / "port"
    words = ["serve", "--config", "batches.toml", "--link", str(port), "--json"]
    server = subprocess.Popen(
        [sys.executable, "-m", "popflip.scripts.cli", *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        said = ""
        while said.count("{") == 0 or not said.rstrip().endswith("}"):
            line = server.stdout.readline()
            assert line, server.stderr.read()
            said += line
        assert json.loads(said)["port"] == str(port)
        board = SimpleNamespace(port=port)
        answered(popflip("load", "--checkpoint", trained, *at(board), "--json"))
        answered(popflip("verify", "--checkpoint", trained, *at(board), "--json"))
    finally:
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=60)
    assert server.returncode == 0, err
    assert not os.path.lexists(port)


def test_a_file_is_no_name_for_a_port(popflip, trained):
    line = refused(popflip("serve", "--config", "batches.toml", "--link", trained))
    assert line == f"link must be a name that is free, and {trained} is taken"
    assert trained.exists()
