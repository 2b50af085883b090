"""The AXI4-Lite adapter between channels that pause and accesses that take their time."""

import random
from itertools import pairwise

import pytest

from popflip.rtl.frontends.axi.lite import AxiLiteAdapter
from popflip.rtl.frontends.axi.signatures import Response
from popflip.rtl.simulation import simulate

BITS = 8


class Accesses:
    """What answers accesses: bytes, of which the words at 0xC0 and above are refused."""

    def __init__(self, dut, seed, share):
        self.dut, self.rng, self.share = dut, random.Random(seed), share
        self.memory, self.seen = {}, []

    async def answer(self, ctx):
        port = self.dut.access
        while True:
            ready = bool(ctx.get(port.valid)) and self.rng.random() < self.share
            address = ctx.get(port.address) << 2
            error = address >= 0xC0
            ctx.set(port.ready, ready)
            ctx.set(port.error, error if ready else 1)
            ctx.set(port.reply, self.memory.get(address, 0) if ready and not error else 0xBAD)
            if ready:
                write = ctx.get(port.write)
                seen = address, ctx.get(port.aligned), ctx.get(port.strobe), ctx.get(port.data)
                self.seen.append((write, *(seen if write else seen[:3])))
                if write and not error:
                    self.memory[address] = seen[3]
            await ctx.tick()


async def put(ctx, rng, share, valid, ready, **signals):
    """Offer on a channel; what is offered stays."""
    while rng.random() >= share:
        await ctx.tick()
    for signal, value in signals.values():
        ctx.set(signal, value)
    ctx.set(valid, 1)
    while not (await ctx.tick().sample(ready))[2]:
        pass
    ctx.set(valid, 0)


async def take(ctx, rng, share, valid, ready, *signals):
    """Take from a channel; what is offered has to stay."""
    offered = None
    while True:
        willing = rng.random() < share
        ctx.set(ready, willing)
        _, _, there, *values = await ctx.tick().sample(valid, *signals)
        if offered is not None:
            assert there
            assert values == offered
        if there and willing:
            ctx.set(ready, 0)
            return values
        offered = values if there else None


async def silence(ctx, valid):
    """See that no more is offered."""
    for _ in range(20):
        assert not (await ctx.tick().sample(valid))[2]


@pytest.mark.parametrize("share", [1, 0.5, 0.2])
def test_each_is_answered_once_and_in_order(share):
    dut = AxiLiteAdapter(BITS)
    accesses, bus = Accesses(dut, 1, share), dut.s_axi
    rng = random.Random(2)
    writes = [(rng.randrange(256), rng.getrandbits(32), rng.getrandbits(4)) for _ in range(60)]
    reads = [rng.randrange(256) for _ in range(60)]
    answers: dict = {"b": [], "r": []}

    async def addresses(ctx):
        rng = random.Random(3)
        for address, _, _ in writes:
            await put(ctx, rng, share, bus.awvalid, bus.awready, a=(bus.awaddr, address))

    async def words(ctx):
        rng = random.Random(4)
        for _, data, strobe in writes:
            signals = {"d": (bus.wdata, data), "s": (bus.wstrb, strobe)}
            await put(ctx, rng, share, bus.wvalid, bus.wready, **signals)

    async def sources(ctx):
        rng = random.Random(5)
        for address in reads:
            await put(ctx, rng, share, bus.arvalid, bus.arready, a=(bus.araddr, address))

    async def responses(ctx):
        rng = random.Random(6)
        for _ in writes:
            answers["b"] += await take(ctx, rng, share, bus.bvalid, bus.bready, bus.bresp)
        await silence(ctx, bus.bvalid)

    async def replies(ctx):
        rng = random.Random(7)
        for _ in reads:
            answers["r"].append(
                await take(ctx, rng, share, bus.rvalid, bus.rready, bus.rresp, bus.rdata)
            )
        await silence(ctx, bus.rvalid)

    benches = addresses, words, sources, responses, replies
    simulate(dut, *benches, background=[accesses.answer])
    done = {kind: [a for a in accesses.seen if a[0] == kind] for kind in (0, 1)}
    assert done[1] == [(1, a & 0xFC, a % 4 == 0, s, d) for a, d, s in writes]
    assert done[0] == [(0, a & 0xFC, a % 4 == 0, 15) for a in reads]
    assert answers["b"] == [Response.SLVERR if a >= 0xC0 else Response.OKAY for a, _, _ in writes]
    # Replay in the order in which they were done.
    memory, values = {}, []
    for write, address, *_, last in accesses.seen:
        if write and address < 0xC0:
            memory[address] = last
        elif not write:
            values.append(None if address >= 0xC0 else memory.get(address, 0))
    for (response, data), value in zip(answers["r"], values, strict=True):
        assert response == (Response.SLVERR if value is None else Response.OKAY)
        assert value is None or data == value


def test_reads_and_writes_take_turns():
    dut = AxiLiteAdapter(BITS)
    accesses, bus = Accesses(dut, 1, 1), dut.s_axi

    async def bench(ctx):
        for signal in (bus.awvalid, bus.wvalid, bus.arvalid, bus.bready, bus.rready):
            ctx.set(signal, 1)
        await ctx.tick().repeat(60)

    simulate(dut, bench, background=[accesses.answer])
    kinds = [kind for kind, *_ in accesses.seen]
    assert len(kinds) > 15
    assert all(a != b for a, b in pairwise(kinds))
