from popflip.rtl.core.results import Results
from popflip.rtl.simulation import simulate


def test_keeps_the_prediction_of_each_number():
    dut = Results(16)
    predictions = {number: number * 7 % 10 for number in (0, 1, 2, 100, 255)}

    async def bench(ctx):
        ctx.set(dut.write, 1)
        for number, prediction in predictions.items():
            ctx.set(dut.number, number)
            ctx.set(dut.prediction, prediction)
            await ctx.tick()
        ctx.set(dut.write, 0)
        ctx.set(dut.number, 0)
        ctx.set(dut.prediction, 99)
        ctx.set(dut.host.ask, 1)
        for number, prediction in predictions.items():
            ctx.set(dut.host.address, number)
            await ctx.tick()
            assert ctx.get(dut.host.reply) == prediction
        ctx.set(dut.host.ask, 0)
        ctx.set(dut.host.address, 1)
        await ctx.tick()
        assert ctx.get(dut.host.reply) == predictions[255], "it holds without being asked"

    simulate(dut, bench)
