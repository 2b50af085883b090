"""The head of the image in a flash: whether it is one, and how many samples it holds."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.flash_image import COUNT_BYTES, MAGIC, kind_of
from popflip.golden.description.params import Params

__all__ = ["ImageHead", "head_bytes"]


def head_bytes(params: Params) -> int:
    """Bytes of an image that the machine looks at before its samples: up to the two counts."""
    return len(MAGIC + kind_of(params)) + 2 * COUNT_BYTES


class ImageHead(wiring.Component):
    """Compare the first bytes with those of an image for this network, and keep the counts.

    Parameters
    ----------
    params : Params
        With a flash.

    Members
    -------
    byte : ``In(8)``, held : ``In(1)``
        Bytes of the image; each is taken at once until ``ready``.
    ready : ``Out(1)``
        The head is complete: what comes now are samples.
    found : ``Out(1)``
        It is that of an image for such samples.
    train, test : ``Out(order_bits + 1)``
        Samples of either kind.
    """

    def __init__(self, params: Params):
        self._expected = MAGIC + kind_of(params)
        self._size = head_bytes(params)
        super().__init__({
            "byte": In(8),
            "held": In(1),
            "ready": Out(1),
            "found": Out(1),
            "train": Out(params.standalone.order_bits + 1),
            "test": Out(params.standalone.order_bits + 1),
        })

    def elaborate(self, platform):
        m = Module()
        counts_at = len(self._expected)
        position = Signal(range(self._size))
        good = Signal(init=1)
        expected = Signal(8)
        with m.Switch(position):
            for i, value in enumerate(self._expected):
                with m.Case(i):
                    m.d.comb += expected.eq(value)
            for i in range(COUNT_BYTES):
                for at, count in ((counts_at, self.train), (counts_at + COUNT_BYTES, self.test)):
                    with m.Case(at + i):
                        m.d.comb += expected.eq(self.byte)
                        if part := len(count[8 * i : 8 * i + 8]):
                            with m.If(self.held & ~self.ready):
                                m.d.sync += count[8 * i : 8 * i + part].eq(self.byte)
        with m.If(self.held & ~self.ready):
            m.d.sync += position.eq(position + 1)
            with m.If(self.byte != expected):
                m.d.sync += good.eq(0)
            with m.If(position == self._size - 1):
                m.d.sync += self.ready.eq(1)
        m.d.comb += self.found.eq(self.ready & good)
        return m
