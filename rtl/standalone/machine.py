"""Everything of a standalone machine but the core and the request executor."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.params import Params
from popflip.golden.description.registers import REGISTER_BITS
from popflip.rtl.frontends.uart.requests import RequestSignature
from popflip.rtl.interface import HostSignature, StoreSignature
from popflip.rtl.standalone.flash_commands import FlashSignature
from popflip.rtl.standalone.flash_reader import FlashReader
from popflip.rtl.standalone.requests import RequestArbiter
from popflip.rtl.standalone.sequencer import StandaloneSequencer

__all__ = ["StandaloneMachine"]


class StandaloneMachine(wiring.Component):
    """The standalone sequencer, its flash, and its place among the requests of a host.

    It stands in two places: between the front end and the request executor, to put its own requests
    there, and between the executor and the core, to see when it is started or stopped. In neither
    does it add a cycle.

    Parameters
    ----------
    params : Params
        With a flash.

    Members
    -------
    frames : ``In(RequestSignature())``, requests : ``Out(RequestSignature())``
        From the front end, and to the executor.
    host : ``In(HostSignature(params))``, core : ``Out(HostSignature(params))``
        From the executor, and to the core.
    samples : ``In(StoreSignature())``
        The core's requests for samples.
    flash : ``Out(FlashSignature())``
        Pins.
    start : ``In(1)``
        While high, training begins anew whenever the machine is at rest. A write to register
        ``standalone`` starts it too, and STOP ends it.
    note, running, failed : ``Out``
        As of :class:`~popflip.rtl.standalone.sequencer.StandaloneSequencer`.
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "frames": In(RequestSignature()),
            "requests": Out(RequestSignature()),
            "host": In(HostSignature(params)),
            "core": Out(HostSignature(params)),
            "samples": In(StoreSignature()),
            "flash": Out(FlashSignature()),
            "start": In(1),
            "note": Out(REGISTER_BITS),
            "running": Out(1),
            "failed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._params
        m.submodules.flash = flash = FlashReader(p)
        m.submodules.sequencer = sequencer = StandaloneSequencer(p)
        m.submodules.arbiter = arbiter = RequestArbiter()
        connect(m, flipped(self.frames), arbiter.frames)
        connect(m, sequencer.requests, arbiter.internal)
        connect(m, arbiter.requests, flipped(self.requests))
        connect(m, flipped(self.host), flipped(self.core))
        connect(m, flipped(self.samples), sequencer.core)
        connect(m, sequencer.flash, flash.store)
        connect(m, flash.flash, flipped(self.flash))
        m.d.comb += [
            sequencer.start.eq(self.start | self._written()),
            sequencer.stop.eq(self.host.stop),
            sequencer.busy.eq(self.core.busy),
            sequencer.ready.eq(flash.ready),
            sequencer.found.eq(flash.found),
            sequencer.train.eq(flash.train),
            sequencer.test.eq(flash.test),
            self.note.eq(sequencer.note),
            self.running.eq(sequencer.running),
            self.failed.eq(sequencer.failed),
        ]
        return m

    def _written(self):
        """Whether register ``standalone`` is written."""
        p, command = self._params, self.host.command
        return (
            command.valid
            & command.ready
            & command.payload.write
            & (command.payload.region == p.regions["registers"].index)
            & (command.payload.address == p.registers["standalone"].index)
        )
