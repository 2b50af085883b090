"""The latencies that the cycle model names are those of the components."""

import pytest

from popflip.golden.cycles import latencies
from popflip.golden.description.params import Params
from popflip.golden.description.presets import preset_names
from popflip.rtl.layers.drive import DriveEngine
from popflip.rtl.layers.output import OutputLayer, Readout
from popflip.rtl.layers.pool import GreatestWindow
from popflip.rtl.layers.update import UpdateEngine
from popflip.rtl.leaky.engine import LeakyEngine
from popflip.rtl.primitives.popcount import PopcountTree


def test_tree_latency_is_the_trees():
    for width in range(1, 1201):
        assert latencies.tree_latency(width) == PopcountTree(width).latency, f"{width} bits"


@pytest.mark.parametrize("name", preset_names())
def test_drive_latency_is_the_engines(name):
    params = Params.load(name)
    behind = latencies.tree_latency(params.synapses(0).word_bits) + latencies.pool_latency(params)
    assert latencies.DRIVE_LATENCY + behind == DriveEngine(params).latency


@pytest.mark.parametrize(("pool", "lanes"), [(2, 1), (3, 3), (3, 9), ([1, 5], 5)])
def test_latency_of_pooling_is_the_engines(pool, lanes):
    machine = {"pool_lanes": lanes}
    params = Params.load("local-small").replace(network={"pool": pool}, machine=machine)
    engine, found = DriveEngine(params), latencies.pool_latency(params)
    tree = latencies.tree_latency(params.synapses(0).word_bits)
    assert GreatestWindow(params).latency == found
    assert latencies.DRIVE_LATENCY + tree + found == engine.latency


def test_latencies_of_outputs_readout_and_update_are_the_components():
    assert OutputLayer.latency == latencies.OUTPUT_LATENCY
    assert Readout.latency == latencies.READOUT_LATENCY
    assert UpdateEngine.latency == latencies.UPDATE_LATENCY


@pytest.mark.parametrize("name", preset_names())
def test_latency_of_leaky_passes_is_the_engines(name):
    params = Params.load(name).replace(dynamics={"kind": "leaky"}, machine={"overlap": False})
    tree = latencies.tree_latency(params.synapses(1).word_bits)
    assert latencies.LEAKY_LATENCY + tree == LeakyEngine(params, 1).latency
