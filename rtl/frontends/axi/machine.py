"""The machine behind AXI."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.bus import BusMap
from popflip.golden.description.params import Params
from popflip.rtl.core.core import TrainerCore
from popflip.rtl.frontends.axi.lite import AxiLiteAdapter
from popflip.rtl.frontends.axi.signatures import AxiLiteSignature, AxiStreamSignature
from popflip.rtl.frontends.mapped.bridge import BusBridge
from popflip.rtl.frontends.mapped.predictions import PredictionQueue
from popflip.rtl.frontends.mapped.sample_gate import SampleGate

__all__ = ["AxiMachine"]

#: Bits of a prediction on its stream: label 8, margin 24, number 32.
_LABEL, _MARGIN, _NUMBER = 8, 24, 32


class AxiMachine(wiring.Component):
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

    def __init__(self, params: Params, identity: bytes):
        self._params, self._identity = params, identity
        super().__init__(self.members(params))

    @staticmethod
    def members(params: Params) -> dict:
        """Members of such a machine."""
        return {
            "s_axi": In(AxiLiteSignature(BusMap(params, "axi").address_bits)),
            "s_axis": In(AxiStreamSignature(8, 8)),
            "m_axis": Out(AxiStreamSignature(_LABEL + _MARGIN + _NUMBER)),
            "irq": Out(1),
        }

    def elaborate(self, platform):
        m = Module()
        bus_map = BusMap(self._params, "axi")
        m.submodules.lite = lite = AxiLiteAdapter(bus_map.address_bits)
        m.submodules.bridge = bridge = BusBridge(self._params, bus_map, self._identity)
        m.submodules.gate = gate = SampleGate(self._params)
        m.submodules.predictions = queue = PredictionQueue(self._params)
        m.submodules.core = core = TrainerCore(self._params, predictions=True)
        connect(m, flipped(self.s_axi), lite.s_axi)
        connect(m, lite.access, bridge.access)
        connect(m, bridge.host, core.host)
        connect(m, core.store, gate.store)
        connect(m, core.prediction, queue.prediction)
        frame, prediction = gate.i, queue.o
        number = Signal(_NUMBER)
        margin = Signal(_MARGIN)
        m.d.comb += [
            frame.valid.eq(self.s_axis.tvalid),
            frame.p.data.eq(self.s_axis.tdata),
            frame.p.last.eq(self.s_axis.tlast),
            frame.p.user.eq(self.s_axis.tuser),
            self.s_axis.tready.eq(frame.ready),
            gate.label_in_user.eq(bridge.label_in_user),
            gate.discard.eq(bridge.discard),
            gate.grant.eq(queue.grant),
            bridge.waiting.eq(gate.waiting),
            bridge.good.eq(gate.good),
            bridge.bad.eq(gate.bad),
            queue.start.eq(bridge.host.run.valid & bridge.host.run.ready),
            queue.first.eq(bridge.host.run.p.first),
            queue.count.eq(bridge.host.run.p.count),
            queue.streaming.eq(bridge.streaming),
            queue.requested.eq(gate.store.request.valid & gate.store.request.ready),
            margin.eq(prediction.p.margin),
            number.eq(prediction.p.number),
            self.m_axis.tvalid.eq(prediction.valid),
            self.m_axis.tdata.eq(Cat(prediction.p.label, margin, number)),
            self.m_axis.tlast.eq(prediction.p.last),
            prediction.ready.eq(self.m_axis.tready),
            self.irq.eq(bridge.irq),
        ]
        return m
