"""Whole samples only: what stands between a stream of frames and the core's sample port."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.interface import StoreSignature
from popflip.rtl.layers.synapses import hint

__all__ = ["SAMPLES", "FrameLayout", "SampleGate"]

#: Samples that it holds: one leaves while another one comes in.
SAMPLES = 2


class FrameLayout(data.StructLayout):
    """A byte of a frame, with the ``user`` bits that came with it; ``last`` of its frame."""

    def __init__(self):
        super().__init__({"data": 8, "last": 1, "user": 8})


class SampleGate(wiring.Component):
    """Take samples as frames of bytes, and hand whole ones to the core.

    A frame of a wrong length is dropped, so that no sample is ever half another one. Each sample is
    held until it has left; the next comes in meanwhile, so that bytes enter and leave at one per
    cycle. A sample that is asked for and is there begins to leave in the next cycle. Between two
    samples from the same memory pass 2 cycles.

    Parameters
    ----------
    params : Params

    Members
    -------
    i : ``In(stream)`` of :class:`FrameLayout`
        Frames, a sample each, as :func:`popflip.golden.description.packing.pack_samples` has them.
        Ready while there is room, whatever a frame's length.
    label_in_user : ``In(1)``
        Frames lack the byte of the label; it is ``user`` of their last byte.
    begin_anew : ``In(1)``
        A pulse forgets the frame that is coming in; between two bytes of it.
    discard : ``In(1)``
        A pulse forgets all samples; while none is leaving. The frame that is coming in is bad then.
    store : ``In(StoreSignature())``
        The core's requests. Samples leave in the order in which they came, whatever their number.
    grant : ``In(1)``
        A request may be taken.
    waiting : ``Out(2)``
        Samples that are held.
    good, bad : ``Out(1)``
        Pulses: a sample has come in, a frame was dropped.
    """

    def __init__(self, params: Params):
        self._bytes = params.sample_bytes
        super().__init__({
            "i": In(stream.Signature(FrameLayout())),
            "label_in_user": In(1),
            "begin_anew": In(1),
            "discard": In(1),
            "store": In(StoreSignature()),
            "grant": In(1),
            "waiting": Out(range(SAMPLES + 1)),
            "good": Out(1),
            "bad": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        bits = ceil_log2(self._bytes)
        depth = SAMPLES << bits
        m.submodules.memory = memory = Memory(shape=8, depth=depth, init=[], attrs=hint(depth))
        done = Signal()
        self._come_in(m, memory.write_port(), bits)
        self._leave(m, memory.read_port(), bits, done)
        m.d.sync += self.waiting.eq(self.waiting + self.good - done)
        with m.If(self.discard):
            m.d.sync += self.waiting.eq(0)
        return m

    def _come_in(self, m, write, bits):
        frame, label = self.i.p, Signal(8)
        half, at = Signal(name="in_half"), Signal(bits, name="in_at")
        end = Signal(bits, name="in_end")  # Position of a frame's last byte.
        room = self.waiting != SAMPLES
        m.d.comb += [
            end.eq(self._bytes - 1 - self.label_in_user),
            write.addr.eq(Cat(at, half)),
            write.data.eq(frame.data),
        ]
        taken = self.i.valid & self.i.ready
        with m.FSM(name="incoming"):
            with m.State("Fill"):
                m.d.comb += [self.i.ready.eq(room & ~self.discard), write.en.eq(taken)]
                with m.If(taken):
                    m.d.sync += at.eq(at + 1)
                    with m.If(frame.last):
                        m.d.sync += [at.eq(0), label.eq(frame.user)]
                        with m.If(at != end):
                            m.d.comb += self.bad.eq(1)
                        with m.Elif(self.label_in_user):
                            m.d.sync += at.eq(self._bytes - 1)
                            m.next = "Label"
                        with m.Else():
                            m.d.comb += self.good.eq(1)
                    with m.Elif(at == end):
                        m.next = "Skip"
                with m.If(self.begin_anew):
                    m.d.sync += at.eq(0)
                with m.If(self.discard & (at != 0)):
                    m.next = "Skip"
            with m.State("Label"):
                m.d.comb += [
                    write.en.eq(1),
                    write.data.eq(label),
                    self.good.eq(~self.discard),
                ]
                m.d.sync += at.eq(0)
                m.next = "Fill"
            with m.State("Skip"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.begin_anew):
                    m.d.sync += at.eq(0)
                    m.next = "Fill"
                with m.Elif(taken & frame.last):
                    m.d.comb += self.bad.eq(1)
                    m.d.sync += at.eq(0)
                    m.next = "Fill"
        m.d.sync += half.eq((half ^ self.good) & ~self.discard)

    def _leave(self, m, read, bits, done):
        store = self.store
        half, at = Signal(name="out_half"), Signal(bits, name="out_at")
        last = at == self._bytes - 1
        m.d.comb += [
            store.data.payload.eq(read.data),
            read.addr.eq(Cat(at, half)),
            read.en.eq(0),  # A read port is enabled if nobody says otherwise.
        ]
        with m.FSM(name="outgoing"):
            with m.State("Fetch"):
                m.d.comb += read.en.eq(self.waiting != 0)
                with m.If(self.discard):
                    m.d.sync += half.eq(0)
                with m.Elif(self.waiting != 0):
                    m.next = "Offer"
            with m.State("Offer"):
                m.d.comb += store.request.ready.eq(self.grant & ~self.discard)
                with m.If(store.request.valid & store.request.ready):
                    m.next = "Relay"
                with m.If(self.discard):
                    m.d.sync += half.eq(0)
                    m.next = "Fetch"
            with m.State("Relay"):
                m.d.comb += store.data.valid.eq(1)
                with m.If(store.data.ready):
                    # The byte behind this one; behind the last, nothing.
                    m.d.comb += [
                        read.en.eq(~last),
                        read.addr.eq(Cat((at + 1)[:bits], half)),
                        done.eq(last),
                    ]
                    m.d.sync += [at.eq(Mux(last, 0, at + 1)), half.eq(half ^ last)]
                    with m.If(last):
                        m.next = "Fetch"
