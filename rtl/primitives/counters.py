"""Many wide counters in one small memory."""

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["CounterBank"]

#: Bits of a word; a counter has two.
WORD = 32


class CounterBank(wiring.Component):
    """Count events of several kinds, in 64 bits each.

    A 64-bit counter of its own for every kind would take 64 look-up tables, and the choice among
    them as many again. Here only what came lately is counted in registers, a few bits each; one
    adder goes round, one word per cycle, and adds that to a memory. Word ``2 * i`` holds the lower
    half of counter ``i``, word ``2 * i + 1`` the upper one.

    A look-up waits until the adder comes to its word, so that what it shows is no older than the
    question: the word is on ``data``, with ``valid`` high for a cycle, at most :attr:`latency`
    cycles after ``look``. Only one look-up may be under way. ``clear`` sets all counters to 0 for
    whoever looks one up later; events of that cycle are lost.

    Parameters
    ----------
    steps : sequence of int
        For each counter, the most that one cycle may add, 1 to 2**24. At least two counters.

    Members
    -------
    step0, step1, ... : ``In``
        What this cycle adds to each counter.
    clear : ``In(1)``
    look : ``In(1)``, word : ``In``
        A pulse asks for a word, whose number stays until ``valid``.
    data : ``Out(32)``, valid : ``Out(1)``
    """

    def __init__(self, steps):
        self._steps = tuple(steps)
        for i, step in enumerate(self._steps):
            if not isinstance(step, int):
                raise TypeError(f"steps[{i}] must be an int, not {step!r}")
            if step < 1:
                raise ValueError(f"steps[{i}] must be at least 1, not {step}")
            if step > 1 << 24:  # what comes in a round has to fit a word
                raise ValueError(f"steps[{i}] must be at most 2**24, not {step}")
        if len(self._steps) < 2:
            raise ValueError(f"steps must have at least 2 entries, not {len(self._steps)}")
        self._words = 2 * len(self._steps)
        super().__init__({
            **{f"step{i}": In(range(step + 1)) for i, step in enumerate(self._steps)},
            "clear": In(1),
            "look": In(1),
            "word": In(range(self._words)),
            "data": Out(WORD),
            "valid": Out(1),
        })

    @property
    def round(self) -> int:
        """Cycles in which the adder comes to every word."""
        return self._words

    @property
    def latency(self) -> int:
        """Most cycles from ``look`` to ``valid``."""
        return self.round

    def elaborate(self, platform):
        m = Module()
        words = self._words
        m.submodules.totals = totals = Memory(
            shape=unsigned(WORD), depth=1 << ceil_log2(words), init=[]
        )
        read, write = totals.read_port(), totals.write_port()

        # The word that is read, and the one that was read and is written. A clear begins the round
        # anew, in which nothing that was written before counts; so does a reset.
        place, fetched_place, fetched = Signal(range(words)), Signal(range(words)), Signal()
        stale = Signal(init=1)
        m.d.comb += read.addr.eq(place)
        m.d.sync += [
            place.eq(Mux(place == words - 1, 0, place + 1)),
            fetched.eq(1),
            fetched_place.eq(place),
        ]
        with m.If(fetched & (fetched_place == words - 1)):
            m.d.sync += stale.eq(0)
        with m.If(self.clear):
            m.d.sync += [place.eq(0), fetched.eq(0), stale.eq(1)]

        # What came since the adder's last visit, which is at most a round ago.
        recent = []
        for i, step in enumerate(self._steps):
            count = Signal(range((self.round + 1) * step + 1), name=f"recent{i}")
            taken = fetched & (fetched_place == 2 * i)
            step = getattr(self, f"step{i}")
            # (What is selected is an addend too: on iCE40 one look-up table per bit does both.)
            m.d.sync += count.eq(Mux(taken, step, (count + step)[: len(count)]))
            with m.If(self.clear):
                m.d.sync += count.eq(0)
            recent.append(count)

        carry, came, total = Signal(), Signal(WORD), Signal(WORD + 1)
        m.d.comb += [
            came.eq(Mux(fetched_place[0], carry, Array(recent)[fetched_place >> 1])),
            total.eq(Mux(stale, came, read.data + came)),
            write.en.eq(fetched),
            write.addr.eq(fetched_place),
            write.data.eq(total),
        ]
        m.d.sync += carry.eq(total[WORD])

        looking = Signal()
        m.d.comb += [
            self.valid.eq(looking & fetched & (fetched_place == self.word)),
            self.data.eq(total),
        ]
        with m.If(self.look):
            m.d.sync += looking.eq(1)
        with m.Elif(self.valid):
            m.d.sync += looking.eq(0)
        return m
