"""The host link: framed requests in, framed answers out, on a serial line.

    rx -> UartReceiver -> CobsDecoder -> FrameReceiver -> RequestExecutor <-> core
    tx <- UartTransmitter <------------- CobsEncoder <----------'

The protocol is in :mod:`popflip.golden.description.protocol`.
"""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.params import Params
from popflip.rtl.frontends.uart.answer import checked_identity
from popflip.rtl.frontends.uart.executor import RequestExecutor
from popflip.rtl.frontends.uart.frame_receiver import FrameReceiver
from popflip.rtl.frontends.uart.requests import RequestSignature
from popflip.rtl.interface import HostSignature, check_hardware
from popflip.rtl.primitives.cobs import CobsDecoder, CobsEncoder
from popflip.rtl.primitives.uart import UartReceiver, UartTransmitter

__all__ = ["HostLink", "RequestServer"]


def _members(params: Params) -> dict:
    """Return the members that face the core and the rest of the machine."""
    members = {"host": Out(HostSignature(params)), "fault": Out(1)}
    if params.standalone.lines:
        members |= {"frames": Out(RequestSignature()), "requests": In(RequestSignature())}
    return members


class RequestServer(wiring.Component):
    """Execute framed requests on the core: a frame receiver and a request executor.

    While a request is executed, and its answer sent, frames that begin are dropped and counted. An
    answer that is only an error does not block: the next good frame waits for it, and bad ones in
    the meantime are counted but not answered.

    Answers leave as fast as ``o`` and :class:`~popflip.rtl.primitives.cobs.CobsEncoder` take them.

    Parameters
    ----------
    params : Params
    identity : bytes
        The id of this bitstream, ``IDENTITY_BYTES`` long.

    Members
    -------
    i, o : ``In``, ``Out(stream.Signature(8))``
        Bytes of COBS-encoded frames; ``i`` is always ready.
    host : ``Out(HostSignature(params))``
        The core.
    fault : ``Out(1)``
        The last answer to the host was an error.
    frames : ``Out(RequestSignature())``, requests : ``In(RequestSignature())``
        Only in a standalone machine: the requests that frames ask for, and those to
        execute. In between it puts its own.
    """

    def __init__(self, params: Params, identity: bytes):
        self._params = params
        self._identity = checked_identity(identity)
        super().__init__(
            {"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))} | _members(params)
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.receiver = receiver = FrameReceiver()
        m.submodules.executor = executor = RequestExecutor(self._params, self._identity)
        m.submodules.encoder = encoder = CobsEncoder()
        connect(m, flipped(self.i), decoder.i)
        # Not by `connect`: the receiver is always ready.
        m.d.comb += [
            receiver.i.payload.eq(decoder.o.payload),
            receiver.i.valid.eq(decoder.o.valid),
            decoder.o.ready.eq(1),
        ]
        if self._params.standalone.lines:
            connect(m, receiver.requests, flipped(self.frames))
            connect(m, flipped(self.requests), executor.requests)
        else:
            connect(m, receiver.requests, executor.requests)
        connect(m, executor.answers, encoder.i)
        connect(m, encoder.o, flipped(self.o))
        connect(m, executor.host, flipped(self.host))
        m.d.comb += self.fault.eq(executor.fault)
        return m


class HostLink(wiring.Component):
    """The host link at its pins: a UART around a :class:`RequestServer`.

    A bit takes ``params.machine.uart_divisor`` cycles.

    Parameters
    ----------
    params : Params
    identity : bytes
        The id of this bitstream, ``IDENTITY_BYTES`` long.

    Members
    -------
    rx : ``In(1)``
        From the host.
    tx : ``Out(1)``
        To the host.
    host, fault, frames, requests
        As of :class:`RequestServer`.
    """

    def __init__(self, params: Params, identity: bytes):
        check_hardware(params)
        self._params = params
        self._identity = checked_identity(identity)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)} | _members(params))

    def elaborate(self, platform):
        m = Module()
        divisor = self._params.machine.uart_divisor
        m.submodules.receiver = receiver = UartReceiver(divisor)
        m.submodules.server = server = RequestServer(self._params, self._identity)
        m.submodules.transmitter = transmitter = UartTransmitter(divisor)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            self.fault.eq(server.fault),
        ]
        connect(m, receiver.o, server.i)
        connect(m, server.o, transmitter.i)
        connect(m, server.host, flipped(self.host))
        if self._params.standalone.lines:
            connect(m, server.frames, flipped(self.frames))
            connect(m, flipped(self.requests), server.requests)
        return m
