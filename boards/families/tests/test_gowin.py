import pytest

from popflip.boards.families.gowin import GOWIN


@pytest.mark.parametrize("core", [27, 36, 40.5, 54, 81])
def test_the_pll(core):
    pll = GOWIN.pll(27, core)
    v = pll.values
    assert pll.mhz == 27 * (v["FBDIV_SEL"] + 1) / (v["IDIV_SEL"] + 1)
    assert 500 <= pll.mhz * v["ODIV_SEL"] <= 1000
    assert abs(pll.mhz / core - 1) < 0.005
