"""The Wishbone adapter under classic and pipelined cycles, some of which are given up."""

import random

import pytest

from popflip.rtl.frontends.axi.tests.test_lite import BITS, Accesses
from popflip.rtl.frontends.wishbone.adapter import WishboneAdapter
from popflip.rtl.simulation import simulate


def drawn(seed, n):
    rng = random.Random(seed)
    return [
        (rng.random() < 0.5, 4 * rng.randrange(64), rng.getrandbits(32), rng.getrandbits(4))
        for _ in range(n)
    ]


def drive(ctx, bus, write, address, data, strobe):
    for signal, value in (
        (bus.stb, 1), (bus.we, write), (bus.adr, address >> 2), (bus.dat_w, data),
        (bus.sel, strobe),
    ):  # fmt: skip
        ctx.set(signal, value)


def judge(operations, answers, accesses):
    assert accesses.seen == [
        (write, address, 1, strobe, *([data] if write else []))
        for write, address, data, strobe in operations
    ]
    memory = {}
    for (write, address, data, _), (ack, err, value) in zip(operations, answers, strict=True):
        refused = address >= 0xC0
        assert (ack, err) == (not refused, refused)
        if write and not refused:
            memory[address] = data
        elif not write and not refused:
            assert value == memory.get(address, 0)


@pytest.mark.parametrize("share", [1, 0.3])
@pytest.mark.parametrize("gaps", [False, True])
def test_classic(share, gaps):
    dut = WishboneAdapter(BITS)
    accesses, bus = Accesses(dut, 1, share), dut.wb
    operations, answers = drawn(2, 60), []

    async def bench(ctx):
        rng = random.Random(3)
        for operation in operations:
            ctx.set(bus.cyc, 1)
            drive(ctx, bus, *operation)
            while True:
                _, _, *answer = await ctx.tick().sample(bus.ack, bus.err, bus.dat_r)
                if answer[0] or answer[1]:
                    break
            answers.append(answer)
            if gaps and rng.random() < 0.5:
                ctx.set(bus.stb, 0)
                ctx.set(bus.cyc, rng.random() < 0.5)
                for _ in range(rng.randrange(1, 4)):
                    _, _, ack, err = await ctx.tick().sample(bus.ack, bus.err)
                    assert (ack, err) == (0, 0)

    simulate(dut, bench, background=[accesses.answer])
    judge(operations, answers, accesses)


@pytest.mark.parametrize("share", [1, 0.3])
def test_pipelined(share):
    dut = WishboneAdapter(BITS)
    accesses, bus = Accesses(dut, 1, share), dut.wb
    operations, answers = drawn(2, 60), []

    async def bench(ctx):
        ctx.set(bus.cyc, 1)
        waiting = list(operations)
        while len(answers) < len(operations):
            if waiting:
                drive(ctx, bus, *waiting[0])
            else:
                ctx.set(bus.stb, 0)
            _, _, stall, *answer = await ctx.tick().sample(bus.stall, bus.ack, bus.err, bus.dat_r)
            if waiting and not stall:
                waiting.pop(0)
            if answer[0] or answer[1]:
                answers.append(answer)

    simulate(dut, bench, background=[accesses.answer])
    judge(operations, answers, accesses)


def test_a_cycle_that_is_given_up_has_no_answer():
    dut = WishboneAdapter(BITS)
    accesses, bus = Accesses(dut, 1, 0.2), dut.wb
    operations, kept, answers = drawn(4, 60), [], []

    async def bench(ctx):
        rng = random.Random(5)
        for operation in operations:
            patience = rng.randrange(1, 12)
            ctx.set(bus.cyc, 1)
            drive(ctx, bus, *operation)
            for _ in range(patience):
                _, _, *answer = await ctx.tick().sample(bus.ack, bus.err, bus.dat_r)
                if answer[0] or answer[1]:
                    kept.append(operation)
                    answers.append(answer)
                    break
            # Whoever gives up begins the next one at once.
            ctx.set(bus.cyc, 0)
            ctx.set(bus.stb, 0)
            await ctx.tick()
            assert not ctx.get(bus.ack)
            assert not ctx.get(bus.err)

    simulate(dut, bench, background=[accesses.answer])
    assert 10 < len(kept) < len(operations)
    values = {}
    done = iter(accesses.seen)
    for (write, address, data, strobe), (ack, _, value) in zip(kept, answers, strict=True):
        wanted = (write, address, 1, strobe, *([data] if write else []))
        for other in done:
            if other[0] and other[1] < 0xC0:
                values[other[1]] = other[-1]
            if other == wanted:
                break
        else:
            raise AssertionError(f"{wanted} was answered, and not done")
        assert write or not ack or value == values.get(address, 0)
