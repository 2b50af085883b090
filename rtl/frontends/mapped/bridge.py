"""From accesses of a bus to the host port of the core, whatever the bus."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.bus import BusMap, Refusal
from popflip.golden.description.params import Params
from popflip.golden.description.registers import REGISTER_BITS, REGISTER_BYTES
from popflip.rtl.frontends.mapped.access import AccessSignature
from popflip.rtl.frontends.mapped.control import ControlRegisters
from popflip.rtl.frontends.mapped.decoder import AddressDecoder
from popflip.rtl.frontends.mapped.sample_gate import SAMPLES, FrameLayout
from popflip.rtl.interface import HostSignature

__all__ = ["BusBridge"]


class BusBridge(wiring.Component):
    """Do what a bus asks for, one access after the other.

    An access is looked up in one cycle and judged in the next. If it is refused, or is one of a
    control register or of a lane that does not complete its word, it is over in the third. A word
    is written in 3 cycles more, and read in 2 more and the core's time for the reply; of a packed
    window as often as there are bytes. A byte of a sample takes a cycle, and the first one waits
    while two samples wait for the run that is on.

    Parameters
    ----------
    params : Params
    bus_map : BusMap
    identity : bytes
        The id of this design.

    Members
    -------
    access : ``In(AccessSignature)``
    host : ``Out(HostSignature)``
        The core.
    frames : ``Out(stream)`` of :class:`popflip.rtl.frontends.mapped.sample_gate.FrameLayout`
        Samples that are written to window ``sample``.
    begin_anew, discard, label_in_user : ``Out(1)``, waiting : ``In(2)``, good, bad : ``In(1)``
        Of the sample gate.
    streaming : ``Out(1)``
        The run that is on takes samples from the gate.
    irq : ``Out(1)``
    """

    def __init__(self, params: Params, bus_map: BusMap, identity: bytes):
        self._params, self._map, self._identity = params, bus_map, identity
        super().__init__({
            "access": In(AccessSignature(bus_map.address_bits)),
            "host": Out(HostSignature(params)),
            "frames": Out(stream.Signature(FrameLayout())),
            "begin_anew": Out(1),
            "discard": Out(1),
            "label_in_user": Out(1),
            "waiting": In(2),
            "good": In(1),
            "bad": In(1),
            "streaming": Out(1),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        access, host = self.access, self.host
        m.submodules.decoder = decoder = AddressDecoder(self._params, self._map)
        m.submodules.control = control = ControlRegisters(self._map, self._identity)
        place = Signal(decoder.place.shape())
        lanes = max(window.lanes for window in self._map.windows)
        # The word that is written; of a packed window, its next byte lowest.
        word = Signal(REGISTER_BITS * lanes)
        gathered = Signal(REGISTER_BITS)  # Bytes that were read, the last one highest.
        byte = Signal(range(REGISTER_BYTES))
        reason = Signal(3)
        lane_follows, next_address = Signal(), Signal.like(access.address)

        connect(m, control.run, flipped(host.run))
        m.d.comb += [
            decoder.address.eq(access.address),
            control.index.eq(place.word),
            control.data.eq(access.data),
            control.busy.eq(host.busy),
            control.waiting.eq(self.waiting),
            control.good.eq(self.good),
            control.bad.eq(self.bad),
            control.reason.eq(reason),
            control.refused_write.eq(access.write),
            control.address.eq(access.address),
            host.stop.eq(control.stop),
            host.command.p.write.eq(access.write),
            host.command.p.region.eq(place.region),
            host.command.p.address.eq(place.word + byte),
            host.command.p.data.eq(word),
            self.discard.eq(control.discard),
            self.label_in_user.eq(control.label_in_user),
            self.streaming.eq(control.streaming),
            self.irq.eq(control.irq),
        ]

        verdict = self._judge(m, place, control, lane_follows & (next_address == access.address))
        with m.FSM():
            with m.State("Idle"):
                m.d.sync += place.eq(decoder.place)
                with m.If(access.valid):
                    m.next = "Judge"
            with m.State("Judge"):
                m.d.sync += [byte.eq(0), reason.eq(verdict)]
                with m.If(verdict != Refusal.NONE):
                    m.next = "Refuse"
                with m.Elif(place.control):
                    m.next = "Control"
                with m.Else():
                    with m.If(access.write):
                        self._take_lane(m, place, word, lane_follows, next_address)
                    with m.Else():
                        m.next = "Command"
            with m.State("Refuse"):
                m.d.comb += [access.ready.eq(1), access.error.eq(1), control.refuse.eq(1)]
                m.next = "Idle"
            with m.State("Control"):
                m.d.comb += [control.write.eq(access.write), access.reply.eq(control.value)]
                with m.If(~host.run.valid | host.run.ready):
                    m.d.comb += access.ready.eq(1)
                    m.next = "Idle"
            self._exchange(m, place, word, gathered, byte)
            self._push(m, place, word, byte, reason, lane_follows)
            with m.State("Done"):
                m.d.comb += [access.ready.eq(1), access.reply.eq(gathered)]
                m.next = "Idle"
        return m

    def _judge(self, m, place, control, follows):
        """Return why the access is refused, or 0."""
        access, busy = self.access, self.host.busy
        verdict = Signal(3)
        whole = access.aligned & access.strobe.all()
        some = access.strobe.any()
        with m.If(~place.known):
            m.d.comb += verdict.eq(Refusal.UNMAPPED)
        with m.Elif(~Mux(place.packed, some, whole)):
            m.d.comb += verdict.eq(Refusal.WIDTH)
        with m.Elif(~Mux(access.write, place.writable, place.readable)):
            m.d.comb += verdict.eq(Refusal.ACCESS)
        with m.Elif(busy & ~Mux(access.write, place.written_in_run, place.read_in_run)):
            m.d.comb += verdict.eq(Refusal.BUSY)
        with m.Elif(place.control):
            with m.If(access.write):
                m.d.comb += verdict.eq(control.verdict)
        with m.Elif(access.write & ~follows):
            with m.If(Mux(place.sample, place.word != 0, ~place.packed & (place.lane != 0))):
                m.d.comb += verdict.eq(Refusal.ORDER)
        return verdict

    def _take_lane(self, m, place, word, lane_follows, next_address):
        """Keep a lane that is written, or bytes; go on when there is a word."""
        access = self.access
        at = Mux(place.sample, 0, place.lane)
        for lane in range(len(word) // REGISTER_BITS):
            with m.If(at == lane):
                m.d.sync += word.word_select(lane, REGISTER_BITS).eq(access.data)
        m.next = "Done"
        with m.If(place.sample):
            m.next = "Push"
            with m.If(place.word == 0):
                m.d.comb += self.begin_anew.eq(1)
        with m.Elif(place.packed | place.last):
            m.next = "Command"
        # Bytes of a packed window pass through the lowest lane: a word that is under way is lost.
        m.d.sync += [
            lane_follows.eq(~place.packed & ~place.last),
            next_address.eq(access.address + 1),
        ]

    def _exchange(self, m, place, word, gathered, byte):
        """States that write a word of the core, or read one; of a packed window several."""
        access, host = self.access, self.host
        last = ~place.packed | (byte == place.n_bytes - 1)
        meant = ~place.packed | ~access.write | access.strobe.bit_select(byte, 1)
        next_byte = place.packed & ~last

        def go_on():
            m.d.sync += byte.eq(byte + 1)
            m.next = "Command"
            with m.If(~next_byte):
                m.next = "Done"

        with m.State("Command"):
            m.d.comb += host.command.valid.eq(meant)
            with m.If(access.write):
                with m.If(~meant | host.command.ready):
                    m.next = "Written"
            with m.Elif(host.command.ready):
                m.next = "Reply"
        with m.State("Written"):
            # What is written is looked at for another cycle.
            with m.If(place.packed):
                m.d.sync += word[:REGISTER_BITS].eq(word[8:REGISTER_BITS])
            go_on()
        with m.State("Reply"):
            with m.If(host.reply.valid):
                reply = Signal(len(word))
                m.d.comb += reply.eq(Mux(place.hole, 0, host.reply.payload))
                with m.If(place.packed):
                    for at in range(REGISTER_BYTES):
                        with m.If(byte == at):
                            m.d.sync += gathered[8 * at : 8 * at + 8].eq(reply)
                    with m.If(byte == 0):
                        m.d.sync += gathered[8:].eq(0)
                with m.Else():
                    m.d.sync += gathered.eq(reply.word_select(place.lane, REGISTER_BITS))
                go_on()

    def _push(self, m, place, word, byte, reason, lane_follows):
        """State that sends bytes of a sample to the gate."""
        frames = self.frames
        end = byte == place.n_bytes - 1
        full = (place.word == 0) & (byte == 0) & (self.waiting == SAMPLES)
        with m.State("Push"):
            m.d.comb += [
                frames.valid.eq(~full),
                frames.p.data.eq(word[:8]),
                frames.p.last.eq(place.last & end),
            ]
            with m.If(full & ~self.streaming):
                m.d.sync += [reason.eq(Refusal.FULL), lane_follows.eq(0)]
                m.next = "Refuse"
            with m.If(frames.valid & frames.ready):
                m.d.sync += [byte.eq(byte + 1), word[:REGISTER_BITS].eq(word[8:REGISTER_BITS])]
                with m.If(end):
                    m.next = "Done"
