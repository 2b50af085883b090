"""A queue in block RAM that never fills."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["Queue"]


class Queue(wiring.Component):
    """First in, first out, for at most ``capacity`` entries, of which nobody may add more.

    That spares the count of entries: the queue is empty where its two pointers meet. An entry is on
    ``data`` from the second cycle after ``add`` on, if there is none before it.

    Parameters
    ----------
    shape : ShapeCastable
        Of an entry.
    capacity : int
        At least 1.

    Members
    -------
    add : ``In(1)``, entry : ``In(shape)``
        Appends the entry.
    ready : ``Out(1)``, data : ``Out(shape)``
        There is an entry, the oldest.
    take : ``In(1)``
        Removes it; without one it does nothing.
    empty : ``Out(1)``
        There is none, nor will one be ready in the next cycle.
    """

    def __init__(self, shape, capacity: int):
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self._shape = shape
        self._bits = ceil_log2(capacity + 1)
        super().__init__({
            "add": In(1),
            "entry": In(shape),
            "ready": Out(1),
            "data": Out(shape),
            "take": In(1),
            "empty": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.storage = storage = Memory(shape=self._shape, depth=1 << self._bits, init=[])
        write, read = storage.write_port(), storage.read_port()
        added, fetched = Signal(self._bits), Signal(self._bits)
        waiting = added != fetched
        m.d.comb += [
            write.en.eq(self.add),
            write.addr.eq(added),
            write.data.eq(self.entry),
            read.en.eq(waiting & (~self.ready | self.take)),
            read.addr.eq(fetched),
            self.data.eq(read.data),
            self.empty.eq(~waiting & ~self.ready),
        ]
        m.d.sync += [added.eq(added + self.add), fetched.eq(fetched + read.en)]
        with m.If(read.en):
            m.d.sync += self.ready.eq(1)
        with m.Elif(self.take):
            m.d.sync += self.ready.eq(0)
        return m
