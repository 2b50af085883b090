"""What the host reads of the registers, what it changes by writing, and what follows from it."""

import pytest

from popflip.golden.description.lfsr import Lfsr
from popflip.golden.description.params import Params
from popflip.rtl.core.registers import HostRegisters
from popflip.rtl.simulation import simulate

PARAMS = Params.build({
    "network": {"image": [4, 4], "hidden": [4], "classes": 2},
    "dynamics": {"gains": [40, 30]},
    "learning": {"tau": [3, 2], "batch": 5, "nudging": "random-sign"},
    "machine": {"row_lanes": 16, "relax_lanes": 2, "latent_lanes": [4, 2]},
})
FLASH = PARAMS.replace(standalone={"flash": "quad", "order_bits": 4, "epochs": 2})


class Host:
    """Commands for a register, as the host port gives them."""

    def __init__(self, params):
        self.dut, self.table = HostRegisters(params), params.registers

    async def write(self, ctx, name, value):
        """Write a register; return what follows from it in the same cycle."""
        dut = self.dut
        ctx.set(dut.host.ask, 1)
        ctx.set(dut.host.writes, 1)
        ctx.set(dut.host.address, self.table[name].index)
        ctx.set(dut.host.data, value)
        pulses = {"clear": dut.counters.clear, "touch": dut.touch, "begin": dut.begin_batch}
        seen = {pulse for pulse, signal in pulses.items() if ctx.get(signal)}
        await ctx.tick()
        ctx.set(dut.host.ask, 0)
        return seen

    async def read(self, ctx, name):
        dut = self.dut
        ctx.set(dut.host.ask, 1)
        ctx.set(dut.host.writes, 0)
        ctx.set(dut.host.address, self.table[name].index)
        assert not ctx.get(dut.defer)
        await ctx.tick()
        ctx.set(dut.host.ask, 0)
        return ctx.get(dut.host.reply)


def test_settings_begin_with_the_parameters_and_can_be_written():
    host = Host(PARAMS)
    dut = host.dut

    async def bench(ctx):
        for register in host.table:
            if register.writable and not register.command:
                assert await host.read(ctx, register.name) == register.reset, register.name
        assert [ctx.get(dut.taus[layer]) for layer in range(2)] == [3, 2]
        for name, value, follows in (
            ("batch", 1, {"touch", "begin"}), ("options", 1, set()), ("seed", 77, set()),
            ("tau0", 9, {"touch"}), ("tau1", 4, {"touch"}), ("clear", 1, {"clear"}),
        ):  # fmt: skip
            before = ctx.get(dut.immediate)
            assert await host.write(ctx, name, value) == follows, name
            if name != "clear":
                assert await host.read(ctx, name) == value
            assert name == "batch" or ctx.get(dut.immediate) == before
        assert ctx.get(dut.immediate) == ctx.get(dut.reset_on_flip) == 1
        assert [ctx.get(dut.taus[layer]) for layer in range(2)] == [9, 4]

    simulate(dut, bench)


def test_what_is_only_read_ignores_writes():
    host = Host(PARAMS)
    dut = host.dut

    async def bench(ctx):
        ctx.set(dut.pending, 4)
        ctx.set(dut.prediction, 1)
        ctx.set(dut.finish, 1)
        await ctx.tick()
        ctx.set(dut.finish, 0)
        ctx.set(dut.prediction, 0)
        for name, value in (("pending", 4), ("prediction", 1)):
            assert await host.write(ctx, name, 77) == set()
            assert await host.read(ctx, name) == value

    simulate(dut, bench)


def test_draws_the_signs_that_golden_draws():
    host, golden = Host(PARAMS), Lfsr(1)
    dut, drawn = host.dut, []

    async def bench(ctx):
        for _ in range(50):
            drawn.append(ctx.get(dut.sign))
            ctx.set(dut.draw, 1)
            await ctx.tick()
            ctx.set(dut.draw, 0)
        assert await host.read(ctx, "seed") == golden.state

    expected = [golden.draw(1) for _ in range(50)]
    simulate(dut, bench)
    assert drawn == expected


def test_a_counter_is_looked_up_and_comes_later():
    host = Host(PARAMS)
    dut, counters = host.dut, host.table.counters

    async def bench(ctx):
        for counter in counters:
            for high in range(2):
                ctx.set(dut.host.ask, 1)
                ctx.set(dut.host.address, counter.index + high)
                assert ctx.get(dut.defer)
                assert ctx.get(dut.counters.look)
                assert ctx.get(dut.counters.word) == counter.index - counters[0].index + high
                await ctx.tick()
                ctx.set(dut.host.ask, 0)
                assert not ctx.get(dut.deferred)
                ctx.set(dut.counters.valid, 1)
                ctx.set(dut.counters.data, 1234 + counter.index)
                assert ctx.get(dut.deferred)
                assert ctx.get(dut.host.reply) == 1234 + counter.index
                ctx.set(dut.counters.valid, 0)

    simulate(dut, bench)


def test_a_shared_engine_knows_batches_of_one():
    params = PARAMS.replace(
        learning={"batch": 1},
        machine={"latent_lanes": [2, 2], "weight_slice": 2, "shared_update": True},
    )
    host = Host(params)

    async def bench(ctx):
        assert await host.write(ctx, "batch", 8) == set()
        assert await host.read(ctx, "batch") == 1
        assert ctx.get(host.dut.immediate) == 1

    simulate(host.dut, bench)


@pytest.mark.parametrize("value", [0x10002, 5])
def test_register_standalone_reads_as_the_note(value):
    host = Host(FLASH)

    async def bench(ctx):
        ctx.set(host.dut.note, value)
        await host.write(ctx, "standalone", 99)
        assert await host.read(ctx, "standalone") == value

    simulate(host.dut, bench)
