"""The machine behind Wishbone."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.bus import BusMap
from popflip.golden.description.params import Params
from popflip.rtl.core.core import TrainerCore
from popflip.rtl.frontends.mapped.bridge import BusBridge
from popflip.rtl.frontends.mapped.sample_gate import SampleGate
from popflip.rtl.frontends.wishbone.adapter import WishboneAdapter, WishboneSignature

__all__ = ["WishboneMachine"]


class WishboneMachine(wiring.Component):
    """Trainer core behind Wishbone, with a window for samples.

    Parameters
    ----------
    params : Params
    identity : bytes
        What a host knows the design by: :func:`popflip.rtl.identity.identity`.

    Members
    -------
    wb : ``In(WishboneSignature)``
        Registers, regions, runs and samples, as :class:`popflip.golden.description.bus.BusMap` lays
        them out.
    irq : ``Out(1)``
        An event is set that is enabled.
    """

    def __init__(self, params: Params, identity: bytes):
        self._params, self._identity = params, identity
        super().__init__(self.members(params))

    @staticmethod
    def members(params: Params) -> dict:
        """Members of such a machine."""
        bits = BusMap(params, "wishbone").address_bits
        return {"wb": In(WishboneSignature(bits)), "irq": Out(1)}

    def elaborate(self, platform):
        m = Module()
        bus_map = BusMap(self._params, "wishbone")
        m.submodules.adapter = adapter = WishboneAdapter(bus_map.address_bits)
        m.submodules.bridge = bridge = BusBridge(self._params, bus_map, self._identity)
        m.submodules.gate = gate = SampleGate(self._params)
        m.submodules.core = core = TrainerCore(self._params)
        connect(m, flipped(self.wb), adapter.wb)
        connect(m, adapter.access, bridge.access)
        connect(m, bridge.host, core.host)
        connect(m, bridge.frames, gate.i)
        connect(m, core.store, gate.store)
        m.d.comb += [
            gate.grant.eq(1),
            gate.begin_anew.eq(bridge.begin_anew),
            gate.discard.eq(bridge.discard),
            bridge.waiting.eq(gate.waiting),
            bridge.good.eq(gate.good),
            bridge.bad.eq(gate.bad),
            self.irq.eq(bridge.irq),
        ]
        return m
