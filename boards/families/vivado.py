"""AMD Artix-7, as projects for Vivado: there are no open tools for it on PyPI.

To beware of: nobody here has run Vivado on such a project.
"""

from dataclasses import replace

from amaranth.hdl import Instance, Signal
from amaranth.lib import io

from popflip.boards.families.ecp5 import ECP5
from popflip.boards.families.family import BLOCK_18K, Device, Family, Pll, closest_pll

__all__ = ["ARTY_35T", "ARTY_100T", "VIVADO"]


class _Vivado(Family):
    name = "vivado"
    title = "Artix-7"
    # Halves of block RAMs of 36 kbit.
    shapes = BLOCK_18K
    distributed = 24
    # Not measured. Its tables have six inputs: those of ECP5, with four, are an upper bound.
    weights = ECP5.weights

    def pll(self, clock_mhz: float, core_mhz: float) -> Pll:
        """A PLLE2_BASE: ``clock * MULT / DIVIDE``, its oscillator near 1 GHz if that makes it."""
        # Of the slowest grade the oscillator runs at 800 to 1600 MHz.
        mults = [mult for mult in range(2, 65) if 800 <= clock_mhz * mult <= 1600]
        mults.sort(key=lambda mult: abs(clock_mhz * mult - 1000))
        found = [
            Pll(clock_mhz * mult / divide, {"CLKFBOUT_MULT": mult, "CLKOUT0_DIVIDE": divide})
            for mult in mults
            for divide in range(1, 129)
        ]
        return closest_pll(found, clock_mhz, core_mhz, self.title)

    def clock(self, m, board, pin, core_mhz, clk, locked):
        m.submodules.pin = buffer = io.Buffer("i", pin)
        divided, feedback = Signal(), Signal()
        m.submodules.pll = Instance(
            "PLLE2_BASE",
            p_CLKIN1_PERIOD=1000 / board.clock_mhz,
            p_DIVCLK_DIVIDE=1,
            **self.pll(board.clock_mhz, core_mhz).parameters,
            i_CLKIN1=buffer.i,
            i_CLKFBIN=feedback,
            i_RST=0,
            i_PWRDWN=0,
            o_CLKFBOUT=feedback,
            o_CLKOUT0=divided,
            o_LOCKED=locked,
        )
        m.submodules.tree = Instance("BUFG", i_I=divided, o_O=clk)


VIVADO = _Vivado()

ARTY_35T = Device(
    part="xc7a35ticsg324-1L", family=VIVADO, luts=20800, ffs=41600, blocks=100, dsps=90
)
ARTY_100T = replace(
    ARTY_35T, part="xc7a100ticsg324-1L", luts=63400, ffs=126800, blocks=270, dsps=240
)
