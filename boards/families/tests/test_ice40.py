import pytest

from popflip.boards.families.ice40 import ICE40


@pytest.mark.parametrize("core", [16, 18, 24, 30, 36, 48, 60])
def test_the_pll(core):
    pll = ICE40.pll(12, core)
    v = pll.values
    phase = 12 / (v["DIVR"] + 1)
    vco = phase * (v["DIVF"] + 1)
    assert pll.mhz == vco / 2 ** v["DIVQ"]
    assert 10 <= phase <= 133
    assert 533 <= vco <= 1066
    assert abs(pll.mhz / core - 1) < 0.005
    assert v["FILTER_RANGE"] == 1
