"""The random bits of standalone training."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description import lfsr

__all__ = ["RandomBits"]


class RandomBits(wiring.Component):
    """A shift register whose low bits are used up, and replaced by new ones at one per cycle.

    Parameters
    ----------
    state : int
        What it begins with.
    most : int
        Bits that can be used up at once.

    Members
    -------
    restart : ``In(1)``
        Begin anew.
    draw : ``In(1)``, count : ``In``
        That many of the low bits are used up; only while ``still``.
    still : ``Out(1)``
        All bits are new.
    bits : ``Out(lfsr.WIDTH)``
        The bits; the low ones are to be used first.
    """

    def __init__(self, state: int, most: int):
        self._state = state
        super().__init__({
            "restart": In(1),
            "draw": In(1),
            "count": In(range(most + 1)),
            "still": Out(1),
            "bits": Out(lfsr.WIDTH, init=state),
        })

    def elaborate(self, platform):
        m = Module()
        steps = Signal.like(self.count)
        m.d.comb += self.still.eq(steps == 0)
        with m.If(self.restart):
            m.d.sync += self.bits.eq(self._state)
        with m.Elif(~self.still):
            new = Cat(self.bits[tap] for tap in lfsr.TAPS).xor()
            m.d.sync += [self.bits.eq(Cat(self.bits[1:], new)), steps.eq(steps - 1)]
        with m.If(self.draw):
            m.d.sync += steps.eq(self.count)
        return m
