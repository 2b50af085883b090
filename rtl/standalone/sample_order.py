"""Which sample comes next: in training those of the epoch's shuffle, their images moved."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description import lfsr, shuffle
from popflip.golden.description.layout import ADDRESS_BITS
from popflip.golden.description.params import Params
from popflip.golden.support.integers import ceil_div
from popflip.rtl.interface import StoreSignature
from popflip.rtl.standalone.image_shifter import ImageShifter

__all__ = ["SampleOrder"]

#: Random bits that decide on the shift of an image, in one direction.
_SHIFT_BITS = 8


class SampleOrder(wiring.Component):
    """Stand between the core's requests for samples and the flash.

    While ``shuffling``, they are answered with the samples in the epoch's own order
    (:mod:`popflip.golden.description.shuffle`), their images moved at random; at all other times
    with those that were asked for.

    The next number of the shuffle is found while the flash reads; one that is out of range takes a
    cycle. With few samples for ``order_bits`` this is what training waits for.

    Parameters
    ----------
    params : Params
        With a flash.

    Members
    -------
    core : ``In(StoreSignature())``, flash : ``Out(StoreSignature())``
        Requests for samples.
    train : ``In(order_bits + 1)``
        Samples to shuffle.
    begin : ``In(1)``
        The random bits become the key of a new epoch.
    shuffling : ``In(1)``
        In training the core asks for sample 0 to the last, one after the other.
    random : ``In(lfsr.WIDTH)``, still : ``In(1)``
        Random bits, and whether they are new.
    drawn : ``Out(1)``
        The low :attr:`shift_bits` random bits are used for a sample.
    """

    def __init__(self, params: Params):
        self._params = params
        #: Random bits that a sample takes.
        self.shift_bits = 2 * _SHIFT_BITS if params.learning.shift else 0
        super().__init__({
            "core": In(StoreSignature()),
            "flash": Out(StoreSignature()),
            "train": In(params.standalone.order_bits + 1),
            "begin": In(1),
            "shuffling": In(1),
            "random": In(lfsr.WIDTH),
            "still": In(1),
            "drawn": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        bits = self._params.standalone.order_bits
        asked, wanted = self.core.request, self.flash.request
        key, state = Signal(bits), Signal(bits)
        in_range, requested = Signal(), Signal()
        with m.If(self.begin):
            m.d.sync += [key.eq(self.random), state.eq(0)]
        with m.Elif(self.shuffling & (requested | ~in_range)):
            new = Cat(state[tap] for tap in shuffle.TAPS[bits]).xor() ^ ~state[1:].any()
            m.d.sync += state.eq(Cat(state[1:], new))

        # As far as an address reaches. What is above `bits` is 0 in training.
        number = Signal(ADDRESS_BITS)
        offered = Mux(self.shuffling, in_range & self.still, 1)
        m.d.comb += [
            number.eq(asked.payload),
            number[:bits].eq(Mux(self.shuffling, state ^ key, asked.payload[:bits])),
            in_range.eq(number[:bits] < self.train),
            wanted.payload.eq(number),
            wanted.valid.eq(asked.valid & offered),
            asked.ready.eq(wanted.ready & offered),
            requested.eq(wanted.valid & wanted.ready),
        ]
        self._move_images(m, requested)
        return m

    def _move_images(self, m, requested):
        """Put the image shifter on the way of the samples, if images are moved."""
        reach = self._params.learning.shift
        if not reach:
            connect(m, flipped(self.flash.data), flipped(self.core.data))
            return
        m.submodules.shifter = shifter = ImageShifter(self._params)
        connect(m, flipped(self.flash.data), shifter.i)
        connect(m, shifter.o, flipped(self.core.data))
        m.d.comb += shifter.begin.eq(requested)
        with m.If(self.shuffling):
            # Draws from `(256 * k) / (2 * reach + 1)` on are at least `k - reach`.
            values, choices = 1 << _SHIFT_BITS, 2 * reach + 1
            least = [ceil_div(values * k, choices) for k in range(1, choices)]
            for number, distance in enumerate((shifter.dx, shifter.dy)):
                draw = self.random.word_select(number, _SHIFT_BITS)
                m.d.comb += distance.eq(sum(draw >= value for value in least) - reach)
            m.d.comb += self.drawn.eq(requested)
