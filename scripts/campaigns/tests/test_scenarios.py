"""The whole machine's Verilog, through the pins of its serial line."""

import pytest

from popflip.cocotb_tests.cosim import build_design
from popflip.cocotb_tests.simulators import SIMULATORS
from popflip.golden.description.params import Params
from popflip.scripts.campaigns.scenarios import refuses, trains, trains_standalone

# As small as can be: a byte takes 40 cycles.
PARAMS = Params.build({
    "network": {"image": [4, 4], "hidden": [7], "classes": 3},
    "dynamics": {"gains": [60, 90]},
    "learning": {"tau": [2, 1], "beta": 3, "latent_bits": 4},
    "machine": {
        "row_lanes": 9, "neuron_lanes": 2, "relax_lanes": 2, "latent_lanes": [5, 2],
        "uart_divisor": 4, "sample_slots": 6,
    },
})  # fmt: skip


def simulators(fast=None):
    """Run a test in each simulator, all but one of them slow."""
    marked = [pytest.param(name, marks=[pytest.mark.slow] * (name != fast)) for name in SIMULATORS]
    return pytest.mark.parametrize("simulator", marked)


def play(scenario, simulator):
    params = scenario.stimulus.params
    scenario.judge(scenario.stimulus.play(build_design(params, simulator, "uart")))


@simulators(fast="icarus")
def test_trains_over_its_pins(simulator):
    play(trains(PARAMS), simulator)


@simulators()
def test_trains_alone_from_its_flash(simulator):
    params = PARAMS.replace(
        network={"first": "local", "window": 3, "stride": 1, "features": 2, "hidden": []},
        learning={"shift": 1, "batch": 2},
        machine={"row_lanes": 9, "relax_lanes": 3, "latent_lanes": [3, 3]},
        standalone={"flash": "quad", "order_bits": 4, "epochs": 2, "flash_base": 8192},
    )
    play(trains_standalone(params), simulator)


# Fast on the virtual board: test_judging.py.
@simulators()
def test_bad_frames_change_nothing(simulator):
    play(refuses(PARAMS), simulator)
