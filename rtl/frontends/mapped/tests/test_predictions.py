import random

import pytest

from popflip.rtl.frontends.mapped.predictions import PredictionQueue
from popflip.rtl.frontends.mapped.tests.test_bridge import PARAMS
from popflip.rtl.simulation import simulate


class Run:
    """A core that asks for samples ahead, and is done with each after a while."""

    def __init__(self, dut, seed):
        self.dut, self.rng, self.wanted, self.got, self.most = dut, random.Random(seed), [], [], 0

    async def play(self, ctx, first, count, stop_after=None, streaming=True):
        dut, rng = self.dut, self.rng
        for name, value in (("first", first), ("count", count), ("start", 1)):
            ctx.set(getattr(dut, name), value)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.streaming, streaming)
        asked = finished = 0
        while finished < count and finished != stop_after:
            wants = asked < count and asked - finished < 3
            # A run from the slots asks nobody.
            ask = wants and (not streaming or ctx.get(dut.grant))
            ctx.set(dut.requested, bool(ask and streaming))
            finish = finished < asked and rng.random() < 0.4
            ctx.set(dut.prediction.valid, finish)
            label, margin = rng.randrange(3), rng.randrange(1 << len(dut.prediction.margin))
            ctx.set(dut.prediction.label, label)
            ctx.set(dut.prediction.margin, margin)
            if finish and streaming:
                last = finished == count - 1
                self.wanted.append((label, margin, first + finished, last))
            asked, finished = asked + bool(ask), finished + finish
            self.most = max(self.most, asked - finished)
            await ctx.tick()
        for signal in (dut.requested, dut.prediction.valid):
            ctx.set(signal, 0)
        await ctx.tick().repeat(2)

    def consumer(self, share):
        async def consume(ctx):
            rng, o, before = random.Random(9), self.dut.o, None
            while True:
                ready = rng.random() < share
                ctx.set(o.ready, ready)
                _, _, valid, payload = await ctx.tick().sample(o.valid, o.payload)
                word = tuple(payload[name] for name in ("label", "margin", "number", "last"))
                if before is not None:
                    assert (valid, word) == (1, before), "an offered word does not stay"
                before = word if valid and not ready else None
                if valid and ready:
                    self.got.append(word)

        return consume


@pytest.mark.parametrize("share", [1, 0.5, 0.05])
def test_all_of_them_and_in_order(share):
    dut = PredictionQueue(PARAMS)
    run = Run(dut, 3)

    async def bench(ctx):
        await run.play(ctx, 5, 40)
        await run.play(ctx, 1000, 30, stop_after=17)
        await run.play(ctx, 0, 1)
        await run.play(ctx, 7, 20)
        await ctx.tick().repeat(800)

    simulate(dut, bench, background=[run.consumer(share)])
    assert run.got == run.wanted
    assert run.most == 3


def test_runs_from_the_slots_are_not_kept():
    dut = PredictionQueue(PARAMS)
    run = Run(dut, 3)

    async def bench(ctx):
        await run.play(ctx, 0, 20, streaming=False)
        assert not ctx.get(dut.o.valid)

    simulate(dut, bench, background=[run.consumer(0)])


def test_nobody_takes_them():
    dut = PredictionQueue(PARAMS)
    run = Run(dut, 3)
    granted = []

    async def count(ctx):
        while True:
            _, _, requested = await ctx.tick().sample(dut.requested)
            granted.append(requested)

    async def bench(ctx):
        await ctx.tick().repeat(200)

    async def play(ctx):
        await run.play(ctx, 0, 100)

    simulate(dut, bench, background=[play, count, run.consumer(0)])
    assert sum(granted) == 8
