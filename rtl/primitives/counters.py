"""Many wide counters in one small memory."""

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["CounterBank", "CounterSignature"]

#: Bits of a word; a counter has two.
WORD = 32


class CounterSignature(wiring.Signature):
    """Look-ups of counters, from the side of whoever looks.

    Parameters
    ----------
    words : int
        Two for each counter.

    Members
    -------
    clear : ``Out(1)``
        Set all counters to 0 for whoever looks one up later; events of that cycle are lost.
    look : ``Out(1)``, word : ``Out(range(words))``
        A pulse asks for a word, whose number stays until ``valid``. Only one look-up may be under
        way.
    data : ``In(32)``, valid : ``In(1)``
    """

    def __init__(self, words: int):
        super().__init__({
            "clear": Out(1),
            "look": Out(1),
            "word": Out(range(words)),
            "data": In(WORD),
            "valid": In(1),
        })


class CounterBank(wiring.Component):
    """Count events of several kinds, in 64 bits each.

    A 64-bit counter of its own for every kind would take 64 look-up tables, and the choice among
    them as many again. Here only what came lately is counted in registers, a few bits each; one
    adder goes round, one word per cycle, and adds that to a memory. Word ``2 * i`` holds the lower
    half of counter ``i``, word ``2 * i + 1`` the upper one.

    A look-up waits until the adder comes to its word, so that what it shows is no older than the
    question: ``data`` and ``valid``, for a cycle, come at most :attr:`latency` cycles after
    ``look``.

    Parameters
    ----------
    steps : dict of str to int
        For each counter, the most that one cycle may add, 1 to 2**24. At least two counters.

    Members
    -------
    steps : ``In``, a field for each counter
        What this cycle adds to it.
    look : ``In(CounterSignature)``
    """

    def __init__(self, steps: dict[str, int]):
        self._most = dict(steps)
        for name, step in self._most.items():
            if not isinstance(step, int):
                raise TypeError(f"steps[{name!r}] must be an int, not {step!r}")
            if step < 1:
                raise ValueError(f"steps[{name!r}] must be at least 1, not {step}")
            if step > 1 << 24:  # what comes in a round has to fit a word
                raise ValueError(f"steps[{name!r}] must be at most 2**24, not {step}")
        if len(self._most) < 2:
            raise ValueError(f"steps must have at least 2 entries, not {len(self._most)}")
        self._words = 2 * len(self._most)
        layout = {name: range(step + 1) for name, step in self._most.items()}
        super().__init__({
            "steps": In(data.StructLayout(layout)),
            "look": In(CounterSignature(self._words)),
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
        words, look = self._words, self.look
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
        with m.If(look.clear):
            m.d.sync += [place.eq(0), fetched.eq(0), stale.eq(1)]

        # What came since the adder's last visit, which is at most a round ago.
        recent = []
        for i, (name, most) in enumerate(self._most.items()):
            count = Signal(range((self.round + 1) * most + 1), name=f"recent{i}")
            taken = fetched & (fetched_place == 2 * i)
            step = self.steps[name]
            # (What is selected is an addend too: on iCE40 one look-up table per bit does both.)
            m.d.sync += count.eq(Mux(taken, step, (count + step)[: len(count)]))
            with m.If(look.clear):
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
            look.valid.eq(looking & fetched & (fetched_place == look.word)),
            look.data.eq(total),
        ]
        with m.If(look.look):
            m.d.sync += looking.eq(1)
        with m.Elif(look.valid):
            m.d.sync += looking.eq(0)
        return m
