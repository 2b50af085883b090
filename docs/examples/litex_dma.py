"""Samples from memory to a machine's `s_axis`, by LiteX's DMA."""

from litex.gen import LiteXModule
from litex.soc.cores.dma import WishboneDMAReader
from litex.soc.interconnect import stream
from migen import If, Signal


class SampleDma(LiteXModule):
    """Words of memory on `bus` become samples of so many bytes on `source`."""

    def __init__(self, bus, sample_bytes):
        self.dma = WishboneDMAReader(bus, endianness="big", with_csr=True)
        self.bytes = stream.Converter(32, 8)
        self.source = stream.Endpoint([("data", 8)])
        number = Signal(max=sample_bytes)
        self.comb += [
            self.dma.source.connect(self.bytes.sink),
            self.bytes.source.connect(self.source, omit={"last"}),
            self.source.last.eq(number == sample_bytes - 1),
        ]
        self.sync += If(
            self.source.valid & self.source.ready,
            number.eq(number + 1),
            If(self.source.last, number.eq(0)),
        )
