"""Wishbone before accesses."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.registers import REGISTER_BITS, REGISTER_BYTES
from popflip.rtl.frontends.mapped.access import AccessSignature

__all__ = ["WishboneAdapter", "WishboneSignature"]


class WishboneSignature(wiring.Signature):
    """Wishbone B4 with words of 32 bits and a granularity of 8, from the initiator's side.

    ``adr`` is that of a word. ``stall`` is for pipelined cycles; classic ones leave it open.

    Parameters
    ----------
    address_bits : int
        Of a byte address.
    """

    def __init__(self, address_bits: int):
        super().__init__({
            "cyc": Out(1),
            "stb": Out(1),
            "we": Out(1),
            "adr": Out(address_bits - 2),
            "sel": Out(REGISTER_BYTES),
            "dat_w": Out(REGISTER_BITS),
            "dat_r": In(REGISTER_BITS),
            "ack": In(1),
            "err": In(1),
            "stall": In(1),
        })


class WishboneAdapter(wiring.Component):
    """Turn cycles of Wishbone B4, classic or pipelined, into accesses, one at a time.

    Each is ended by ``ack`` or ``err``, for one cycle, 1 cycle after the access is over. A
    pipelined initiator is stalled until then. An initiator that gives up a cycle gets no answer to
    it, and the next one begins once the access that it left is over.

    Parameters
    ----------
    address_bits : int

    Members
    -------
    wb : ``In(WishboneSignature)``
    access : ``Out(AccessSignature)``
    """

    def __init__(self, address_bits: int):
        super().__init__({
            "wb": In(WishboneSignature(address_bits)),
            "access": Out(AccessSignature(address_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        bus, access = self.wb, self.access
        asked = bus.cyc & bus.stb
        given_up = Signal()
        m.d.comb += [bus.stall.eq(bus.cyc & ~(bus.ack | bus.err)), access.aligned.eq(1)]
        m.d.sync += [bus.ack.eq(0), bus.err.eq(0)]
        with m.FSM():
            with m.State("Idle"):
                with m.If(asked & ~bus.ack & ~bus.err):
                    m.d.sync += [
                        access.write.eq(bus.we),
                        access.address.eq(bus.adr),
                        access.strobe.eq(bus.sel),
                        access.data.eq(bus.dat_w),
                        given_up.eq(0),
                    ]
                    m.next = "Access"
            with m.State("Access"):
                m.d.comb += access.valid.eq(1)
                with m.If(~asked):
                    m.d.sync += given_up.eq(1)
                with m.If(access.ready):
                    answered = asked & ~given_up
                    m.d.sync += [
                        bus.ack.eq(answered & ~access.error),
                        bus.err.eq(answered & access.error),
                        bus.dat_r.eq(access.reply),
                    ]
                    m.next = "Idle"
        return m
