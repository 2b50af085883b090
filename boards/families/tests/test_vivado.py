import pytest

from popflip.boards.families.vivado import VIVADO


@pytest.mark.parametrize(("clock", "core"), [(100, 50), (100, 40), (100, 48), (25, 62.5)])
def test_the_pll(clock, core):
    pll = VIVADO.pll(clock, core)
    v = pll.values
    vco = clock * v["CLKFBOUT_MULT"]
    assert 800 <= vco <= 1600  # of the slowest speed grade
    assert pll.mhz == vco / v["CLKOUT0_DIVIDE"]
    assert abs(pll.mhz / core - 1) < 0.005


def test_the_oscillator_is_near_one_gigahertz_if_that_will_do():
    assert VIVADO.pll(100, 50).values == {"CLKFBOUT_MULT": 10, "CLKOUT0_DIVIDE": 20}
