"""The control registers of a front end with registers at addresses."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.bus import BusMap, Refusal
from popflip.golden.description.protocol import RunFlags
from popflip.golden.description.registers import REGISTER_BITS, REGISTER_BYTES
from popflip.rtl.interface import RunLayout

__all__ = ["ControlRegisters"]


class ControlRegisters(wiring.Component):
    """The registers of :class:`popflip.golden.description.bus.BusMap`, and the interrupt.

    Parameters
    ----------
    bus_map : BusMap
    identity : bytes
        The id of this design.

    Members
    -------
    index : ``In``, data : ``In(32)``
        Which register, and what is to be written.
    value : ``Out(32)``
        What it reads as.
    verdict : ``Out(3)``
        The :class:`~popflip.golden.description.bus.Refusal` of such a write, or 0.
    write : ``In(1)``
        A pulse writes it; only while there is no refusal.
    run : ``Out(stream)`` of :class:`popflip.rtl.interface.RunLayout`
        What a write to ``run`` starts. Valid for as long as that is written: ``write`` is held.
    stop, discard : ``Out(1)``
        Pulses.
    label_in_user : ``Out(1)``
        Of register ``options``; 0 where there is none.
    busy : ``In(1)``
        A run is on.
    waiting : ``In(2)``, good, bad : ``In(1)``
        Samples that wait; pulses: one has come in, one was dropped.
    refuse : ``In(1)``, reason : ``In(3)``, refused_write : ``In(1)``, address : ``In``
        A pulse: an access of this word address was refused, and why.
    streaming : ``Out(1)``
        The run that is on takes samples from the front end.
    irq : ``Out(1)``
        An event is set that is enabled, one cycle later.
    """

    def __init__(self, bus_map: BusMap, identity: bytes):
        self._map, self._identity = bus_map, identity
        super().__init__({
            "index": In(range(len(bus_map.registers))),
            "data": In(REGISTER_BITS),
            "value": Out(REGISTER_BITS),
            "verdict": Out(3),
            "write": In(1),
            "run": Out(stream.Signature(RunLayout())),
            "stop": Out(1),
            "discard": Out(1),
            "label_in_user": Out(1),
            "busy": In(1),
            "waiting": In(2),
            "good": In(1),
            "bad": In(1),
            "refuse": In(1),
            "reason": In(3),
            "refused_write": In(1),
            "address": In(bus_map.address_bits - 2),
            "streaming": Out(1),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        table = self._map.registers
        first, count = (Signal(table[name].bits, name=name) for name in ("first", "count"))
        enable = Signal(table["enable"].bits)
        settings = {"first": first, "count": count, "enable": enable}
        if "options" in table.names:
            settings["options"] = self.label_in_user
        values = settings | {
            "layout": table["layout"].reset,
            "status": Cat(self.busy, self.waiting),
            "events": self._events(m, enable),
        }
        for i in range(0, len(self._identity), REGISTER_BYTES):
            word = int.from_bytes(self._identity[i : i + REGISTER_BYTES], "little")
            values[f"id{i // REGISTER_BYTES}"] = word
        values |= self._refusals(m) | self._frames(m)
        with m.Switch(self.index):
            for register in table:
                with m.Case(register.index):
                    m.d.comb += self.value.eq(values.get(register.name, 0))
                    if not register.writable:
                        m.d.comb += self.verdict.eq(Refusal.ACCESS)
                    elif register.name != "events":  # of which any bits may be cleared
                        with m.If(self.data[register.bits :].any()):
                            m.d.comb += self.verdict.eq(Refusal.VALUE)
                    if register.name in settings:
                        with m.If(self.write):
                            m.d.sync += settings[register.name].eq(self.data)
        self._run(m, first, count)
        self._command(m)
        return m

    def _is(self, name):
        return self.index == self._map.registers[name].index

    def _events(self, m, enable):
        """What has happened since it was cleared."""
        register = self._map.registers["events"]
        events = Signal(register.bits, name="events")
        was_busy = Signal()
        happened = Signal.like(events)
        m.d.sync += [was_busy.eq(self.busy), self.irq.eq((events & enable).any())]
        m.d.comb += [
            happened[register["done"].low].eq(was_busy & ~self.busy),
            happened[register["bad_frame"].low].eq(self.bad),
            happened[register["refused"].low].eq(self.refuse),
        ]
        cleared = Signal.like(events)
        with m.If(self.write & self._is("events")):
            m.d.comb += cleared.eq(self.data)
        with m.If(self.write & self._is("run")):
            m.d.comb += cleared[register["done"].low].eq(1)
        m.d.sync += events.eq(events & ~cleared | happened)
        return events

    def _refusals(self, m):
        """The last refusal."""
        refusal = Signal(data.StructLayout({"reason": 3, "write": 1}))
        refused = Signal.like(self.address)
        with m.If(self.refuse):
            m.d.sync += [
                refusal.reason.eq(self.reason),
                refusal.write.eq(self.refused_write),
                refused.eq(self.address),
            ]
        return {"refusal": refusal.as_value(), "refused": Cat(0, 0, refused)}

    def _frames(self, m):
        """Counts of samples that came in."""
        counts = {
            field.name: Signal(field.bits, name=f"{field.name}_frames")
            for field in self._map.registers["frames"].fields
        }
        m.d.sync += [
            counts["good"].eq(counts["good"] + self.good),
            counts["bad"].eq(counts["bad"] + self.bad),
        ]
        return {"frames": Cat(*counts.values())}

    def _run(self, m, first, count):
        """Begin a run, and remember where it takes its samples from."""
        run, internal = self.run, Signal()
        with m.If(self._is("run")):
            m.d.comb += run.valid.eq(self.write)
            with m.If(self.busy):
                m.d.comb += self.verdict.eq(Refusal.BUSY)
            with m.Elif(count == 0):
                m.d.comb += self.verdict.eq(Refusal.VALUE)
        m.d.comb += [run.p.first.eq(first), run.p.count.eq(count)]
        for flag in RunFlags:
            m.d.comb += run.p[str(flag.name).lower()].eq(self.data[flag.bit_length() - 1])
        with m.If(run.valid & run.ready):
            m.d.sync += internal.eq(run.p.internal)
        m.d.comb += self.streaming.eq(self.busy & ~internal)

    def _command(self, m):
        """Stop a run, discard samples."""
        register = self._map.registers["command"]
        discard = self.data[register["discard"].low]
        with m.If(self._is("command")):
            with m.If(self.busy & discard):
                m.d.comb += self.verdict.eq(Refusal.BUSY)
            m.d.comb += [
                self.stop.eq(self.write & self.data[register["stop"].low]),
                self.discard.eq(self.write & discard),
            ]
