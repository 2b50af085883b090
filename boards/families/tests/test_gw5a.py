import pytest
from amaranth.hdl import Module, Signal

from popflip.boards.families.gw5a import GW5A, GW5A_25A, GW5AST_138C
from popflip.boards.registry import BOARDS


@pytest.mark.parametrize("core", [25, 48, 50, 90, 100, 112.5, 120])
def test_the_pll(core):
    pll = GW5A.pll(50, core)
    v = pll.values
    oscillator = 50 * v["MDIV_SEL"] / v["IDIV_SEL"]
    assert pll.mhz == oscillator / v["ODIV0_SEL"]
    assert 800 <= oscillator <= 1600
    assert 50 / v["IDIV_SEL"] >= 10
    assert abs(pll.mhz / core - 1) < 0.005


def test_what_the_pll_cannot_make_is_refused():
    with pytest.raises(ValueError, match=r"^core_mhz must be what the PLL of GW5A can make of 50"):
        GW5A.pll(50, 2000)


def test_a_device_whose_pll_the_tools_do_not_know_keeps_its_boards_clock():
    message = (
        r"^core_mhz must be the 50 MHz of the board's clock for GW5AST-LV138PG484AC1/I0, whose PLL "
        r"the tools do not know, not 80$"
    )
    with pytest.raises(ValueError, match=message):
        GW5A.clock(Module(), BOARDS["tang-mega-138k"], None, 80, Signal(), Signal())


def test_a_block_ram_is_18_bits_wide_at_most():
    assert GW5A_25A.blocks_for(1024, 18) == 1
    assert GW5A_25A.blocks_for(512, 36) == 2
    assert GW5AST_138C.block_bits == 340 * 18432
