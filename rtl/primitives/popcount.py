"""Counting the ones of a word."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.support.integers import ceil_div

__all__ = ["PopcountTree"]


class PopcountTree(wiring.Component):
    """Count the ones of a word with a pipelined adder tree.

    A word is accepted in every cycle with ``en`` high; its count is on ``o`` after
    :attr:`latency` such cycles.

    The first level counts three bits at a time, which takes two 4-input tables and no carry
    chain; the others add pairs. There are ``levels = 1 + ceil_log2(ceil(width / 3))`` of them, a
    register behind every ``levels_per_register`` and behind the last.

    Parameters
    ----------
    width : int
        Bits of a word, at least 1.
    levels_per_register : int
        Levels of the tree between two registers, at least 1.

    Members
    -------
    en : ``In(1)``
        Advances every register; while it is low they hold.
    i : ``In(width)``
        Word to count.
    o : ``Out(range(width + 1))``
        Its count.
    """

    def __init__(self, width: int, levels_per_register: int = 3):
        for name, value in (("width", width), ("levels_per_register", levels_per_register)):
            if not isinstance(value, int):
                raise TypeError(f"{name} must be an int, not {value!r}")
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value!r}")
        self._width = width
        self._levels_per_register = levels_per_register
        super().__init__({
            "en": In(1),
            "i": In(width),
            "o": Out(range(width + 1)),
        })

    @property
    def width(self) -> int:
        """Bits of a word."""
        return self._width

    @property
    def levels(self) -> int:
        """Levels of the tree."""
        return 1 + ceil_log2(ceil_div(self._width, 3))

    @property
    def latency(self) -> int:
        """Cycles with ``en`` high from a word to its count: ``ceil(levels / per register)``."""
        return ceil_div(self.levels, self._levels_per_register)

    def elaborate(self, platform):
        m = Module()

        # Each term goes with its greatest value, which its width follows from.
        terms = []
        for low in range(0, self._width, 3):
            bits = self.i[low : low + 3]
            terms.append((_ones_of_three(bits), len(bits)))

        for level in range(1, self.levels + 1):
            if level > 1:
                pairs = zip(terms[::2], terms[1::2], strict=False)
                odd = terms[len(terms) & ~1 :]
                terms = [(a + b, most + more) for (a, most), (b, more) in pairs] + odd
            registered = level % self._levels_per_register == 0 or level == self.levels
            held = []
            for index, (value, most) in enumerate(terms):
                term = Signal(range(most + 1), name=f"level{level}_{index}")
                if registered:
                    with m.If(self.en):
                        m.d.sync += term.eq(value)
                else:
                    m.d.comb += term.eq(value)
                held.append((term, most))
            terms = held

        [(count, _)] = terms
        m.d.comb += self.o.eq(count)
        return m


def _ones_of_three(bits):
    """Count the ones of at most three bits, as logic instead of sums."""
    if len(bits) == 1:
        return bits
    if len(bits) == 2:
        return Cat(bits.xor(), bits.all())
    a, b, c = bits
    return Cat(bits.xor(), (a & b) | (a & c) | (b & c))
