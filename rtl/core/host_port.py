"""The host's commands, sorted by region, and the replies to them."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.rtl.core.signatures import RegionSignature
from popflip.rtl.interface import HostSignature, host_word_bits

__all__ = ["HostPort"]


class HostPort(wiring.Component):
    """Hand each command of the host to the region that it means.

    Which region that is is known a cycle later, lest the link and every memory port be parts of one
    long path: the way to block RAMs all over the device is long enough.

    Latency: a reply leaves 3 cycles after its command was taken, unless the registers defer it.
    After a write no command is taken for a cycle: then what it wrote can be read.

    Parameters
    ----------
    params : Params

    Members
    -------
    command, reply : as of :class:`popflip.rtl.interface.HostSignature`
    busy : ``In(1)``
        A run is on: only ``registers``, ``samples`` and ``results`` are accessible.
    registers, samples, results : ``Out(RegionSignature)``
    weights, latents : ``Out(RegionSignature)``, a list by layer
        ``latents`` only if the machine trains.
    defer : ``In(1)``, deferred : ``In(1)``
        The registers' reply to this command comes later; it comes now.
    """

    def __init__(self, params: Params):
        self._params = params
        host = HostSignature(params).members
        region = RegionSignature(host_word_bits(params))
        members = {
            "command": host["command"].flip(),
            "reply": host["reply"].flip(),
            "busy": In(1),
            "registers": Out(region),
            "samples": Out(region),
            "results": Out(region),
            "weights": Out(region).array(params.depth),
            "defer": In(1),
            "deferred": In(1),
        }
        if params.machine.training:
            members["latents"] = Out(region).array(params.depth)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        command = self.command.p
        accepted = self.command.valid & self.command.ready
        asking, answered, wrote = Signal(), Signal(), Signal()
        m.d.comb += self.command.ready.eq(~wrote)
        m.d.sync += [
            wrote.eq(accepted & command.write),
            asking.eq(accepted),
            answered.eq(asking & ~command.write & ~self.defer),
            self.reply.valid.eq(answered | self.deferred),
        ]
        regions = list(self._regions())
        for region, port in regions:
            chosen = accepted & (command.region == region.index)
            m.d.comb += [
                port.writes.eq(command.write),
                port.address.eq(command.address),
                port.data.eq(command.data),
            ]
            m.d.sync += [
                port.ask.eq(chosen),
                port.read.eq(chosen & ~command.write & ~self.busy),
                port.write.eq(chosen & command.write & ~self.busy),
            ]
        with m.Switch(command.region):
            for region, port in regions:
                with m.Case(region.index):
                    m.d.sync += self.reply.payload.eq(port.reply)
        return m

    def _regions(self):
        """Each region with its port."""
        regions = self._params.regions
        yield regions["registers"], self.registers
        yield regions["samples"], self.samples
        yield regions["results"], self.results
        for layer in range(self._params.depth):
            yield regions.weights(layer), self.weights[layer]
            if self._params.machine.training:
                yield regions.latents(layer), self.latents[layer]
