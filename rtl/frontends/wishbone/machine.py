"""The machine behind Wishbone."""

from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.bus import BusMap
from popflip.golden.description.params import Params
from popflip.rtl.frontends.mapped.machine import MappedMachine
from popflip.rtl.frontends.wishbone.adapter import WishboneAdapter, WishboneSignature

__all__ = ["WishboneMachine"]


class WishboneMachine(MappedMachine):
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

    bus = "wishbone"

    @staticmethod
    def members(params: Params) -> dict:
        """Members of such a machine."""
        bits = BusMap(params, "wishbone").address_bits
        return {"wb": In(WishboneSignature(bits)), "irq": Out(1)}

    def add_adapter(self, m, address_bits):
        m.submodules.adapter = adapter = WishboneAdapter(address_bits)
        connect(m, flipped(self.wb), adapter.wb)
        return adapter.access

    def add_samples(self, m, bridge, gate, core):
        connect(m, bridge.frames, gate.i)
        connect(m, core.store, gate.store)
        m.d.comb += [
            gate.grant.eq(1),
            gate.begin_anew.eq(bridge.begin_anew),
            gate.discard.eq(bridge.discard),
        ]
