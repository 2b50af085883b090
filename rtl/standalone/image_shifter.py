"""Images moved by whole pixels, on their way to the sample buffer."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.golden.support.integers import ceil_div

__all__ = ["ImageShifter"]


class ImageShifter(wiring.Component):
    """Move the image of each sample as :func:`popflip.golden.datasets.shifts.shift_images` does.

    It works on the bytes of packed samples, a row of the image being a whole number of them: rows
    that move out are dropped, zeros are sent for those that come in, and within a row bits move
    across the boundaries of bytes. No image is kept, so that it costs a byte's register, where
    moving the words behind the sample memory would take a multiplexer for each of their bits.

    A byte leaves in the cycle in which one enters, except that zeros of a row that came in, and
    the last byte of a row that moved to the left, take a cycle each without one; and a byte that
    leads such a row, or is of a row that was dropped, enters without one that leaves.

    Parameters
    ----------
    params : Params
        With a ``local`` first layer and ``learning.shift`` at least 1; the shift, in bits of a
        row, is at most 8.

    Members
    -------
    begin : ``In(1)``
        A pulse lets a sample pass; not before the last byte of the one before has left.
    dx, dy : ``In(signed)``
        With ``begin``: pixels to the right and down, within ``learning.shift``.
    i, o : ``In``, ``Out(stream.Signature(8))``
        Bytes of samples.
    """

    def __init__(self, params: Params):
        self._params = params
        reach = params.learning.shift
        shape = signed((2 * reach).bit_length())
        super().__init__({
            "begin": In(1),
            "dx": In(shape),
            "dy": In(shape),
            "i": In(stream.Signature(8)),
            "o": Out(stream.Signature(8)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._params
        height, reach, planes = p.sample_words, p.learning.shift, p.planes
        row_bytes = ceil_div(p.sample_word_bits, 8)

        active = Signal()
        dx = Signal.like(self.dx)
        left, down, distance = Signal(), Signal(), Signal(range(reach + 1))
        with m.If(self.begin):
            m.d.sync += [
                active.eq(1),
                dx.eq(self.dx),
                left.eq(self.dx < 0),
                down.eq(self.dy > 0),
                distance.eq(Mux(self.dy < 0, -self.dy, self.dy)),
            ]

        # A sample is height + abs(dy) steps of a row each, then the label. In the first abs(dy)
        # steps nothing enters (the image moves down) or leaves (it moves up), in the last abs(dy)
        # the other way round. What kind of step it is, is found a step before: the handshake
        # depends on it, and is part of long paths.
        step = Signal(range(height + reach + 1))
        column = Signal(range(row_bytes + 1))
        early, late, at_label = Signal(), Signal(), Signal()
        upcoming = step + 1
        with m.If(self.begin):
            m.d.sync += early.eq(self.dy != 0)

        source, target = Mux(down, ~early, ~late), Mux(down, ~late, ~early)
        takes, gives = Signal(), Signal()
        row_end = Signal()
        m.d.comb += [takes.eq(source), gives.eq(target), row_end.eq(column == row_bytes - 1)]
        # Bits of a row that moves to the left are known a byte later.
        with m.If(source & target & left):
            m.d.comb += row_end.eq(column == row_bytes)
            with m.If(column == 0):
                m.d.comb += gives.eq(0)
            with m.If(column == row_bytes):
                m.d.comb += takes.eq(0)
        with m.If(at_label):
            m.d.comb += [takes.eq(1), gives.eq(1)]

        # Two bytes that follow each other in a row, the earlier one below.
        before, entering = Signal(8), Signal(8)
        m.d.comb += entering.eq(Mux(takes, self.i.payload, 0))
        pair = Cat(before, entering)
        with m.Switch(dx):
            for pixels in range(-reach, reach + 1):
                with m.Case(pixels):
                    # To the left the earlier byte leaves, to the right the one that enters.
                    low = -pixels * planes if pixels < 0 else 8 - pixels * planes
                    m.d.comb += self.o.payload.eq(pair[low : low + 8])
        with m.If(at_label):
            m.d.comb += self.o.payload.eq(self.i.payload)
        with m.Elif(~source):
            m.d.comb += self.o.payload.eq(0)

        moves = Signal()
        m.d.comb += [
            moves.eq(active & (self.i.valid | ~takes) & (self.o.ready | ~gives)),
            self.o.valid.eq(active & gives & (self.i.valid | ~takes)),
            self.i.ready.eq(active & takes & (self.o.ready | ~gives)),
        ]
        with m.If(moves):
            m.d.sync += [column.eq(column + 1), before.eq(entering)]
            with m.If(row_end):
                m.d.sync += [
                    column.eq(0),
                    before.eq(0),
                    step.eq(upcoming),
                    early.eq(upcoming < distance),
                    late.eq(upcoming >= height),
                    at_label.eq(upcoming == height + distance),
                ]
            with m.If(at_label):
                m.d.sync += [
                    column.eq(0), step.eq(0), late.eq(0), at_label.eq(0), active.eq(0),
                ]  # fmt: skip
        return m
