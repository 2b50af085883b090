"""Two sample buffers that take turns: one is looked at while the other is driven."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.rtl.layers.ports import WindowSignature
from popflip.rtl.layers.sample_buffer import SampleBuffer

__all__ = ["BufferPair"]


class BufferPair(wiring.Component):
    """Samples in two buffer halves, which they enter and leave in turn.

    Parameters
    ----------
    params : Params
        With ``machine.overlap``.

    Members
    -------
    i, last : as of :class:`popflip.rtl.layers.sample_buffer.SampleBuffer`
    half : ``Out(1)``
        The half of the oldest sample.
    full, label : ``Out``
        Of that half.
    release : ``In(1)``
        That sample is done with.
    target : ``In(1)``, target_full : ``Out(1)``
        Whether a half holds a sample.
    filled : ``In(1)``, driving : ``In(1)``
        The half that is driven, and whether a drive is under way.
    drive, scan : ``In(WindowSignature)``
        Windows for the drive, of half ``filled``, and for the contrast scan, of half ``half``.
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(8)),
            "last": Out(1),
            "half": Out(1),
            "full": Out(1),
            "label": Out(8),
            "release": In(1),
            "target": In(1),
            "target_full": Out(1),
            "filled": In(1),
            "driving": In(1),
            "drive": In(WindowSignature(params)),
            "scan": In(WindowSignature(params)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer0 = buffer0 = SampleBuffer(self._params)
        m.submodules.buffer1 = buffer1 = SampleBuffer(self._params)
        arriving = Signal()
        with m.If(self.i.valid & self.i.ready & self.last):
            m.d.sync += arriving.eq(~arriving)
        with m.If(self.release):
            m.d.sync += self.half.eq(~self.half)
        for half, buffer in enumerate((buffer0, buffer1)):
            m.d.comb += [
                buffer.i.payload.eq(self.i.payload),
                buffer.i.valid.eq(self.i.valid & (arriving == half)),
                buffer.release.eq(self.release & (self.half == half)),
                buffer.en.eq(1),
            ]
            # Each buffer is scanned by the drive or by the contrast scan.
            driving = (self.filled == half) & self.driving
            windows = buffer.windows
            with m.If(driving):
                m.d.comb += [
                    windows.restart.eq(self.drive.restart),
                    windows.next.eq(self.drive.next),
                    windows.chunk.eq(self.drive.chunk),
                ]
            with m.Elif(self.half == half):
                m.d.comb += [
                    windows.restart.eq(self.scan.restart),
                    windows.jump.eq(self.scan.jump),
                    windows.column.eq(self.scan.column),
                    windows.line.eq(self.scan.line),
                    windows.chunk.eq(self.scan.chunk),
                ]
                if self._params.first_layer.pooled:
                    m.d.comb += [windows.picks.eq(1), windows.pick.eq(self.scan.pick)]

        def of(half, member):
            return Mux(half, member(buffer1), member(buffer0))

        m.d.comb += [
            self.i.ready.eq(of(arriving, lambda b: b.i.ready)),
            self.last.eq(of(arriving, lambda b: b.last)),
            self.full.eq(of(self.half, lambda b: b.full)),
            self.label.eq(of(self.half, lambda b: b.label)),
            self.target_full.eq(of(self.target, lambda b: b.full)),
            self.drive.ready.eq(of(self.filled, lambda b: b.windows.ready)),
            self.drive.x.eq(of(self.filled, lambda b: b.windows.x)),
            self.scan.ready.eq(of(self.half, lambda b: b.windows.ready)),
            self.scan.x.eq(of(self.half, lambda b: b.windows.x)),
        ]
        if self._params.first_layer.pooled:
            m.d.comb += [
                self.drive.first.eq(of(self.filled, lambda b: b.windows.first)),
                self.drive.last.eq(of(self.filled, lambda b: b.windows.last)),
                self.drive.there.eq(of(self.filled, lambda b: b.windows.there)),
                self.drive.offset.eq(of(self.filled, lambda b: b.windows.offset.as_value())),
            ]
        return m
