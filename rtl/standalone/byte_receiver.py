"""Bytes from the data lines of a flash."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ByteReceiver"]


class ByteReceiver(wiring.Component):
    """Put bytes together from what comes on the lines, the highest bits first.

    A byte may wait in the shift register for the one before it. There is no third: whoever reads
    the flash sees to it that none begins without room.

    Parameters
    ----------
    lines : {1, 2, 4}
        Lines that data come on.
    delay : int
        Registers in the pins, on the way there and back together.

    Members
    -------
    sampled, completed : ``In(1)``
        The flash puts bits on the lines that count, the last of a byte. They arrive ``1 + delay``
        cycles later.
    i : ``In(4)``
        The lines; of one line it is line 1.
    byte : ``Out(8)``, held : ``Out(1)``
        A byte.
    taken : ``In(1)``
        It is taken.
    """

    def __init__(self, lines: int, delay: int):
        self._lines, self._delay = lines, delay
        super().__init__({
            "sampled": In(1),
            "completed": In(1),
            "i": In(4),
            "byte": Out(8),
            "held": Out(1),
            "taken": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        # Bits come back: behind the register of the pins, and those on the way.
        taps = [(self.sampled, self.completed)]
        for i in range(1 + self._delay):
            later = Signal(name=f"sampled{i}"), Signal(name=f"completed{i}")
            m.d.sync += [late.eq(early) for late, early in zip(later, taps[-1], strict=True)]
            taps.append(later)
        arriving, whole = taps[-1]
        shift, complete = Signal(8), Signal()
        with m.If(arriving):
            new = self.i[1] if self._lines == 1 else self.i[: self._lines]
            m.d.sync += shift.eq(Cat(new, shift))
        with m.If(~self.held | self.taken):
            m.d.sync += [self.byte.eq(shift), self.held.eq(complete)]
        m.d.sync += complete.eq(whole | complete & self.held & ~self.taken)
        return m
