"""Boards that train by themselves, on the virtual board: every draw and every bit as golden's."""

import numpy as np
import pytest

from popflip.boards.host.link import Link, LinkError
from popflip.boards.host.machine import BoardMachine, stop_standalone, virtual_board
from popflip.boards.host.monitor import watch
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.loading import load
from popflip.golden.description.flash_image import TURN_CYCLES, flash_cycles, write_image
from popflip.golden.description.params import Params
from popflip.golden.description.registers import StandaloneState
from popflip.golden.engine.machine import FastMachine
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.standalone import StandaloneTrainer, image_of
from popflip.golden.training.state import differences

LOCAL = {"first": "local", "window": 3, "stride": 1, "features": 3}


def build(network, dynamics=None, learning=None, machine=None, standalone=None):
    return Params.build({
        "network": {"image": [6, 6], "classes": 3, "copies": 2, **network},
        "dynamics": {"gains": [90, 40], **(dynamics or {})},
        "learning": {"tau": [3, 2], "beta": 3, **(learning or {})},
        "machine": {"row_lanes": 9, "relax_lanes": 6, "latent_lanes": [3, 6], **(machine or {})},
        "standalone": {
            "flash": "quad", "order_bits": 6, "epochs": 2, "flash_base": 8192, **(standalone or {}),
        },
    })  # fmt: skip


CONFIGS = {
    "quad": build(LOCAL, None, {"batch": 4, "shift": 1, "tau_growth": 40}, None, {"epochs": 3}),
    "single, no divider": build(
        LOCAL, None, {"nudging": "random-sign", "shift": 1}, None,
        {"flash": "single", "flash_divider": 1, "flash_delay": 2, "seed": 7},
    ),
    "dense": build(
        {"hidden": [11]}, {"gains": [50, 80]}, {"batch": 3, "reset_on_flip": True},
        {"row_lanes": 36, "neuron_lanes": 3, "relax_lanes": 5, "latent_lanes": [7, 5]},
        {"flash_divider": 4, "flash_delay": 3},
    ),
    # Words and rows with bits beyond the network's, which the draws fill too.
    "padded": build(
        LOCAL | {"features": 5, "stride": 2}, {"code": "sign", "gains": [20, 10]},
        {"shift": 2, "batch": 2, "latent_bits": 10, "tau": [9, 6]},
        {"row_lanes": 4, "neuron_lanes": 2, "relax_lanes": 4, "latent_lanes": [3, 3]},
        {"order_bits": 7},
    ),
    "records": build(
        LOCAL | {"image": [10, 20], "stride": 2}, {"active_bound": 2}, {"shift": 1, "batch": 4},
        {"neuron_lanes": 3, "overlap": True},
        {"flash_divider": 1, "flash_delay": 2, "record_bytes": 30},
    ),
    "pooled": build(
        LOCAL | {"pool": 3, "stride": 2, "image": [7, 6]}, None, {"batch": 4, "shift": 1},
        {"pool_lanes": 3},
    ),
    "pooled, shared": build(
        LOCAL | {"pool": [2, 3], "sharing": "full", "features": 4}, {"active_bound": 2},
        {"batch": 3, "first_latent_bits": 6, "shift": 1}, {"latent_lanes": [9, 6]},
    ),
    "leaky": build(
        {"hidden": [11]}, {"kind": "leaky", "gains": [50, 40], "free_sweeps": 7},
        {"batch": 3, "nudged_sweeps": 3},
        {"row_lanes": 20, "neuron_lanes": 3, "relax_lanes": 4, "latent_lanes": [7, 2]},
    ),
}  # fmt: skip


def draw_data(seed=1, n=45, n_test=13, image=(6, 6), lit=1.0):
    """Images of noise, of whose pixels some may be black in groups of eight."""
    rng = np.random.default_rng(seed)
    parts = []
    for count in (n, n_test):
        pixels = rng.integers(0, 256, (count, *image), np.uint8)
        groups = rng.random((count, image[0], -(-image[1] // 8))) < lit
        pixels *= groups.repeat(8, axis=2)[:, :, : image[1]]
        parts += [pixels, rng.integers(0, 3, count)]
    return Dataset("drawn", *parts)


DATA = draw_data()


def board_of(params, data=DATA):
    return virtual_board(params, write_image(params, *image_of(params, data)))


def compare(params, board, data=DATA, link=None):
    """Watch a board to its end, and see that all it says and holds is what golden comes to."""
    golden = GoldenMachine(params)
    trainer = StandaloneTrainer(params, data, golden)
    trainer.run(params.standalone.epochs)
    seen = list(watch(params, link or Link(board, params)))
    assert [epoch.number for epoch in seen] == [log.epoch for log in trainer.history]
    for epoch, log in zip(seen, trainer.history, strict=True):
        trained, tested = epoch.trained, epoch.tested
        assert round(trained.report.error, 4) == log.train_error
        assert round(tested.report.error, 4) == log.test_error
        assert trained.report.samples == log.samples
        assert tested.report.samples == len(data.test_labels)
        assert trained.report.flips == log.flips
        assert trained.report.changed / log.samples == log.changed_per_sample
        assert trained.tau == tuple(log.tau)
    assert sum(sum(log.flips) for log in trainer.history) > 0
    assert board.flash_errors == 0
    machine = BoardMachine(params, board)
    assert differences(machine.read_state(), golden.read_state()) == []
    return seen


#: Each has a model of its own to be compiled.
SLOW = (
    "dense", "padded", "records", "single, no divider", "pooled", "pooled, shared", "leaky",
)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in SLOW else []) for name in CONFIGS],
)
def test_a_board_trains_as_golden_does(name):
    params = CONFIGS[name]
    lit = 0.5 if params.standalone.record_bytes else 1.0
    data = draw_data(image=params.network.image, lit=lit)
    with board_of(params, data) as board:
        compare(params, board, data)


@pytest.fixture
def board():
    with board_of(CONFIGS["quad"]) as board:
        yield board


def register(link, params, name="standalone", value=None):
    index = params.registers[name].index
    if value is not None:
        link.write("registers", index, np.array([[value]], "<u4").view(np.uint8))
    return int(link.read("registers", index, 1).view("<u4")[0, 0])


def test_a_host_that_talks_meanwhile_changes_nothing(board):
    params = CONFIGS["quad"]
    link, statuses = Link(board, params), set()
    for _ in range(40):
        statuses.add(link.status().busy)
        link.read("results", 0, 3)
        link.write("samples", 0, bytes(17))
    assert statuses == {False, True}
    compare(params, board, link=link)


def test_noise_on_the_line_changes_nothing(board):
    board.write(b"\x05\x01\x02")  # a frame that is never closed
    compare(CONFIGS["quad"], board)


@pytest.mark.parametrize("after", [0, 0.00005, 0.0002, 0.0004, 0.0008])
def test_a_board_can_be_stopped_and_begun_anew(board, after):
    params = CONFIGS["quad"]
    board.idle(after)
    link = Link(board, params)
    stop_standalone(link, params, board)
    assert register(link, params) & 7 == StandaloneState.IDLE
    board.idle(0.001)
    with pytest.raises(LinkError, match=r"^the board is idle; popflip watch --start"):
        list(watch(params, Link(board, params)))
    register(link, params, "tau0", 1)  # whatever a host left behind
    register(link, params, "batch", 9)
    register(link, params, value=1)
    compare(params, board)


def test_a_host_can_train_a_board_that_trained(board):
    params = CONFIGS["quad"]
    compare(params, board)
    machine, golden = BoardMachine(params, board), GoldenMachine(params)
    state = golden.read_state()
    x = np.random.default_rng(2).random((20, params.n_in)) < 0.4
    for each in (machine, golden):
        each.write_state(state)
        each.set_tau((2, 1))
        each.load(x, np.arange(20) % 3)
        each.train(0, 20, flush=True)
    assert differences(machine.read_state(), golden.read_state()) == []


def test_a_flash_without_an_image_is_refused():
    params = CONFIGS["quad"]
    other = params.replace(network={"thresholds": [50]})
    image = write_image(other, *image_of(other, DATA))
    for content in (b"", image):
        with virtual_board(params, content) as board:
            with pytest.raises(LinkError, match=r"^the board finds no data set for this network"):
                list(watch(params, Link(board, params)))


@pytest.mark.slow
def test_without_autostart_it_waits():
    params = CONFIGS["quad"].replace(standalone={"autostart": False})
    with board_of(params) as board:
        board.idle(0.001)
        link = Link(board, params)
        assert register(link, params) == StandaloneState.IDLE
        register(link, params, value=1)
        compare(params, board)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("flash", "divider", "delay"), [("quad", 2, 0), ("single", 1, 1), ("single", 2, 0)]
)
def test_thousands_of_images_and_what_the_flash_costs(flash, divider, delay):
    standalone = {"flash": flash, "flash_divider": divider, "flash_delay": delay, "epochs": 2}
    params = Params.load("local-small").replace(learning={"shift": 1}, standalone=standalone)
    data = load("mnist")
    train, test = 3000, 500
    engine = FastMachine(params)
    trainer = StandaloneTrainer(params, data, engine, samples=train, test_samples=test)
    trainer.run(2)
    image = write_image(params, *image_of(params, data, train, test))
    with virtual_board(params, image) as board:
        seen = list(watch(params, Link(board, params)))
        assert board.flash_errors == 0
        state = BoardMachine(params, board).read_state()
    assert differences(state, engine.read_state()) == []
    for epoch, log in zip(seen, trainer.history, strict=True):
        report = epoch.trained.report
        assert round(report.error, 4) == log.train_error
        assert round(epoch.tested.report.error, 4) == log.test_error
        # Only a flash that takes longer over a sample than the core makes the core wait.
        takes, needs = flash_cycles(params) + TURN_CYCLES, report.cycles["total"] / train
        waits = epoch.trained.wait_cycles / train
        shortfall = max(0, takes - needs)
        # One sample is fetched ahead: where the two are close, that does not even out that some
        # samples take fewer cycles than others.
        close = 1 / 1.5 < takes / needs < 1.5
        assert -0.01 * needs < waits - shortfall < (0.1 if close else 0.01) * needs
