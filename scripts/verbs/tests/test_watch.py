"""Boards that train by themselves, through the command."""

import csv
import json
import os
import signal
import threading
import tty

import pytest

from popflip.boards.host.link import Link
from popflip.boards.host.machine import stop_standalone, virtual_board
from popflip.boards.virtual.terminal import pseudo_terminal
from popflip.golden.datasets.loading import load
from popflip.golden.description.flash_image import read_image, write_image
from popflip.golden.description.params import Params
from popflip.golden.support import interrupts
from popflip.golden.training.standalone import image_of

pytestmark = pytest.mark.usefixtures("default_signals")

SIZES = ["--samples", 200, "--test-samples", 50]


@pytest.fixture
def popflip(folder, command, tmp_path, monkeypatch):
    """Run the command on a network with a flash: (status, output, errors)."""
    text = (folder / "batches.toml").read_text()
    standalone = '\n[standalone]\nflash = "quad"\norder_bits = 8\nepochs = 2\n'
    (tmp_path / "standalone.toml").write_text(text + standalone)
    (tmp_path / "plain.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return command


def errors(report):
    return [(log["train_error"], log["test_error"]) for log in report["history"]]


@pytest.mark.slow
def test_the_virtual_board_learns_what_the_engine_learns(popflip, folder, tmp_path):
    argv = [
        "watch",
        "--config",
        "standalone.toml",
        "--data",
        folder,
        *SIZES,
        "--out",
        "w",
        "--json",
    ]
    status, out, err = popflip(*argv)
    assert status == 0, err
    report = json.loads(out)
    assert (report["verified"], report["differences"]) == (True, [])
    assert [log["epoch"] for log in report["history"]] == [1, 2]
    assert report["history"][1]["test_error"] < 20
    assert "epoch 2: test error" in err
    with open(report["files"]["log_csv"]) as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert (tmp_path / "w" / "curves.png").exists()

    status, out, err = popflip(*argv, "--engine", "golden")
    assert status == 0, err
    assert errors(json.loads(out)) == errors(report)

    # The same from a file, and without --json.
    status, _, err = popflip(
        "data", "--data", folder, "--image", "a.img", "--config", "standalone.toml", *SIZES
    )
    assert status == 0, err
    status, out, err = popflip(*argv[:-1], "--image", "a.img")
    assert status == 0, err
    assert f"{report['history'][1]['test_error']:.2f}" in out


def test_a_board_at_a_serial_port_is_listened_to(popflip, folder, tmp_path):
    params = Params.load(tmp_path / "standalone.toml")
    image = write_image(params, *image_of(params, load(str(folder)), 200, 50))
    with virtual_board(params, image) as board, pseudo_terminal(board) as port:
        status, out, err = popflip(
            "watch",
            "--config",
            "standalone.toml",
            "--board",
            port,
            "--start",
            "--out",
            "w",
            "--json",
        )
    assert status == 0, err
    report = json.loads(out)
    assert report["verified"] is None
    assert [log["samples"] for log in report["history"]] == [200, 200]


def test_a_board_that_does_not_train_is_said(popflip, folder, tmp_path):
    params = Params.load(tmp_path / "standalone.toml")
    image = write_image(params, *image_of(params, load(str(folder)), 200, 50))
    with virtual_board(params, image) as board:
        stop_standalone(Link(board, params), params, board)
        with pseudo_terminal(board) as port:
            status, out, err = popflip("watch", "--config", "standalone.toml", "--board", port)
    assert (status, out) == (2, "")
    assert err == "popflip: the board is idle; popflip watch --start begins standalone training\n"


@pytest.fixture
def silent_port():
    """Return a serial port at which nobody answers."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(slave)
    os.close(master)


def test_ctrl_c_ends_the_watch_of_a_board_that_says_nothing(popflip, silent_port):
    def type_ctrl_c():
        while not interrupts._state.sections and not over.wait(0.01):
            pass
        if not over.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    over = threading.Event()
    thread = threading.Thread(target=type_ctrl_c, daemon=True)
    thread.start()
    try:
        status, out, err = popflip("watch", "--config", "standalone.toml", "--board", silent_port)
    finally:
        over.set()
        thread.join()
        interrupts.install()  # forgets that somebody has asked
    assert (status, out) == (2, "")
    assert interrupts.LAST_WORDS in err


def test_an_image_holds_what_fits(popflip, folder, tmp_path):
    argv = ["data", "--data", folder, "--image", "b.img", "--config", "standalone.toml", "--json"]
    status, out, err = popflip(*argv)
    assert status == 0, err
    facts = json.loads(out)["image_file"]
    assert (facts["train"], facts["test"]) == (256, 100)
    content = (tmp_path / "b.img").read_bytes()
    assert len(content) == facts["bytes"]
    assert len(read_image(Params.load(tmp_path / "standalone.toml"), content).train) == 256

    status, _, err = popflip(*argv, "--flash-bytes", 1 << 20)
    assert status == 2
    assert err.startswith("popflip: 100 test images of 9 bytes leave no room for training images")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--config", "plain.toml", "--board", "/dev/ttyNone"],
            "standalone.flash must be single, dual or quad for standalone training, not auto",
        ),
        (["--config", "standalone.toml", "--image", "none.img"], "none.img: No such file"),
        (
            ["--config", "standalone.toml", "--image", "huge.img"],
            "huge.img: a flash image must have at most 16,777,216 bytes, not 1,099,511,627,776",
        ),
        (
            ["--config", "standalone.toml", "--samples", 257],
            "samples must be 1 to 256, which fit beside 100 test images",
        ),
    ],
)
def test_what_cannot_be_watched_is_refused(popflip, folder, tmp_path, argv, message):
    (tmp_path / "huge.img").touch()
    os.truncate(tmp_path / "huge.img", 1 << 40)
    status, _, err = popflip("watch", *argv, "--data", folder)
    assert status == 2
    assert err.startswith(f"popflip: {message}")
