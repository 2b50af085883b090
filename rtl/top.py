"""The whole machine: the trainer core behind its host link."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.params import Params
from popflip.rtl.core.core import TrainerCore
from popflip.rtl.frontends.uart.link import HostLink
from popflip.rtl.interface import StoreSignature
from popflip.rtl.standalone.flash_commands import FlashSignature
from popflip.rtl.standalone.machine import StandaloneMachine

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
        For a light: the last request of a host was answered by an error, or standalone training was
        started and the flash holds no data set for this network.
    flash : ``Out(FlashSignature)``
        Only in a machine with a flash (``standalone.flash``), as are the following: its pins.
    start : ``In(1)``
        While high, standalone training begins whenever the machine is at rest: a button,
        synchronised.
    standalone : ``Out(1)``
        For a light: the machine trains or tests by itself.
    heartbeat : ``Out(1)``
        Likewise: changes with every 1,024 samples.
    progress : ``Out(3)``
        Likewise: samples of the epoch, or of the test, that are finished, in eighths of
        ``2 ** order_bits``.
    """

    def __init__(self, params: Params, identity: bytes):
        self._params = params
        self._identity = identity
        super().__init__(self.members(params))

    @staticmethod
    def members(params: Params) -> dict:
        """Members of such a machine."""
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
        return members

    def elaborate(self, platform):
        m = Module()
        m.submodules.link = link = HostLink(self._params, self._identity)
        m.submodules.core = core = TrainerCore(self._params)
        error = link.fault
        if self._params.standalone.lines:
            error = error | self._add_standalone(m, link, core)
        else:
            connect(m, link.host, core.host)
            connect(m, flipped(self.store), core.store)
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            self.busy.eq(core.host.busy),
            self.error.eq(error),
        ]
        return m

    def _add_standalone(self, m, link, core):
        """Put the standalone machine between link and core; return whether it has failed."""
        order_bits = self._params.standalone.order_bits
        m.submodules.standalone = standalone = StandaloneMachine(self._params)
        connect(m, link.frames, standalone.frames)
        connect(m, standalone.requests, link.requests)
        connect(m, link.host, standalone.host)
        connect(m, standalone.core, core.host)
        connect(m, core.store, standalone.samples)
        connect(m, standalone.flash, flipped(self.flash))
        m.d.comb += [
            standalone.start.eq(self.start),
            core.note.eq(standalone.note),
            self.standalone.eq(standalone.running),
            self.heartbeat.eq(core.finished[10]),
            self.progress.eq(core.finished[order_bits - 3 : order_bits]),
        ]
        return standalone.failed
