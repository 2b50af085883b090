"""What a user names: the target, its serial line, and the parameters that go with it."""

import re

import pytest

from popflip.boards.build.built import write_build
from popflip.boards.registry import BOARDS
from popflip.boards.tests.networks import MICRO, toml_of
from popflip.golden.support.errors import InputError
from popflip.scripts.session import Target, choose_params

PORT = "/dev/ttyUSB0"


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The file of parameters of a build for an iCEBreaker, in the folder that we work in."""
    monkeypatch.chdir(tmp_path)
    board, folder = BOARDS["icebreaker"], tmp_path / "build" / "icebreaker"
    write_build(folder, board, board.params(MICRO), board.core_mhz)
    path = folder / "params.toml"
    path.write_text(toml_of(board.params(MICRO)))
    return path


def test_the_virtual_board_is_the_default(config):
    for target in (Target(), Target("virtual"), Target(config=config)):
        assert target.virtual
        assert target.line is None
        assert target.report == {"board": "virtual", "engine": None}
        assert target.options == []


@pytest.mark.parametrize(
    "words", [{"board": PORT}, {"port": PORT}, {"board": "icebreaker", "port": PORT}]
)
def test_the_rate_is_that_of_the_build(config, words):
    target = Target(**words, config=config)
    assert not target.virtual
    assert (target.line.port, target.line.baud) == (PORT, 1_015_625)
    assert Target(**words, config=config, baud=9600).line.baud == 9600


def test_a_board_by_its_name_needs_no_parameters(config):
    params = choose_params(None, None, "icebreaker")
    assert params.machine.uart_divisor == 24
    assert choose_params(None, config, "icebreaker").digest == params.digest
    assert choose_params(None, None, PORT) is None
    assert choose_params(None, None, "virtual") is None
    target = Target("icebreaker", port=PORT)
    assert target.line.baud == 1_015_625
    assert target.options == ["--board", "icebreaker", "--port", PORT]
    assert str(target) == "board icebreaker"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            {"board": "de10"},
            "board must be virtual or a serial port such as /dev/ttyUSB0 (or the name of a board, "
            "with --port), not 'de10'",
        ),
        (
            {"board": "icebreaker"},
            "name the serial port of icebreaker with --port, such as /dev/ttyUSB0",
        ),
        ({"engine": "fast", "port": PORT}, "name one of --port and --engine, not both"),
        ({"engine": "fast", "baud": 9600}, "name one of --baud and --engine, not both"),
    ],
)
def test_what_does_not_go_together_is_refused(words, complaint):
    with pytest.raises(InputError, match=f"^{re.escape(complaint)}$"):
        Target(**words)
