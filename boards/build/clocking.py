"""Clock and reset of a board's design: oscillator, PLL, and a reset until both are steady."""

from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer

from popflip.boards.board import Board

__all__ = ["RESET_CYCLES", "Clocking"]

#: Cycles of reset behind the PLL's lock. They outlast the microseconds after configuration in which
#: block RAMs of some families are not readable yet, 15 at the most.
RESET_CYCLES = 1 << 11


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
            board.device.family.clock(m, board, pin, self._core_mhz, clk, locked)

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
