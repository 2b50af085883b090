"""Samples on their way to the core: from the store, or from the slots that the host loads."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.rtl.interface import RunLayout, StoreSignature
from popflip.rtl.layers.synapses import ReadSignature, WriteSignature
from popflip.rtl.primitives.arithmetic import next_count

__all__ = ["SampleFeeder"]


class SampleFeeder(wiring.Component):
    """Bring the samples of a run, one after the other, as the sample buffer takes them.

    Parameters
    ----------
    params : Params

    Members
    -------
    start : ``In(1)``, run : ``In(RunLayout)``
        A pulse begins a run.
    stop : ``In(1)``
        While high, no further sample is begun.
    idle : ``Out(1)``
        Every sample that was begun has left.
    over : ``Out(1)``
        All samples of the run have left, the last one more than a cycle ago.
    o : ``Out(stream.Signature(8))``
        Bytes of samples; from the slots, one in every cycle.
    last : ``In(1)``
        The byte that is next to leave is the last of its sample.
    store : ``Out(StoreSignature)``
        The sample store.
    slots_write, slots_read : ``In``
        The host's access to the slots; reading works while no run is on.
    """

    def __init__(self, params: Params):
        self._params = params
        self._depth = params.machine.sample_slots * params.sample_bytes
        super().__init__({
            "start": In(1),
            "run": In(RunLayout()),
            "stop": In(1),
            "idle": Out(1),
            "over": Out(1),
            "o": Out(stream.Signature(8)),
            "last": In(1),
            "store": Out(StoreSignature()),
            "slots_write": In(WriteSignature(self._depth, 8)),
            "slots_read": In(ReadSignature(self._depth, 8)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._params
        m.submodules.slots = slots = Memory(shape=8, depth=self._depth, init=[])
        write, read = slots.write_port(), slots.read_port()
        m.d.comb += [
            write.en.eq(self.slots_write.en),
            write.addr.eq(self.slots_write.address),
            write.data.eq(self.slots_write.data),
            self.slots_read.data.eq(read.data),
            read.en.eq(0),  # A read port is enabled if nobody says otherwise.
        ]

        # How many samples are left is held as its complement, which counts up.
        internal, missing = Signal(), Signal.like(self.run.count, init=~0)
        number = Signal.like(self.run.first)
        leave, seek = Signal(), Signal()
        m.d.comb += [
            self.store.request.payload.eq(number),
            self.over.eq(missing.all()),
        ]
        with m.If(self.start | leave):
            m.d.sync += missing.eq(next_count(missing, self.start, ~self.run.count))
        # Slots are few: of the number of the first one, 8 bits count, and do so up to all ones.
        low = self.run.first[:8] ^ self.run.internal.replicate(8)
        first = Cat(low, self.run.first[8:])
        with m.If(self.start | leave | seek):
            m.d.sync += number.eq(next_count(number, self.start, first))

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
        with m.If(self.start):
            m.d.sync += at.eq(0)

        def begin_next(over):
            with m.If(over | self.stop):
                m.next = "Idle"
            with m.Elif(internal):
                m.next = "Fetch"
            with m.Else():
                m.next = "Request"

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += [
                    self.idle.eq(1),
                    read.en.eq(self.slots_read.en),
                    read.addr.eq(self.slots_read.address),
                ]
                with m.If(self.start):
                    m.d.sync += internal.eq(self.run.internal)
                    m.next = "Seek"
            with m.State("Seek"):
                # Slot numbers are small: walk to the first one; numbers beyond the last wrap.
                with m.If(~internal | number[:8].all()):
                    begin_next(self.over)
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
        return m
