"""The predictions of the last samples, for the host."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In

from popflip.golden.description.layout import RESULTS
from popflip.rtl.core.signatures import RegionSignature
from popflip.rtl.layers.synapses import hint

__all__ = ["Results"]


class Results(wiring.Component):
    """Keep a byte of each sample of a run, in a ring.

    The host may read it while a run is on. What it reads in the cycle in which the same byte is
    written is the old one.

    Parameters
    ----------
    width : int
        Of the host's words.

    Members
    -------
    host : ``In(RegionSignature)``
    write : ``In(1)``, number : ``In(8)``, prediction : ``In(8)``
        A sample of this number is finished, and this is its class.
    """

    def __init__(self, width: int):
        super().__init__({
            "host": In(RegionSignature(width)),
            "write": In(1),
            "number": In(range(RESULTS)),
            "prediction": In(8),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.ring = ring = Memory(shape=8, depth=RESULTS, init=[], attrs=hint(RESULTS))
        write, read = ring.write_port(), ring.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.number),
            write.data.eq(self.prediction),
            read.en.eq(self.host.ask),
            read.addr.eq(self.host.address),
            self.host.reply.eq(read.data),
        ]
        return m
