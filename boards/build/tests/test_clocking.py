import pytest

from popflip.boards.build.clocking import ecp5_pll, gowin_pll, ice40_pll
from popflip.boards.registry import BOARDS


@pytest.mark.parametrize("core", [16, 18, 24, 30, 36, 48, 60])
def test_ice40(core):
    pll = ice40_pll(12, core)
    v = pll.values
    phase = 12 / (v["DIVR"] + 1)
    vco = phase * (v["DIVF"] + 1)
    assert pll.mhz == vco / 2 ** v["DIVQ"]
    assert 10 <= phase <= 133
    assert 533 <= vco <= 1066
    assert abs(pll.mhz / core - 1) < 0.005
    assert v["FILTER_RANGE"] == 1


@pytest.mark.parametrize(("clock", "core"), [(25, 50), (25, 62.5), (25, 80), (48, 60), (12, 48)])
def test_ecp5(clock, core):
    pll = ecp5_pll(clock, core)
    v = pll.values
    assert pll.mhz == clock * v["CLKFB_DIV"] / v["CLKI_DIV"]
    assert 400 <= pll.mhz * v["CLKOP_DIV"] <= 800
    assert abs(pll.mhz / core - 1) < 0.005


@pytest.mark.parametrize("core", [27, 36, 40.5, 54, 81])
def test_gowin(core):
    pll = gowin_pll(27, core)
    v = pll.values
    assert pll.mhz == 27 * (v["FBDIV_SEL"] + 1) / (v["IDIV_SEL"] + 1)
    assert 500 <= pll.mhz * v["ODIV_SEL"] <= 1000
    assert abs(pll.mhz / core - 1) < 0.005


@pytest.mark.parametrize(("make", "clock"), [(ice40_pll, 12), (ecp5_pll, 25), (gowin_pll, 27)])
def test_what_a_pll_cannot_make_is_refused(make, clock):
    with pytest.raises(ValueError, match=rf"^core_mhz must be what .* of {clock} MHz, not 2000"):
        make(clock, 2000)


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_every_board_has_a_clock_that_its_pll_makes(board):
    if board.core_mhz == board.clock_mhz:
        return
    if board.pll == "plle2":
        assert 1000 % board.core_mhz == 0
        return
    make = {"pad": ice40_pll, "core": ice40_pll, "ehxplll": ecp5_pll, "rpll": gowin_pll}
    made = make[board.pll](board.clock_mhz, board.core_mhz)
    assert abs(made.mhz / board.core_mhz - 1) < 0.005
