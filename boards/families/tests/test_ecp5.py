import pytest

from popflip.boards.families.ecp5 import ECP5


@pytest.mark.parametrize(("clock", "core"), [(25, 50), (25, 62.5), (25, 80), (48, 60), (12, 48)])
def test_the_pll(clock, core):
    pll = ECP5.pll(clock, core)
    v = pll.values
    assert pll.mhz == clock * v["CLKFB_DIV"] / v["CLKI_DIV"]
    assert 400 <= pll.mhz * v["CLKOP_DIV"] <= 800
    assert abs(pll.mhz / core - 1) < 0.005
