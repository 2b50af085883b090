"""Samples on their way to the core: from the store, or from the slots that the host loads."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from popflip.golden.params import Params
from popflip.rtl.interface import RunLayout, StoreSignature
from popflip.rtl.synapses import ReadSignature, WriteSignature

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
    o : ``Out(stream.Signature(8))``
        Bytes of samples.
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
            "o": Out(stream.Signature(8)),
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

        internal = Signal()
        number, left = Signal(32), Signal(32)
        byte = Signal(range(p.sample_bytes))
        slot, slot_base = Signal(range(p.machine.sample_slots)), Signal(range(self._depth))
        m.d.comb += self.store.request.payload.eq(number)

        def begin_next():
            m.d.sync += byte.eq(0)
            with m.If((left == 0) | self.stop):
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
                    m.d.sync += [
                        internal.eq(self.run.internal),
                        # Slots are few: of the number of the first one, 8 bits count.
                        number.eq(Mux(self.run.internal, self.run.first[:8], self.run.first)),
                        left.eq(self.run.count),
                        slot.eq(0),
                        slot_base.eq(0),
                        byte.eq(0),
                    ]
                    m.next = "Seek"
            with m.State("Seek"):
                # Slot numbers are small: walk to the first one; numbers beyond the last wrap.
                with m.If(~internal | (number == 0)):
                    begin_next()
                with m.Else():
                    m.d.sync += number.eq(number - 1)
                    _advance(m, p, slot, slot_base)
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
                with m.If(self.o.valid & self.o.ready):
                    m.d.sync += byte.eq(byte + 1)
                    with m.If(byte == p.sample_bytes - 1):
                        m.d.sync += [number.eq(number + 1), left.eq(left - 1)]
                        m.next = "Next"
            with m.State("Fetch"):
                m.d.comb += [read.en.eq(1), read.addr.eq(slot_base + byte)]
                m.next = "Offer"
            with m.State("Offer"):
                m.d.comb += [self.o.payload.eq(read.data), self.o.valid.eq(1)]
                with m.If(self.o.ready):
                    m.d.sync += byte.eq(byte + 1)
                    m.next = "Fetch"
                    with m.If(byte == p.sample_bytes - 1):
                        m.d.sync += left.eq(left - 1)
                        _advance(m, p, slot, slot_base)
                        m.next = "Next"
            with m.State("Next"):
                begin_next()
        return m


def _advance(m, params, slot, slot_base):
    """Go to the next slot; the last is followed by the first."""
    wrap = slot == params.machine.sample_slots - 1
    m.d.sync += [
        slot.eq(Mux(wrap, 0, slot + 1)),
        slot_base.eq(Mux(wrap, 0, slot_base + params.sample_bytes)),
    ]
