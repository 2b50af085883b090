"""Samples on their way to the core: from the store, or from the slots that the host loads."""

from typing import Any, NamedTuple

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.rtl.core.signatures import FeedSignature, RegionSignature
from popflip.rtl.interface import StoreSignature, host_word_bits
from popflip.rtl.primitives.arithmetic import next_count

__all__ = ["SampleFeeder"]


class SampleFeeder(wiring.Component):
    """Bring the samples of a run, one after the other, as the sample buffer takes them.

    Parameters
    ----------
    params : Params

    Members
    -------
    feed : ``In(FeedSignature)``
        How the sequencer has them brought.
    o : ``Out(stream.Signature(8))``
        Bytes of samples; from the slots, one in every cycle.
    last : ``In(1)``
        The byte that is next to leave is the last of its sample.
    store : ``Out(StoreSignature)``
        The sample store.
    slots : ``In(RegionSignature)``
        The host's access to the slots; reading works while no run is on.
    """

    def __init__(self, params: Params):
        self._params = params
        self._depth = params.machine.sample_slots * params.sample_bytes
        super().__init__({
            "feed": In(FeedSignature()),
            "o": Out(stream.Signature(8)),
            "last": In(1),
            "store": Out(StoreSignature()),
            "slots": In(RegionSignature(host_word_bits(params))),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._params
        feed, run = self.feed, self.feed.run
        m.submodules.slots = slots = Memory(shape=8, depth=self._depth, init=[])
        write, read = slots.write_port(), slots.read_port()
        m.d.comb += [
            write.en.eq(self.slots.ask & self.slots.writes),
            write.addr.eq(self.slots.address),
            write.data.eq(self.slots.data),
            self.slots.reply.eq(read.data),
            read.en.eq(0),  # A read port is enabled if nobody says otherwise.
        ]

        # How many samples are left is held as its complement, which counts up.
        internal, missing = Signal(), Signal.like(run.count, init=~0)
        number = Signal.like(run.first)
        leave, seek = Signal(), Signal()
        m.d.comb += [
            self.store.request.payload.eq(number),
            feed.over.eq(missing.all()),
        ]
        with m.If(feed.start | leave):
            m.d.sync += missing.eq(next_count(missing, feed.start, ~run.count))
        # Slots are few: of the number of the first one, 8 bits count, and do so up to all ones.
        low = run.first[:8] ^ run.internal.replicate(8)
        first = Cat(low, run.first[8:])
        with m.If(feed.start | leave | seek):
            m.d.sync += number.eq(next_count(number, feed.start, first))

        # The byte in the slots that is fetched next; the last slot is followed by the first.
        at = Signal(range(self._depth))
        stride, ahead = Signal(range(p.sample_bytes + 1)), Signal(range(self._depth + 1))
        fetch = Signal()
        m.d.comb += [
            stride.eq(Mux(seek, p.sample_bytes, 1)),
            ahead.eq(at + stride),
        ]
        with m.If(fetch):
            m.d.comb += [read.en.eq(1), read.addr.eq(at)]
        with m.If(fetch | seek):
            m.d.sync += at.eq(Mux(ahead == self._depth, 0, ahead))
        with m.If(feed.start):
            m.d.sync += at.eq(0)
        self._bring(m, _Slots(read, fetch, seek), internal, missing, number, leave)
        return m

    def _bring(self, m, slots, internal, missing, number, leave):
        """Lead the samples of a run from the slots or the store to the output."""
        read, fetch, seek = slots

        def begin_next(over):
            with m.If(over | self.feed.stop):
                m.next = "Idle"
            with m.Elif(internal):
                m.next = "Fetch"
            with m.Else():
                m.next = "Request"

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += [
                    self.feed.idle.eq(1),
                    read.en.eq(self.slots.ask),
                    read.addr.eq(self.slots.address),
                ]
                with m.If(self.feed.start):
                    m.d.sync += internal.eq(self.feed.run.internal)
                    m.next = "Seek"
            with m.State("Seek"):
                # Slot numbers are small: count to the first one; numbers beyond the last wrap.
                with m.If(~internal | number[:8].all()):
                    begin_next(self.feed.over)
                with m.Else():
                    m.d.comb += seek.eq(1)
            with m.State("Request"):
                m.d.comb += self.store.request.valid.eq(1)
                with m.If(self.store.request.ready):
                    m.next = "Relay"
            with m.State("Relay"):
                m.d.comb += [
                    self.o.payload.eq(self.store.data.payload),
                    self.o.valid.eq(self.store.data.valid),
                    self.store.data.ready.eq(self.o.ready),
                ]
                with m.If(self.o.valid & self.o.ready & self.last):
                    m.next = "Next"
            with m.State("Fetch"):
                m.d.comb += fetch.eq(1)
                m.next = "Offer"
            with m.State("Offer"):
                m.d.comb += [self.o.payload.eq(read.data), self.o.valid.eq(1)]
                with m.If(self.o.ready):
                    with m.If(self.last):
                        m.next = "Next"
                    with m.Else():
                        m.d.comb += fetch.eq(1)
            with m.State("Next"):
                # Counted only now, so that counting is no part of the long way of a byte.
                m.d.comb += leave.eq(1)
                begin_next(missing[1:].all())


class _Slots(NamedTuple):
    """Read port of the slots; fetch the next byte; go on by a whole slot."""

    read: Any
    fetch: Any
    seek: Any
