"""Predictions on their way out, and the samples that may come in for them."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.golden.description.protocol import SAMPLE_BITS
from popflip.rtl.interface import PredictionSignature

__all__ = ["PredictionLayout", "PredictionQueue"]

#: Predictions that it holds; more than the samples that the core has in hand and fetches ahead.
_DEPTH = 8


class PredictionLayout(data.StructLayout):
    """A prediction: its class, how far that is ahead of the next best one, and its sample's number.

    ``last``: it is the last one of its run.
    """

    def __init__(self, params: Params):
        members = PredictionSignature(params).members
        super().__init__({
            "label": members["label"].shape,
            "margin": members["margin"].shape,
            "number": SAMPLE_BITS,
            "last": 1,
        })


class PredictionQueue(wiring.Component):
    """Keep the predictions of a run until somebody takes them.

    The core does not wait. Therefore a sample is granted to it only if there is room for its
    prediction, whatever is taken meanwhile.

    Parameters
    ----------
    params : Params

    Members
    -------
    start : ``In(1)``, first, count : ``In``
        A pulse: a run begins, with this number and count of samples.
    streaming : ``In(1)``
        The run that is on takes samples from the front end. Predictions of others are not kept.
    prediction : ``In(PredictionSignature)``
        Of the core.
    requested : ``In(1)``
        A pulse: a sample is on its way to the core.
    grant : ``Out(1)``
        One more may be.
    o : ``Out(stream)`` of :class:`PredictionLayout`
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "start": In(1),
            "first": In(SAMPLE_BITS),
            "count": In(SAMPLE_BITS),
            "streaming": In(1),
            "prediction": In(PredictionSignature(params)),
            "requested": In(1),
            "grant": Out(1),
            "o": Out(stream.Signature(PredictionLayout(params))),
        })

    def elaborate(self, platform):
        m = Module()
        layout = PredictionLayout(self._params)
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=layout.size, depth=_DEPTH)
        entry, number, left = Signal(layout), Signal(SAMPLE_BITS), Signal(SAMPLE_BITS)
        under_way = Signal(range(_DEPTH + 1))
        finish = self.prediction.valid & self.streaming
        m.d.comb += [
            entry.label.eq(self.prediction.label),
            entry.margin.eq(self.prediction.margin),
            entry.number.eq(number),
            entry.last.eq(left == 1),
            queue.w_data.eq(entry),
            queue.w_en.eq(finish),
            self.grant.eq(under_way + queue.level < _DEPTH),
            self.o.payload.eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        m.d.sync += under_way.eq(under_way + self.requested - finish)
        with m.If(finish):
            m.d.sync += [number.eq(number + 1), left.eq(left - 1)]
        with m.If(self.start):
            # After a stop, samples that were on their way have no predictions.
            m.d.sync += [number.eq(self.first), left.eq(self.count), under_way.eq(0)]
        return m
