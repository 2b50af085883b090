"""The whole machine: the trainer core behind its host link."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.packing import memory_map
from popflip.golden.description.params import Params
from popflip.golden.description.registers import register_map
from popflip.rtl.core.core import TrainerCore
from popflip.rtl.frontends.link import HostLink
from popflip.rtl.interface import StoreSignature
from popflip.rtl.standalone.flash_reader import FlashReader, FlashSignature
from popflip.rtl.standalone.sequencer import Conductor

__all__ = ["Top"]


class Top(wiring.Component):
    """Trainer core, host link, and the door to the sample store.

    Parameters
    ----------
    params : Params
    identity : bytes
        What a host knows the design by: :func:`popflip.rtl.identity.identity`.

    Members
    -------
    rx : ``In(1)``, tx : ``Out(1)``
        Serial line to the host, ``uart_divisor`` clock cycles per bit, 8 data bits, no parity.
    store : ``Out(StoreSignature)``
        The sample store; not in a machine with a flash.
    busy : ``Out(1)``
        A run is on.
    error : ``Out(1)``
        For a light: the last request of a host was answered by an error, or the machine would train
        alone, but its flash holds no data set for this network.
    flash : ``Out(FlashSignature)``
        Only in a machine with a flash (``standalone.flash``), as are the following: its pins.
    start : ``In(1)``
        While high, the machine begins to train alone whenever it is at rest: a button,
        synchronised.
    alone : ``Out(1)``
        For a light: the machine trains or tests by itself.
    heartbeat : ``Out(1)``
        Likewise: changes with every 1,024 samples.
    progress : ``Out(3)``
        Likewise: samples of the epoch, or of the test, that are behind it, in eighths of
        ``2 ** order_bits``.
    """

    def __init__(self, params: Params, identity: bytes):
        self._params = params
        self._identity = identity
        members = {"rx": In(1, init=1), "tx": Out(1, init=1), "busy": Out(1), "error": Out(1)}
        if params.standalone.lines:
            members |= {
                "flash": Out(FlashSignature()),
                "start": In(1),
                "standalone": Out(1),
                "heartbeat": Out(1),
                "progress": Out(3),
            }
        else:
            members["store"] = Out(StoreSignature())
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        m.submodules.link = link = HostLink(self._params, self._identity)
        m.submodules.core = core = TrainerCore(self._params)
        connect(m, link.host, core.host)
        error = link.fault
        if self._params.standalone.lines:
            error = error | self._conduct(m, link, core)
        else:
            connect(m, flipped(self.store), core.store)
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            self.busy.eq(core.host.busy),
            self.error.eq(error),
        ]
        return m

    def _conduct(self, m, link, core):
        """Put the conductor and the flash beside the link and the core.

        Return whether training alone has failed.
        """
        p = self._params
        m.submodules.flash = flash = FlashReader(p)
        m.submodules.conductor = conductor = Conductor(p)
        connect(m, core.store, conductor.core)
        connect(m, conductor.flash, flash.store)
        connect(m, conductor.orders, link.orders)
        connect(m, flash.flash, flipped(self.flash))
        registers = {region.name: region for region in memory_map(p)}["registers"]
        start = next(r.index for r in register_map(p) if r.name == "standalone")
        command = link.host.command
        written = (
            command.valid
            & command.ready
            & command.payload.write
            & (command.payload.region == registers.index)
            & (command.payload.address == start)
        )
        m.d.comb += [
            conductor.start.eq(self.start | written),
            conductor.stop.eq(link.host.stop),
            conductor.busy.eq(core.host.busy),
            conductor.ready.eq(flash.ready),
            conductor.found.eq(flash.found),
            conductor.train.eq(flash.train),
            conductor.test.eq(flash.test),
            core.note.eq(conductor.note),
            self.standalone.eq(conductor.running),
            self.heartbeat.eq(core.finished[10]),
            self.progress.eq(core.finished[p.standalone.order_bits - 3 : p.standalone.order_bits]),
        ]
        return conductor.failed
