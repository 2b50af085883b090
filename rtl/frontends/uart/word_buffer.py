"""One word between the bytes of a frame and the core's host port."""

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.golden.support.integers import ceil_div
from popflip.rtl.interface import host_word_bits

__all__ = ["WordBuffer"]


class WordBuffer(wiring.Component):
    """Collect a region's word from bytes, or hand out the bytes of one.

    On its way in, a byte enters at the top of the region's word, wherever that is, and the others
    move down; what is above is not looked at. On its way out, the lowest byte is the next.

    Parameters
    ----------
    params : Params

    Members
    -------
    last_byte : ``In``
        Bytes of the region's words, less one.
    shift : ``In(1)``, byte : ``In(8)``
        The bytes move down by one; this one enters at the top.
    load : ``In(1)``, loaded : ``In``
        The word becomes this one, which the core has replied with.
    word : ``Out``
        The word, in whole bytes.
    """

    def __init__(self, params: Params):
        lengths = {region.word_bytes for region in params.regions}
        self._tops = {length - 1 for length in lengths}
        width = host_word_bits(params)
        super().__init__({
            "last_byte": In(range(max(lengths))),
            "shift": In(1),
            "byte": In(8),
            "load": In(1),
            "loaded": In(width),
            "word": Out(8 * ceil_div(width, 8)),
        })

    def elaborate(self, platform):
        m = Module()
        word = self.word
        with m.If(self.shift | self.load):
            for at in range(0, len(word), 8):
                above = word[at + 8 : at + 16] if at + 8 < len(word) else self.byte
                if at // 8 in self._tops:
                    above = Mux(self.last_byte == at // 8, self.byte, above)
                m.d.sync += word[at : at + 8].eq(Mux(self.load, self.loaded[at : at + 8], above))
        return m
