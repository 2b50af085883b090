"""Each command comes to the region that it means, and its reply back."""

import numpy as np

from popflip.golden.description.params import Params
from popflip.rtl.core.host_port import HostPort
from popflip.rtl.simulation import simulate

PARAMS = Params.build({
    "network": {"image": [4, 4], "hidden": [4], "classes": 2},
    "dynamics": {"gains": [40, 30]},
    "learning": {"tau": [3, 2]},
    "machine": {"row_lanes": 16, "relax_lanes": 2, "latent_lanes": [4, 2]},
})


def ports_of(dut, params):
    """The ports in the order of the regions."""
    named = {"registers": dut.registers, "samples": dut.samples, "results": dut.results}
    for layer in range(params.depth):
        named[params.regions.weights(layer).name] = dut.weights[layer]
        if params.machine.training:
            named[params.regions.latents(layer).name] = dut.latents[layer]
    assert set(named) == set(params.regions.names)
    return [named[region.name] for region in params.regions]


def command(ctx, dut, region, address, write, data):
    ctx.set(dut.command.payload.region, region)
    ctx.set(dut.command.payload.address, address)
    ctx.set(dut.command.payload.write, write)
    ctx.set(dut.command.payload.data, data)
    ctx.set(dut.command.valid, 1)


def test_only_the_region_that_is_meant_is_asked():
    dut, rng = HostPort(PARAMS), np.random.default_rng(5)
    ports = ports_of(dut, PARAMS)

    async def bench(ctx):
        for _ in range(120):
            region, address = int(rng.integers(len(ports))), int(rng.integers(1 << 24))
            write, busy, data = (int(n) for n in rng.integers((2, 2, 256)))
            ctx.set(dut.busy, busy)
            command(ctx, dut, region, address, write, data)
            assert ctx.get(dut.command.ready)
            await ctx.tick()
            ctx.set(dut.command.valid, 0)
            for index, port in enumerate(ports):
                mine = index == region
                assert ctx.get(port.ask) == mine
                assert ctx.get(port.read) == (mine and not write and not busy)
                assert ctx.get(port.write) == (mine and write and not busy)
            port = ports[region]
            seen = ctx.get(port.writes), ctx.get(port.address), ctx.get(port.data)
            assert seen == (write, address, data)
            assert ctx.get(dut.command.ready) != write, "a write takes the next cycle too"
            await ctx.tick()
            ctx.set(port.reply, data ^ 0x55)
            assert not ctx.get(port.ask)
            assert not ctx.get(dut.reply.valid)
            await ctx.tick()
            assert ctx.get(dut.reply.valid) == (not write)
            assert write or ctx.get(dut.reply.payload) == data ^ 0x55
            ctx.set(port.reply, 0)
            await ctx.tick()
            assert not ctx.get(dut.reply.valid), "one reply for each read"

    simulate(dut, bench)


def test_a_deferred_reply_comes_when_the_registers_say_so():
    dut = HostPort(PARAMS)

    async def bench(ctx):
        command(ctx, dut, PARAMS.regions["registers"].index, 9, 0, 0)
        await ctx.tick()
        ctx.set(dut.command.valid, 0)
        ctx.set(dut.defer, 1)
        await ctx.tick()
        ctx.set(dut.defer, 0)
        for _ in range(5):
            assert not ctx.get(dut.reply.valid)
            await ctx.tick()
        ctx.set(dut.registers.reply, 42)
        ctx.set(dut.deferred, 1)
        await ctx.tick()
        ctx.set(dut.deferred, 0)
        assert (ctx.get(dut.reply.valid), ctx.get(dut.reply.payload)) == (1, 42)
        await ctx.tick()
        assert not ctx.get(dut.reply.valid)

    simulate(dut, bench)


def test_a_machine_that_only_infers_has_no_latents():
    params = PARAMS.replace(machine={"training": False})
    dut = HostPort(params)
    assert "latents" not in dut.signature.members
    assert len(ports_of(dut, params)) == len(params.regions) == 5
