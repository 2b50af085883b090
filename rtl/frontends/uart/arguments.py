"""What a request names: a region and its words, or a run."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.layout import ADDRESS_BITS, REGION_BITS
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import FILL, RunFlags
from popflip.rtl.interface import RunLayout
from popflip.rtl.primitives.arithmetic import next_count

__all__ = ["RequestArguments"]

#: Where FILL has its address and its count; RUN has its first sample and its count there.
_ADDRESS_AT, _COUNT_AT = 1, 5

#: Bits of READ's count.
_READ_COUNT = 16


class RequestArguments(wiring.Component):
    """Take the arguments of a request byte by byte, then go from word to word of what they name.

    Arguments are laid out as FILL lays them out. RUN has its flags in the place of the region, and
    its first sample in that of the address. Bits of an argument for which no machine has a use are
    not kept; ``beyond`` remembers that there were any.

    Parameters
    ----------
    params : Params

    Members
    -------
    take : ``In(1)``, position : ``In(4)``, byte : ``In(8)``
        The argument byte at a position is there.
    advance : ``In(1)``
        Go on to the next word: the address counts up, the words that are left count down.
    is_read : ``In(1)``
        The count has 16 bits only; those above are left from a request before.
    region : ``Out(4)``, address : ``Out``
        The word that is meant.
    run : ``Out(RunLayout())``
        What RUN asks for.
    some : ``Out(1)``
        Words are left.
    no_run : ``Out(1)``
        There is no such run.
    too_far : ``Out(1)``
        The address was beyond the end of the region in the cycle before, as it was then or, with
        ``advance``, as it is now.
    known : ``Out(1)``
        There is such a region.
    last_byte : ``Out``
        Bytes of its words, less one.
    read_in_run, written_in_run : ``Out(1)``
        The host may read it, or write to it, while the core runs.
    """

    def __init__(self, params: Params):
        self._regions = params.regions
        self._longest = max(region.word_bytes for region in self._regions)
        super().__init__({
            "take": In(1),
            "position": In(range(FILL.size)),
            "byte": In(8),
            "advance": In(1),
            "is_read": In(1),
            "region": Out(REGION_BITS),
            "address": Out(ADDRESS_BITS),
            "run": Out(RunLayout()),
            "some": Out(1),
            "no_run": Out(1),
            "too_far": Out(1),
            "known": Out(1),
            "last_byte": Out(range(self._longest)),
            "read_in_run": Out(1),
            "written_in_run": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        depth = self._look_up(m)
        address, region = self.address, self.region
        beyond = Signal()
        missing = Signal.like(address)  # Complement of the count, so that it counts up.

        # A byte at a time enters where it belongs, through the adder that counts.
        for at in range(0, len(address), 8):
            for number, first, byte in (
                (address, _ADDRESS_AT, self.byte),
                (missing, _COUNT_AT, ~self.byte),
            ):
                with m.If(self.take & (self.position == first + at // 8) | self.advance):
                    m.d.sync += number[at : at + 8].eq(
                        next_count(number, self.take, byte << at)[at : at + 8]
                    )
        with m.If(self.take):
            with m.Switch(self.position):
                with m.Case(0):
                    m.d.sync += [
                        region.eq(self.byte),
                        beyond.eq(self.byte[len(region) :].any()),
                    ]
                with m.Case(*(at + len(address) // 8 for at in (_ADDRESS_AT, _COUNT_AT))):
                    m.d.sync += beyond.eq(beyond | self.byte.any())

        # Found a cycle before, from the address as it will be: ``address + advance > depth`` is the
        # carry of this sum.
        bits = len(depth)
        overshoot = address[:bits] + ~depth + self.advance
        m.d.sync += self.too_far.eq(beyond | address[bits:].any() | overshoot[bits])

        run, unknown = self.run, region[len(RunFlags) :].any()
        m.d.comb += [
            self.some.eq(
                ~(missing[:_READ_COUNT].all() & (missing[_READ_COUNT:].all() | self.is_read))
            ),
            self.no_run.eq(~self.some | beyond | unknown),
            run.train.eq(region[0]),
            run.internal.eq(region[1]),
            run.flush.eq(region[2]),
            run.first.eq(address),
            run.count.eq(~missing),
        ]
        return m

    def _look_up(self, m):
        """Look up the constants of the region; return its depth."""
        depth = Signal(range(max(region.depth for region in self._regions) + 1))
        with m.Switch(self.region):
            for region in self._regions:
                with m.Case(region.index):
                    m.d.comb += [
                        self.known.eq(1),
                        depth.eq(region.depth),
                        self.last_byte.eq(region.word_bytes - 1),
                        self.read_in_run.eq(region.name in ("registers", "results")),
                        self.written_in_run.eq(region.name == "samples"),
                    ]
        return depth
