"""The machine behind a bus with addresses, whatever the bus."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect

from popflip.golden.description.bus import BusMap
from popflip.golden.description.params import Params
from popflip.rtl.core.core import TrainerCore
from popflip.rtl.frontends.mapped.bridge import BusBridge
from popflip.rtl.frontends.mapped.sample_gate import SampleGate

__all__ = ["MappedMachine"]


class MappedMachine(wiring.Component):
    """Trainer core behind registers and windows at addresses; each bus is a class of its own.

    A bus says what it is called, which members its machine has (among them ``irq``, an event is set
    that is enabled), how its cycles become accesses, and where samples come from.

    Parameters
    ----------
    params : Params
    identity : bytes
        What a host knows the design by: :func:`popflip.rtl.identity.identity`.
    """

    #: A name of :data:`popflip.golden.description.bus.MAPPED`.
    bus: str
    #: Whether the core tells its predictions.
    predictions = False

    def __init__(self, params: Params, identity: bytes):
        self._params, self._identity = params, identity
        super().__init__(self.members(params))

    @staticmethod
    def members(params: Params) -> dict:
        """Members of such a machine."""
        raise NotImplementedError

    def add_adapter(self, m: Module, address_bits: int):
        """Add what turns the bus's cycles into accesses, and return these."""
        raise NotImplementedError

    def add_samples(self, m: Module, bridge: BusBridge, gate: SampleGate, core: TrainerCore):
        """Add what brings samples to the gate, and join that to the core."""
        raise NotImplementedError

    def add_predictions(self, m: Module, bridge: BusBridge, gate: SampleGate):
        """Add what becomes of predictions, if they leave by themselves."""

    def elaborate(self, platform):
        m = Module()
        bus_map = BusMap(self._params, self.bus)
        access = self.add_adapter(m, bus_map.address_bits)
        m.submodules.bridge = bridge = BusBridge(self._params, bus_map, self._identity)
        m.submodules.gate = gate = SampleGate(self._params)
        core = TrainerCore(self._params, predictions=self.predictions)
        connect(m, access, bridge.access)
        connect(m, bridge.host, core.host)
        self.add_samples(m, bridge, gate, core)
        m.submodules.core = core
        m.d.comb += [
            bridge.waiting.eq(gate.waiting),
            bridge.good.eq(gate.good),
            bridge.bad.eq(gate.bad),
        ]
        self.add_predictions(m, bridge, gate)
        m.d.comb += self.irq.eq(bridge.irq)
        return m
