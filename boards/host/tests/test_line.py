"""Which serial line is meant, and what a time-out says of it."""

import os
import pty
import re

import pytest

from popflip.boards.build.built import write_build
from popflip.boards.host.line import line_of, open_line, params_of
from popflip.boards.host.link import Link, LinkTimeout
from popflip.boards.registry import BOARDS, find_board
from popflip.boards.tests.networks import MICRO, toml_of
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError

ICEBREAKER = BOARDS["icebreaker"]
PORT = "/dev/ttyUSB0"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder where the preset of an iCEBreaker has been built, at another clock."""
    monkeypatch.chdir(tmp_path)
    built = tmp_path / "build" / "icebreaker"
    params = ICEBREAKER.params(Params.load("ice40up5k"), 18)
    write_build(built, ICEBREAKER, params, 18)
    (built / "params.toml").write_text(toml_of(params))
    return tmp_path


def test_the_virtual_board_is_at_no_line():
    assert line_of(None, None) is None
    assert line_of("virtual", None) is None


def test_without_a_build_the_default_is_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in (
        line_of(PORT, None),
        line_of(None, PORT),
        line_of(PORT, None, None, tmp_path / "x"),
    ):
        assert (line.port, line.baud, line.built) == (PORT, 115_200, None)
        assert line.clock_mhz is None
    assert line.advice == (
        "that is the default: --baud or --config FOLDER/params.toml names another"
    )
    assert line_of(PORT, None, 9600).advice == ""


def test_the_build_beside_the_parameters_says_the_rate(folder):
    config = folder / "build" / "icebreaker" / "params.toml"
    line = line_of(PORT, None, None, config)
    assert line.baud == 1_000_000
    assert line.advice == f"that is the rate that {config.parent} was built with"
    line = line_of(PORT, None, 115_200, config)
    assert line.baud == 115_200
    assert line.advice == f"but {config.parent} was built for 1000000"


def test_the_build_of_a_board_says_the_rate(folder):
    line = line_of("icebreaker", PORT)
    assert (line.port, line.baud) == (PORT, 1_000_000)
    assert line.advice == "that is the rate that build/icebreaker was built with"
    assert line_of("icebreaker", PORT, 9600).baud == 9600
    assert line.clock_mhz == 18


def test_a_board_that_was_not_built_here_has_its_usual_rate(folder):
    line = line_of("hx8k-b-evn", PORT)
    assert (line.baud, line.advice) == (
        1_000_000,
        "that is the usual rate of hx8k-b-evn",
    )
    assert line.clock_mhz == find_board("hx8k-b-evn").core_mhz


def test_a_default_that_may_be_wrong_names_what_was_built(folder):
    assert line_of(PORT, None).advice == (
        "that is the default: build/icebreaker was built for 1000000; --baud or "
        "--config FOLDER/params.toml names another"
    )


def test_words_that_do_not_go_together_are_refused():
    text = "name the serial port of icebreaker with --port, such as /dev/ttyUSB0"
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        line_of("icebreaker", None)
    for board in ("virtual", "/dev/ttyUSB1"):
        with pytest.raises(
            InputError, match=f"^--port goes with the name of a board, .* not {board!r}$"
        ):
            line_of(board, PORT)


def test_parameters_are_as_the_board_runs_them(folder):
    own = params_of("icebreaker", None)
    assert own.machine.uart_divisor == 18
    assert own.digest == ICEBREAKER.params(Params.load("ice40up5k"), 18).digest
    # At the clock of the build, not at the board's usual one.
    assert params_of("icebreaker", MICRO) == ICEBREAKER.params(MICRO, 18)
    assert params_of("hx8k-b-evn", MICRO) == BOARDS["hx8k-b-evn"].params(MICRO)
    for board in (None, "virtual", PORT):
        assert params_of(board, MICRO) is MICRO
        assert params_of(board, None) is None
    with pytest.raises(
        InputError, match=r"^build/ulx3s-12f holds no build: popflip build --board ulx"
    ):
        params_of("ulx3s-12f", None)


def test_a_time_out_says_at_which_rate_the_port_was_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    host, board = pty.openpty()
    try:
        line = line_of(os.ttyname(board), None, 230400)
        with pytest.raises(LinkTimeout, match=r"^no answer to IDENTIFY .* at 230400 baud$"):
            with open_line(line) as transport:
                Link(transport, MICRO, timeout=0.1).identify()
    finally:
        os.close(host)
        os.close(board)
