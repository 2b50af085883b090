"""AXI4-Lite before accesses."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.registers import REGISTER_BYTES
from popflip.rtl.frontends.axi.signatures import AxiLiteSignature, Response
from popflip.rtl.frontends.mapped.access import AccessSignature

__all__ = ["AxiLiteAdapter"]


class AxiLiteAdapter(wiring.Component):
    """Turn reads and writes of AXI4-Lite into accesses, one at a time.

    A write and a read that wait for each other take turns. No output depends on an input of the
    same cycle. An access begins 1 cycle after it was taken, and is answered 1 cycle after its end.

    Parameters
    ----------
    address_bits : int

    Members
    -------
    s_axi : ``In(AxiLiteSignature)``
    access : ``Out(AccessSignature)``
    """

    def __init__(self, address_bits: int):
        super().__init__({
            "s_axi": In(AxiLiteSignature(address_bits)),
            "access": Out(AccessSignature(address_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        bus, access = self.s_axi, self.access
        # What was taken and is not yet over.
        has_target, has_data, has_read = Signal(), Signal(), Signal()
        target, source = Signal.like(bus.awaddr), Signal.like(bus.araddr)
        data, strobe = Signal.like(bus.wdata), Signal.like(bus.wstrb)
        m.d.comb += [
            bus.awready.eq(~has_target), bus.wready.eq(~has_data), bus.arready.eq(~has_read),
        ]  # fmt: skip
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [has_target.eq(1), target.eq(bus.awaddr)]
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [has_data.eq(1), data.eq(bus.wdata), strobe.eq(bus.wstrb)]
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [has_read.eq(1), source.eq(bus.araddr)]

        writes = Signal()  # whose access it is
        address = Mux(writes, target, source)
        all_bytes = (1 << REGISTER_BYTES) - 1
        m.d.comb += [
            access.write.eq(writes),
            access.address.eq(address[2:]),
            access.aligned.eq(address[:2] == 0),
            access.strobe.eq(Mux(writes, strobe, all_bytes)),
            access.data.eq(data),
        ]
        with m.If(bus.bvalid & bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(bus.rvalid & bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        with m.FSM():
            with m.State("Idle"):
                # An answer that is not yet taken holds back the next access of its kind.
                can_write = has_target & has_data & ~bus.bvalid
                can_read = has_read & ~bus.rvalid
                with m.If(can_write | can_read):
                    m.d.sync += writes.eq(can_write & ~(can_read & writes))
                    m.next = "Access"
            with m.State("Access"):
                m.d.comb += access.valid.eq(1)
                response = Mux(access.error, Response.SLVERR, Response.OKAY)
                with m.If(access.ready):
                    m.next = "Idle"
                    with m.If(writes):
                        m.d.sync += [
                            has_target.eq(0),
                            has_data.eq(0),
                            bus.bvalid.eq(1),
                            bus.bresp.eq(response),
                        ]
                    with m.Else():
                        m.d.sync += [
                            has_read.eq(0),
                            bus.rvalid.eq(1),
                            bus.rresp.eq(response),
                            bus.rdata.eq(access.reply),
                        ]
        return m
