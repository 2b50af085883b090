"""Samples that come without their zero bytes."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params

__all__ = ["RecordReader"]


class RecordReader(wiring.Component):
    """Turn records into samples (:func:`popflip.golden.description.flash_image.records`).

    The length that a record begins with is not among the bytes that come. A byte of the sample
    leaves in every cycle, except that a mask takes one if the byte before it was not zero: else it
    enters beside a zero that leaves.

    Parameters
    ----------
    params : Params

    Members
    -------
    i : ``In(stream.Signature(8))``
        Masks and bytes.
    o : ``Out(stream.Signature(8))``
        Bytes of samples.
    """

    def __init__(self, params: Params):
        self._size = params.sample_bytes
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        # The mask is shifted towards its bit 0. A one goes before it: when it has come to bit 0,
        # with nothing behind it, the mask is used up.
        mask = Signal(9, init=1)
        number = Signal(range(self._size))
        final = number == self._size - 1
        empty = mask == 1
        byte_next = mask[0]
        last_of_mask = (mask[1:] == 1) | final
        # Whose place a mask takes: that of a zero at the end of the one before, or of nothing.
        beside = ~empty & ~byte_next & last_of_mask & ~final
        leaves, enters = Signal(), Signal()
        m.d.comb += [
            self.o.valid.eq(~empty & (~byte_next | self.i.valid)),
            self.o.payload.eq(Mux(byte_next, self.i.payload, 0)),
            leaves.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(empty | (byte_next & self.o.ready) | (beside & self.o.ready)),
            enters.eq(self.i.valid & (empty | (beside & leaves))),
        ]
        with m.If(leaves):
            m.d.sync += [
                mask.eq(Mux(last_of_mask, 1, mask[1:])),
                number.eq(Mux(final, 0, number + 1)),
            ]
        with m.If(enters):
            m.d.sync += mask.eq(Cat(self.i.payload, 1))
        return m
