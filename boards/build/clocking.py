"""Clock and reset of a board's design: oscillator, PLL, and a reset until both are steady."""

from dataclasses import dataclass

from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, ResetSignal, Signal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer

from popflip.golden.support.errors import InputError
from popflip.boards.board import Board

__all__ = ["Clocking", "Pll", "ecp5_pll", "gowin_pll", "ice40_pll"]

#: Cycles of reset behind the PLL's lock. Block RAMs of iCE40 read as zeros for some microseconds
#: after configuration, 15 at the most.
RESET_CYCLES = 1 << 11

#: How far a PLL's output may be from what was asked for, in percent.
PLL_TOLERANCE = 0.5


@dataclass(frozen=True)
class Pll:
    """Settings of a PLL: ``mhz`` is what it makes of them, ``values`` the primitive's own."""

    mhz: float
    values: dict[str, int]


def _closest(candidates, clock_mhz: float, core_mhz: float, what: str) -> Pll:
    """Choose the PLL whose output is nearest; among equal ones the first."""
    best = min(candidates, key=lambda pll: abs(pll.mhz - core_mhz), default=None)
    if best is None or abs(best.mhz / core_mhz - 1) * 100 > PLL_TOLERANCE:
        near = "" if best is None else f", {best.mhz:.4g} MHz is the nearest"
        raise InputError(
            f"core_mhz must be what the {what} can make of {clock_mhz:g} MHz, "
            f"not {core_mhz:g}{near}"
        )
    return best


def ice40_pll(clock_mhz: float, core_mhz: float) -> Pll:
    """Settings of an SB_PLL40 with simple feedback: ``clock * (F + 1) / ((R + 1) * 2**Q)``.

    Raises
    ------
    ValueError
        If it cannot make ``core_mhz``.
    """
    found = []
    for r in range(16):
        phase = clock_mhz / (r + 1)
        if not 10 <= phase <= 133:
            continue
        for f in range(128):
            vco = phase * (f + 1)
            if not 533 <= vco <= 1066:
                continue
            filter_range = next(
                n for n, top in enumerate((17, 26, 44, 66, 101, 134), 1) if phase < top
            )
            found += [
                Pll(vco / 2**q, {"DIVR": r, "DIVF": f, "DIVQ": q, "FILTER_RANGE": filter_range})
                for q in range(1, 7)
            ]
    return _closest(found, clock_mhz, core_mhz, "PLL of iCE40")


def ecp5_pll(clock_mhz: float, core_mhz: float) -> Pll:
    """Settings of an EHXPLLL with feedback from its output: ``clock * FB / I``.

    Raises
    ------
    ValueError
        If it cannot make ``core_mhz``.
    """
    found = []
    for i in range(1, 129):
        if not 3.125 <= clock_mhz / i <= 400:
            continue
        for fb in range(1, 81):
            mhz = clock_mhz * fb / i
            # The oscillator in the middle of its range, 400 to 800 MHz.
            op = max(1, min(128, round(600 / mhz)))
            if 400 <= mhz * op <= 800:
                found.append(Pll(mhz, {"CLKI_DIV": i, "CLKFB_DIV": fb, "CLKOP_DIV": op}))
    return _closest(found, clock_mhz, core_mhz, "PLL of ECP5")


def gowin_pll(clock_mhz: float, core_mhz: float) -> Pll:
    """Settings of an rPLL: ``clock * (FBDIV + 1) / (IDIV + 1)``.

    Raises
    ------
    ValueError
        If it cannot make ``core_mhz``.
    """
    found = []
    for i in range(64):
        if not 3 <= clock_mhz / (i + 1) <= 400:
            continue
        for fb in range(64):
            mhz = clock_mhz * (fb + 1) / (i + 1)
            for o in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128):
                if 500 <= mhz * o <= 1000:
                    found.append(Pll(mhz, {"IDIV_SEL": i, "FBDIV_SEL": fb, "ODIV_SEL": o}))
                    break
    return _closest(found, clock_mhz, core_mhz, "PLL of Gowin")


class Clocking(wiring.Component):
    """Drive the domain ``sync`` by the board's oscillator, through a PLL if the two differ.

    The reset is synchronous. It ends :data:`RESET_CYCLES` after the PLL has locked, and comes back
    if it loses its lock.

    The domain itself is defined above, by who uses it.

    Parameters
    ----------
    board : Board
    core_mhz : float
        Of the domain.
    """

    def __init__(self, board: Board, core_mhz: float):
        self._board = board
        self._core_mhz = core_mhz
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        board = self._board
        pin = platform.request(board.clock, dir="-")
        clk, locked = Signal(), Signal(init=1)
        if self._core_mhz == board.clock_mhz:
            m.submodules.pin = buffer = io.Buffer("i", pin)
            m.d.comb += clk.eq(buffer.i)
        else:
            make = {
                "pad": self._ice40,
                "core": self._ice40,
                "ehxplll": self._ecp5,
                "rpll": self._gowin,
                "plle2": self._series7,
            }[board.pll]
            make(m, pin, clk, locked)

        m.domains += ClockDomain("steady", reset_less=True, local=True)
        steady, count, running = Signal(), Signal(range(RESET_CYCLES)), Signal()
        m.d.comb += [
            ClockSignal("sync").eq(clk),
            ClockSignal("steady").eq(clk),
            ResetSignal("sync").eq(~running),
        ]
        m.submodules.steady = FFSynchronizer(locked, steady, o_domain="steady")
        with m.If(~steady):
            m.d.steady += [count.eq(0), running.eq(0)]
        with m.Elif(count == RESET_CYCLES - 1):
            m.d.steady += running.eq(1)
        with m.Else():
            m.d.steady += count.eq(count + 1)
        return m

    def _values(self, pll: Pll) -> dict:
        return {f"p_{name}": value for name, value in pll.values.items()}

    def _ice40(self, m, pin, clk, locked):
        pll = ice40_pll(self._board.clock_mhz, self._core_mhz)
        if self._board.pll == "pad":
            source = {"i_PACKAGEPIN": pin.io}
        else:
            m.submodules.pin = buffer = io.Buffer("i", pin)
            source = {"i_REFERENCECLK": buffer.i}
        m.submodules.pll = Instance(
            f"SB_PLL40_{self._board.pll.upper()}",
            p_FEEDBACK_PATH="SIMPLE",
            **self._values(pll),
            **source,
            i_RESETB=1,
            i_BYPASS=0,
            o_PLLOUTGLOBAL=clk,
            o_LOCK=locked,
        )

    def _ecp5(self, m, pin, clk, locked):
        m.submodules.pin = buffer = io.Buffer("i", pin)
        pll = ecp5_pll(self._board.clock_mhz, self._core_mhz)
        # By these the tools scale the loop filter; the phase is that of the middle of the output.
        attributes = {
            "a_FREQUENCY_PIN_CLKI": f"{self._board.clock_mhz:g}",
            "a_FREQUENCY_PIN_CLKOP": f"{pll.mhz:g}",
            "a_ICP_CURRENT": "12",
            "a_LPF_RESISTOR": "8",
            "a_MFG_ENABLE_FILTEROPAMP": "1",
            "a_MFG_GMCREF_SEL": "2",
        }
        m.submodules.pll = Instance(
            "EHXPLLL",
            **attributes,
            **self._values(pll),
            p_FEEDBK_PATH="CLKOP",
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_CPHASE=pll.values["CLKOP_DIV"] - 1,
            p_CLKOP_FPHASE=0,
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            i_CLKI=buffer.i,
            i_CLKFB=clk,
            i_RST=0,
            i_STDBY=0,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=1,
            i_PHASESTEP=1,
            i_PHASELOADREG=1,
            i_PLLWAKESYNC=0,
            i_ENCLKOP=0,
            o_CLKOP=clk,
            o_LOCK=locked,
        )

    def _gowin(self, m, pin, clk, locked):
        m.submodules.pin = buffer = io.Buffer("i", pin)
        pll = gowin_pll(self._board.clock_mhz, self._core_mhz)
        m.submodules.pll = Instance(
            "rPLL",
            p_FCLKIN=f"{self._board.clock_mhz:g}",
            p_DEVICE=platform_series(self._board),
            **self._values(pll),
            p_DYN_IDIV_SEL="false",
            p_DYN_FBDIV_SEL="false",
            p_DYN_ODIV_SEL="false",
            p_DYN_SDIV_SEL=2,
            p_DYN_DA_EN="false",
            p_PSDA_SEL="0000",
            p_DUTYDA_SEL="1000",
            p_CLKOUT_FT_DIR=1,
            p_CLKOUTP_FT_DIR=1,
            p_CLKOUT_DLY_STEP=0,
            p_CLKOUTP_DLY_STEP=0,
            p_CLKFB_SEL="internal",
            p_CLKOUT_BYPASS="false",
            p_CLKOUTP_BYPASS="false",
            p_CLKOUTD_BYPASS="false",
            p_CLKOUTD_SRC="CLKOUT",
            p_CLKOUTD3_SRC="CLKOUT",
            i_CLKIN=buffer.i,
            i_CLKFB=0,
            i_RESET=0,
            i_RESET_P=0,
            i_FBDSEL=Signal(6),
            i_IDSEL=Signal(6),
            i_ODSEL=Signal(6),
            i_PSDA=Signal(4),
            i_DUTYDA=Signal(4),
            i_FDLY=Signal(4),
            o_CLKOUT=clk,
            o_LOCK=locked,
        )

    def _series7(self, m, pin, clk, locked):
        m.submodules.pin = buffer = io.Buffer("i", pin)
        multiplied = self._board.clock_mhz * round(1000 / self._board.clock_mhz)
        divided, feedback = Signal(), Signal()
        m.submodules.pll = Instance(
            "PLLE2_BASE",
            p_CLKIN1_PERIOD=1000 / self._board.clock_mhz,
            p_CLKFBOUT_MULT=round(multiplied / self._board.clock_mhz),
            p_DIVCLK_DIVIDE=1,
            p_CLKOUT0_DIVIDE=round(multiplied / self._core_mhz),
            i_CLKIN1=buffer.i,
            i_CLKFBIN=feedback,
            i_RST=0,
            i_PWRDWN=0,
            o_CLKFBOUT=feedback,
            o_CLKOUT0=divided,
            o_LOCKED=locked,
        )
        m.submodules.tree = Instance("BUFG", i_I=divided, o_O=clk)


def platform_series(board: Board) -> str:
    """The name of a Gowin part's series as its PLL is told it."""
    return {"GW1NR-LV9QN88PC6/I5": "GW1NR-9C", "GW2AR-LV18QN88C8/I7": "GW2AR-18C"}[
        board.device.part
    ]
