"""The machine behind AXI."""

from amaranth.hdl import Cat, Signal
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.bus import BusMap
from popflip.golden.description.params import Params
from popflip.rtl.frontends.axi.lite import AxiLiteAdapter
from popflip.rtl.frontends.axi.signatures import AxiLiteSignature, AxiStreamSignature
from popflip.rtl.frontends.mapped.machine import MappedMachine
from popflip.rtl.frontends.mapped.predictions import PredictionQueue

__all__ = ["AxiMachine"]

#: Bits of a prediction on its stream: label 8, margin 24, number 32.
_LABEL, _MARGIN, _NUMBER = 8, 24, 32


class AxiMachine(MappedMachine):
    """Trainer core behind AXI4-Lite, with streams for samples and predictions.

    Parameters
    ----------
    params : Params
    identity : bytes
        What a host knows the design by: :func:`popflip.rtl.identity.identity`.

    Members
    -------
    s_axi : ``In(AxiLiteSignature)``
        Registers, regions and runs, as :class:`popflip.golden.description.bus.BusMap` lays them
        out.
    s_axis : ``In(AxiStreamSignature(8, 8))``
        Samples, a frame each.
    m_axis : ``Out(AxiStreamSignature(64))``
        Predictions of runs that take samples from there: class in bits 0 to 7, margin in 8 to 31,
        number of the sample in 32 to 63. ``tlast`` ends a run.
    irq : ``Out(1)``
        An event is set that is enabled.
    """

    bus = "axi"
    predictions = True

    @staticmethod
    def members(params: Params) -> dict:
        """Members of such a machine."""
        return {
            "s_axi": In(AxiLiteSignature(BusMap(params, "axi").address_bits)),
            "s_axis": In(AxiStreamSignature(8, 8)),
            "m_axis": Out(AxiStreamSignature(_LABEL + _MARGIN + _NUMBER)),
            "irq": Out(1),
        }

    def add_adapter(self, m, address_bits):
        m.submodules.lite = lite = AxiLiteAdapter(address_bits)
        connect(m, flipped(self.s_axi), lite.s_axi)
        return lite.access

    def add_samples(self, m, bridge, gate, core):
        m.submodules.predictions = queue = PredictionQueue(self._params)
        connect(m, core.store, gate.store)
        connect(m, core.prediction, queue.prediction)
        frame = gate.i
        m.d.comb += [
            frame.valid.eq(self.s_axis.tvalid),
            frame.p.data.eq(self.s_axis.tdata),
            frame.p.last.eq(self.s_axis.tlast),
            frame.p.user.eq(self.s_axis.tuser),
            self.s_axis.tready.eq(frame.ready),
            gate.label_in_user.eq(bridge.label_in_user),
            gate.discard.eq(bridge.discard),
            gate.grant.eq(queue.grant),
        ]

    def add_predictions(self, m, bridge, gate):
        queue = m.submodules.predictions
        prediction, run = queue.o, bridge.host.run
        number = Signal(_NUMBER)
        margin = Signal(_MARGIN)
        m.d.comb += [
            queue.start.eq(run.valid & run.ready),
            queue.first.eq(run.p.first),
            queue.count.eq(run.p.count),
            queue.streaming.eq(bridge.streaming),
            queue.requested.eq(gate.store.request.valid & gate.store.request.ready),
            margin.eq(prediction.p.margin),
            number.eq(prediction.p.number),
            self.m_axis.tvalid.eq(prediction.valid),
            self.m_axis.tdata.eq(Cat(prediction.p.label, margin, number)),
            self.m_axis.tlast.eq(prediction.p.last),
            prediction.ready.eq(self.m_axis.tready),
        ]
