"""The netlist is the design: what is placed, and what is in a bitstream, learns like golden.

Presets are those that the boards have today, each once for a family, and two with pooled windows.
"""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from popflip.boards.build.clocking import RESET_CYCLES
from popflip.boards.registry import BOARDS
from popflip.boards.tests.networks import MICRO, MICRO_SHARED
from popflip.cocotb_tests.cosim import differences, initial, train_golden, train_steps
from popflip.cocotb_tests.netlist import (
    ICESTORM,
    bitstream_verilog,
    board_verilog,
    core_verilog,
)
from popflip.cocotb_tests.simulators import build, play
from popflip.cocotb_tests.stimulus import Stimulus
from popflip.golden.datasets import encoding, loading
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import IDENTIFY_ANSWER, MAX_PAYLOAD, Verb
from popflip.rtl.identity import identity

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

#: With room for samples enough to learn from: the pins of a board bring no others.
PINS = MICRO.replace(machine={"sample_slots": 16})

#: Of MNIST, as large as an HX8K holds with its latents.
HX8K = Params.build({
    "name": "hx8k",
    "network": {"first": "local", "window": 8, "stride": 5, "features": 4},
    "dynamics": {"gains": [26, 40], "active_bound": 1},
    "learning": {"latent_bits": 6, "tau": [4, 3], "beta": 4},
    "machine": {
        "row_lanes": 16, "relax_lanes": 2, "latent_lanes": [2, 2], "sample_slots": 8,
    },
})  # fmt: skip

#: Boards and their presets, of the families whose cells have models.
PRESETS = [
    *{
        (board.device.family, board.preset): (name, board.preset)
        for name, board in reversed(BOARDS.items())
        if board.device.family.cell_models
    }.values(),
    ("icebreaker", "ice40up5k-pooled"),
    ("ulx3s-25f", "ecp5-25f-pooled"),
]

LONG = pytest.mark.timeout(7200)


def samples_of(params: Params, n: int):
    """Some of MNIST, or noise for a network of the tests."""
    if min(params.network.image) < 20:
        rng = np.random.default_rng(1)
        return rng.random((n, params.n_in)) < 0.4, rng.integers(0, params.network.classes, n)
    images = loading.load("mnist", params=params)
    x = encoding.input_of(params.network, images.train_images[:n])
    return x, images.train_labels[:n].astype(int)


def learned(expected):
    """See that there was something to learn, so that equality means something."""
    assert expected["changed"] > 0
    assert expected["flips0"] > 0
    assert expected["flips1"] > 0


def check_core(board, params, n, seconds):
    design = build("verilator", "core", core_verilog(board, params))
    x, labels = samples_of(params, n)
    model = initial(params, 3)
    results = play(design, "tb_core", train_steps(model, x, labels), seconds=seconds)
    expected = train_golden(model, x, labels)
    assert differences(params, results, expected) == []
    learned(expected)


def check_pins(board, params, verilog):
    """Talk to a board over the pins of its serial line, and have it train."""
    # At these pins there is no flash: the bench is the host.
    params = board.params(params.replace(standalone={"flash": "none"}))
    design = build("verilator", "pins", verilog(board, params))
    x, labels = samples_of(params, params.machine.sample_slots)
    model = initial(params, 2)
    stimulus = Stimulus(params)
    # It is silent while it holds itself in reset.
    stimulus.silence(RESET_CYCLES // params.machine.uart_divisor + 20)
    identify = stimulus.request(Verb.IDENTIFY)
    reads = stimulus.train(model, x, labels)
    answers = stimulus.play(design, seconds=1500)
    assert answers[identify] == IDENTIFY_ANSWER.pack(identity(params), MAX_PAYLOAD)
    expected = train_golden(model, x, labels)
    assert differences(params, stimulus.words(answers, reads), expected) == []
    learned(expected)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("hx8k-b-evn", MICRO),
        ("icebreaker", MICRO_SHARED),
        ("ulx3s-12f", MICRO),
        ("tang-primer-25k", MICRO),
    ],
    ids=["hx8k", "icebreaker", "ulx3s", "tang-primer-25k"],
)
def test_the_synthesized_core_of_a_small_network(name, params):
    check_core(BOARDS[name], params, 40, 600)


@LONG
@pytest.mark.parametrize(("name", "preset"), PRESETS, ids=["-".join(one) for one in PRESETS])
def test_the_synthesized_core_of_a_preset(name, preset):
    check_core(BOARDS[name], Params.load(preset), 20, 3600)


@pytest.mark.parametrize("name", ["hx8k-b-evn", "icebreaker", "ulx3s-12f", "tang-primer-25k"])
def test_the_netlist_that_is_placed_learns_over_its_pins(name):
    check_pins(BOARDS[name], PINS, board_verilog)


def without_pll(board):
    """Return a board that runs at the pace of its oscillator."""
    return replace(board, core_mhz=board.clock_mhz, pll="")


needs_icestorm = pytest.mark.skipif(
    not all(map(shutil.which, ICESTORM)),
    reason="icestorm, which PyPI does not have, reads bitstreams: apt-get install fpga-icestorm",
)


@needs_icestorm
@pytest.mark.parametrize("params", [PINS, HX8K], ids=lambda params: params.name)
def test_the_routed_bitstream_learns_over_its_pins(params):
    check_pins(without_pll(BOARDS["hx8k-b-evn"]), params, bitstream_verilog)


@LONG
@needs_icestorm
def test_the_routed_bitstream_of_the_boards_preset_learns_over_its_pins():
    board = without_pll(BOARDS["hx8k-b-evn"])
    check_pins(board, Params.load(board.preset), bitstream_verilog)
