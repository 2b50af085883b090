"""The latencies that the cycle model names are those of the components."""

import pytest

from popflip.golden import cycles
from popflip.golden.description.params import Params, preset_names
from popflip.rtl.layers.drive import DriveEngine
from popflip.rtl.layers.output import OutputLayer, Readout
from popflip.rtl.layers.update import UpdateEngine
from popflip.rtl.primitives.popcount import PopcountTree


def test_tree_latency_is_the_trees():
    for width in range(1, 1201):
        assert cycles.tree_latency(width) == PopcountTree(width).latency, f"{width} bits"


@pytest.mark.parametrize("name", preset_names())
def test_drive_latency_is_the_engines(name):
    params = Params.load(name)
    tree = cycles.tree_latency(params.synapses(0).word_bits)
    assert cycles.DRIVE_LATENCY + tree == DriveEngine(params).latency


def test_latencies_of_outputs_readout_and_update_are_the_components():
    assert OutputLayer.latency == cycles.OUTPUT_LATENCY
    assert Readout.latency == cycles.READOUT_LATENCY
    assert UpdateEngine.latency == cycles.UPDATE_LATENCY
