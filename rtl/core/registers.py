"""The host's registers: settings, what the machine says of itself, and the counters."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.lfsr import TAPS
from popflip.golden.description.params import Params
from popflip.golden.description.registers import BATCH_BITS, COUNTER_WORDS, REGISTER_BITS
from popflip.rtl.core.signatures import RegionSignature
from popflip.rtl.interface import host_word_bits
from popflip.rtl.primitives.counters import CounterSignature

__all__ = ["HostRegisters"]


class HostRegisters(wiring.Component):
    """The words of :class:`popflip.golden.description.registers.RegisterMap`.

    Latency: a register's value is there in the cycle after the command's pulse; a counter's when
    ``deferred`` is high.

    Parameters
    ----------
    params : Params

    Members
    -------
    host : ``In(RegionSignature)``
        Written while the core is at rest only; the link sees to it.
    defer, deferred : ``Out(1)``
        The reply to this command comes later; it comes now.
    batch : ``Out(16)``, immediate : ``Out(1)``
        Samples between flips; it is one sample, whose rows are tested as they pass.
    reset_on_flip : ``Out(1)``, taus : ``Out``, an array by layer
    sign : ``Out(1)``, draw : ``In(1)``
        A random bit; a pulse draws the next one.
    begin_batch : ``Out(1)``
        ``batch`` is written: an earlier host may have left a batch half done.
    touch : ``Out(1)``
        Weights may be due that were not before.
    pending : ``In(16)``
        Samples of a batch that has not flipped yet.
    finish : ``In(1)``, prediction : ``In(8)``
        A sample is finished, and this is its class.
    counters : ``Out(CounterSignature)``
    note : ``In(32)``
        Only in a standalone machine: what register ``standalone`` reads as.
    """

    def __init__(self, params: Params):
        self._params = params
        learning = params.learning
        widest = max(learning.latent_bits_of(layer) for layer in range(params.depth))
        taus = data.ArrayLayout(unsigned(widest - 1), params.depth)
        members = {
            "host": In(RegionSignature(host_word_bits(params))),
            "defer": Out(1),
            "deferred": Out(1),
            "batch": Out(BATCH_BITS, init=learning.batch),
            "immediate": Out(1),
            "reset_on_flip": Out(1, init=learning.reset_on_flip),
            "taus": Out(taus, init=list(learning.tau)),
            "sign": Out(1),
            "draw": In(1),
            "begin_batch": Out(1),
            "touch": Out(1),
            "pending": In(BATCH_BITS),
            "finish": In(1),
            "prediction": In(8),
            "counters": Out(CounterSignature(COUNTER_WORDS * len(params.registers.counters))),
        }
        if params.standalone.lines:
            members["note"] = In(REGISTER_BITS)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        p, host, counters = self._params, self.host, self.counters
        lfsr, prediction = Signal(REGISTER_BITS, init=1), Signal(8)
        batch = self.batch
        if p.machine.shared_update:
            batch = Const(1, BATCH_BITS)
            m.d.comb += self.batch.eq(batch)
        m.d.comb += self.sign.eq(lfsr[0])
        if p.immediate:
            m.d.comb += self.immediate.eq(batch <= 1)
        if p.machine.training and p.learning.nudging == "random-sign":
            with m.If(self.draw):
                m.d.sync += lfsr.eq(Cat(lfsr[1:], Cat(lfsr[t] for t in TAPS).xor()))
        with m.If(self.finish):
            m.d.sync += prediction.eq(self.prediction)

        table = p.registers
        kept = {
            table["batch"]: batch,
            table["options"]: self.reset_on_flip,
            table["seed"]: lfsr,
            table["prediction"]: prediction,
            table["pending"]: self.pending,
        }
        for layer in range(p.depth):
            tau, bits = self.taus[layer], p.learning.latent_bits_of(layer) - 1
            kept[table.tau(layer)] = tau if bits == len(tau) else tau[:bits]
        if p.standalone.lines:
            kept[table["standalone"]] = self.note
        register = Signal(REGISTER_BITS)
        first_counter = table.counters[0].index
        address = host.address[: ceil_log2(len(table))]  # The link sees to it that this is all.
        with m.Switch(address):
            for entry in table[:first_counter]:
                with m.Case(entry.index):
                    m.d.sync += register.eq(kept.get(entry, 0))
                    with m.If(host.ask & host.writes):
                        if entry.writable and not entry.command:
                            m.d.sync += kept[entry].eq(host.data)
                        self._follow(m, entry)

        # A counter answers later than the rest.
        look = host.ask & ~host.writes & (address >= first_counter)
        m.d.comb += [
            counters.look.eq(look),
            counters.word.eq(address - first_counter),
            self.defer.eq(look),
            self.deferred.eq(counters.valid),
            host.reply.eq(Mux(counters.valid, counters.data, register)),
        ]
        return m

    def _follow(self, m, entry):
        """Do what follows from a write to a register."""
        table = self._params.registers
        if entry == table["clear"]:
            m.d.comb += self.counters.clear.eq(1)
        if entry in [table.tau(layer) for layer in range(self._params.depth)]:
            m.d.comb += self.touch.eq(1)
        if entry == table["batch"] and entry.writable:
            # What an earlier host's batch marked for the flush must not be forgotten.
            m.d.comb += [self.touch.eq(1), self.begin_batch.eq(1)]
