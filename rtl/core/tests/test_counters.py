"""Events and cycles come to their own registers."""

from popflip.golden.description.params import Params
from popflip.rtl.core.counters import Counters
from popflip.rtl.core.signatures import Stage
from popflip.rtl.simulation import simulate

PARAMS = Params.build({
    "network": {"image": [4, 4], "hidden": [4], "classes": 2},
    "dynamics": {"gains": [40, 30]},
    "learning": {"tau": [3, 2]},
    "machine": {"row_lanes": 16, "relax_lanes": 2, "latent_lanes": [4, 2]},
})
FLASH = PARAMS.replace(standalone={"flash": "quad", "order_bits": 4, "epochs": 2})


async def read(ctx, dut, params):
    """Look every counter's low word up."""
    found = {}
    for number, counter in enumerate(params.registers.counters):
        ctx.set(dut.look.word, 2 * number)
        ctx.set(dut.look.look, 1)
        await ctx.tick()
        ctx.set(dut.look.look, 0)
        while not ctx.get(dut.look.valid):
            await ctx.tick()
        found[counter.name] = ctx.get(dut.look.data)
        await ctx.tick()
    return found


def test_each_event_has_its_counter():
    dut, expected = Counters(PARAMS), dict.fromkeys(PARAMS.registers.counters.names, 0)

    async def bench(ctx):
        stages = {
            Stage.DRIVE: "cycles_drive", Stage.FREE: "cycles_free",
            Stage.NUDGED: "cycles_nudged", Stage.UPDATE: "cycles_update",
            Stage.WAIT: "cycles_wait",
        }  # fmt: skip
        for times, (stage, name) in enumerate(stages.items(), 1):
            ctx.set(dut.stage, stage)
            for _ in range(times):
                await ctx.tick()
            expected[name] += times
        ctx.set(dut.stage, Stage.IDLE)
        await ctx.tick()
        for correct, n in ((0, 4), (1, 3)):
            ctx.set(dut.correct, correct)
            await ctx.tick()  # a label that agrees before the sample is finished is no event
            ctx.set(dut.finish, 1)
            for _ in range(n):
                await ctx.tick()
            ctx.set(dut.finish, 0)
            expected["samples"] += n
            expected["correct"] += n * correct
        for port, name, n in ((dut.changed, "changed", 6), (dut.restarted, "restarts", 2)):
            ctx.set(port, 1)
            for _ in range(n):
                await ctx.tick()
            ctx.set(port, 0)
            expected[name] += n
        for layer, flips in enumerate(dut.flips):
            most = PARAMS.synapses(layer).latent_lanes
            ctx.set(flips, most)
            await ctx.tick()
            ctx.set(flips, 1)
            await ctx.tick()
            ctx.set(flips, 0)
            expected[f"flips{layer}"] += most + 1
        assert await read(ctx, dut, PARAMS) == expected

    simulate(dut, bench)
    assert len(set(expected.values())) > 6


def test_a_machine_that_trains_by_itself_shows_its_samples():
    dut = Counters(FLASH)

    async def bench(ctx):
        ctx.set(dut.finish, 1)
        for n in range(5):
            assert ctx.get(dut.finished) == n
            await ctx.tick()
        ctx.set(dut.look.clear, 1)
        await ctx.tick()
        assert ctx.get(dut.finished) == 0

    simulate(dut, bench)
