"""Layouts and regions: what a driver relies on, pinned by hand."""

import numpy as np
import pytest

from popflip.golden.description.layout import MOST_REGIONS, Region, Synapses
from popflip.golden.description.packing import latents_to_bytes, weights_to_bytes
from popflip.golden.description.params import Params

# Rows in memories -------------------------------------------------------------------------------


def test_layout_of_the_large_local_preset_by_hand():
    first, second = (Params.load("local-large-wide").synapses(l) for l in range(2))
    # 100 positions of 20 neurons in 10 banks: two words each.
    assert (first.rows, first.row_bits, first.word_bits) == (2000, 100, 100)
    assert (first.banks, first.block, first.groups, first.chunks) == (10, 20, 2, 1)
    assert (first.weight_depth, first.latent_depth) == (200, 2000)
    assert [(first.bank(r), first.slot(r)) for r in (0, 9, 10, 19, 20, 1999)] == [
        *[(0, 0), (9, 0), (0, 1), (9, 1), (0, 2), (9, 199)]
    ]
    # Later layers are stored by their lower neuron.
    assert (second.rows, second.row_bits, second.word_bits) == (2000, 100, 100)
    assert (second.banks, second.weight_depth, second.latent_depth) == (1, 2000, 2000)


@pytest.mark.parametrize("banks", [1, 2, 3, 7])
@pytest.mark.parametrize("block", [1, 3, 7])
def test_rows_share_neither_bank_and_slot_nor_leave_their_bank(banks, block):
    if banks > block:
        banks = block
    shape = Synapses(0, 4 * block, 5, 2, banks, block, 2, 8)
    places = {(shape.bank(row), shape.slot(row)) for row in range(shape.rows)}
    assert len(places) == shape.rows
    assert {bank for bank, _ in places} == set(range(banks))
    assert max(slot for _, slot in places) * shape.chunks < shape.weight_depth


def test_the_last_group_of_a_block_holds_what_is_left():
    for banks, block, last in ((1, 3, 1), (2, 3, 1), (3, 3, 3), (5, 7, 2)):
        shape = Synapses(0, 4 * block, 5, 2, banks, block, 2, 8)
        assert shape.last_group == last
        assert shape.slots == 4 * shape.groups


SHARED = {
    "row_lanes": 100, "neuron_lanes": 1, "relax_lanes": 40, "latent_lanes": [4, 4],
    "weight_slice": 8, "shared_update": True,
}  # fmt: skip


def test_a_shared_update_engine_has_its_own_layout():
    params = Params.load("local-small").replace(machine=SHARED)
    first, second = params.synapses(0), params.synapses(1)
    assert (first.steps, first.row_cycles, first.latent_stride) == (25, 26, 32)
    assert (second.steps, second.row_cycles, second.latent_stride) == (10, 10, 16)
    assert (first.slice_bits, first.slices) == (8, 13)
    assert first.latent_depth == 490 * 32


# The memory map ---------------------------------------------------------------------------------


def test_regions_of_the_small_local_preset_by_hand():
    params = Params.load("local-small")
    regions = [tuple(region)[:4] for region in params.regions]
    assert regions == [
        ("registers", 0, len(params.registers), 32),
        ("samples", 1, 16 * (28 * 4 + 1), 8),
        ("results", 2, 256, 8),
        ("weights0", 3, 490, 100),
        ("latents0", 4, 490 * 10, 80),
        ("weights1", 5, 490, 40),
        ("latents1", 6, 490 * 4, 80),
    ]


def test_banks_of_the_large_local_preset_follow_one_another():
    region = Params.load("local-large-wide").regions.weights(0)
    assert (region.name, region.depth, region.width) == ("weights0", 9 * 256 + 200, 100)
    assert (region.word_bytes, region.n_bytes) == (13, 2504 * 13)
    held = [address for address in range(region.depth) if region.holds(address)]
    assert held == [256 * bank + word for bank in range(10) for word in range(200)]


def test_a_machine_that_only_infers_has_no_latents():
    params = Params.load("local-small").replace(machine={"training": False})
    assert params.regions.names == ["registers", "samples", "results", "weights0", "weights1"]


def test_regions_hold_what_is_packed_for_them():
    params = Params.load("dense-wide")
    for layer in range(params.depth):
        shape = params.synapses(layer)
        size = (shape.rows, shape.row_bits)
        weights = weights_to_bytes(shape, np.ones(size, bool))
        latents = latents_to_bytes(shape, np.ones(size, np.int16))
        for region, data in (
            (params.regions.weights(layer), weights),
            (params.regions.latents(layer), latents),
        ):
            assert data.shape == (region.depth, region.word_bytes), region.name
            assert data.nbytes == region.n_bytes, region.name


def test_regions_are_found_by_name_number_and_layer():
    regions = Params.load("local-small").regions
    assert regions["results"] is regions[2]
    assert regions.weights(1) is regions["weights1"] is regions[5]
    assert regions.latents(0) is regions["latents0"] is regions[4]
    assert "latents1" in regions
    assert "latents2" not in regions
    assert regions["samples"] in regions
    with pytest.raises(KeyError, match=r"region must be one of registers, .*, not 'latents2'"):
        regions.latents(2)


def test_the_widest_word_decides_how_wide_the_host_port_is():
    assert Params.load("local-small").regions.widest == 100
    narrow = {"row_lanes": 20, "relax_lanes": 8, "latent_lanes": [1, 1]}
    assert Params.load("local-small").replace(machine=narrow).regions.widest == 32


def test_a_region_of_parts_has_gaps():
    region = Region("weights0", 3, depth=11, width=9, part=8, filled=3)
    assert [a for a in range(region.depth) if region.holds(a)] == [0, 1, 2, 8, 9, 10]
    assert (region.word_bytes, region.n_bytes) == (2, 22)


def test_five_hidden_layers_fill_the_regions():
    assert 3 + 2 * 6 <= MOST_REGIONS < 3 + 2 * 7


def test_what_a_host_may_do_while_a_run_is_on():
    regions = Params.load("local-small").regions
    assert [r.name for r in regions if r.read_in_run] == ["registers", "results"]
    assert [r.name for r in regions if r.written_in_run] == ["samples"]
    assert all(region.meaning for region in regions)
