from dataclasses import replace

import pytest

from popflip.boards.build import estimate as module
from popflip.boards.build.estimate import estimate, largest, resized
from popflip.boards.build.inventory import Inventory, MemoryBlock
from popflip.boards.families.ecp5 import ECP5_25F
from popflip.boards.families.ice40 import HX8K, UP5K
from popflip.boards.registry import BOARDS
from popflip.boards.tests.networks import MICRO
from popflip.golden.description.params import Params

EMPTY = Inventory(memories=(), ffs=0, arithmetic=0, compared=0, logic=0, shifted=0, multiplexed=0)


def memory(depth, width, shared=False):
    return MemoryBlock(name="m", depth=depth, width=width, shared=shared)


def test_nothing_takes_nothing():
    found = estimate(UP5K, EMPTY)
    assert found.used == {"lut": 0, "ff": 0, "block": 0, "spram": 0}
    assert found.fits


def test_memories_are_counted_in_blocks_or_tables():
    blocks = replace(EMPTY, memories=(memory(512, 36), memory(16, 4)))
    assert estimate(ECP5_25F, blocks).used["block"] == 1
    assert estimate(ECP5_25F, blocks).used["lut"] == 6
    # Five blocks are worth 74 tables, but not 148.
    for depth, blocks_taken in ((30, 0), (60, 5)):
        wide = replace(EMPTY, memories=(memory(depth, 147),))
        assert estimate(ECP5_25F, wide).used["block"] == blocks_taken
    # Tables of iCE40 hold no data.
    assert estimate(HX8K, blocks).used["block"] == HX8K.blocks_for(512, 36) + 1


def test_single_port_memories():
    latents = replace(memory(16384, 32), single_port=True)
    found = estimate(UP5K, replace(EMPTY, memories=(latents, latents)))
    assert (found.used["spram"], found.used["block"], found.fits) == (4, 0, True)
    assert found.memory_bits == 4 * 262144
    assert not estimate(UP5K, replace(EMPTY, memories=(latents, latents, latents))).fits
    # Elsewhere they are block RAMs like others.
    assert estimate(ECP5_25F, replace(EMPTY, memories=(latents,))).used["block"] == (
        ECP5_25F.blocks_for(16384, 32)
    )


def test_the_limit_is_what_is_taken_most_of():
    found = estimate(ECP5_25F, replace(EMPTY, memories=(memory(512, 36 * 57),)))
    assert (found.limiting, found.fits, found.used["block"]) == ("block", False, 57)
    found = estimate(ECP5_25F, replace(EMPTY, ffs=24289))
    assert (found.limiting, found.fits) == ("ff", False)


def test_a_memory_that_may_collide_costs_logic():
    apart, shared = (
        estimate(HX8K, replace(EMPTY, memories=(memory(256, 16, shared),)))
        for shared in (False, True)
    )
    assert shared.used["lut"] > apart.used["lut"]
    assert shared.used["block"] == apart.used["block"] == 1


def test_a_network_of_another_size():
    assert resized(MICRO, 5).network.hidden == (5,)
    assert resized(MICRO, 5).first_layer.block == 5
    local = Params.load("ecp5-85f")
    smaller = resized(local, 4)
    assert (smaller.network.features, smaller.machine.neuron_lanes) == (4, 4)
    assert smaller.first_layer.block == 4
    assert resized(local, 30).machine.neuron_lanes == local.machine.neuron_lanes


@pytest.mark.parametrize("most", [1, 2, 7, 8, 13])
def test_the_largest_that_fits_is_found(most, monkeypatch):
    tried = []

    def fake(params):
        tried.append(params.network.hidden[0])
        return replace(EMPTY, ffs=0 if params.network.hidden[0] <= most else 10**6)

    monkeypatch.setattr(module, "inventory", fake)
    net, found = largest(BOARDS["ulx3s-85f"], MICRO)
    assert (net.network.hidden, found.fits) == ((most,), True)
    assert len(tried) == len(set(tried)) <= 9


def test_if_not_one_neuron_fits_there_is_none(monkeypatch):
    monkeypatch.setattr(module, "inventory", lambda params: replace(EMPTY, ffs=10**6))
    assert largest(BOARDS["icebreaker"], MICRO) is None
