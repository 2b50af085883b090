import pytest

from popflip.golden.description.params import Params
from popflip.golden.description.registers import REGISTER_BYTES
from popflip.rtl.simulation import simulate
from popflip.rtl.standalone.settings import Settings

PARAMS = Params.build({
    "network": {"image": [6, 6], "first": "dense", "hidden": [5, 4]},
    "dynamics": {"gains": [4, 8, 8]},
    "learning": {
        "tau": [300, 20, 10], "tau_growth": 0.25, "latent_bits": 12, "batch": 0x1234,
        "reset_on_flip": True,
    },
    "machine": {"row_lanes": 12, "relax_lanes": 4, "latent_lanes": [6, 4, 3]},
    "standalone": {"flash": "quad", "order_bits": 4, "epochs": 5, "seed": 77},
})  # fmt: skip


@pytest.mark.parametrize("growth", [0.25, 0.0])
def test_hands_out_the_registers_of_each_epoch(growth):
    params = PARAMS.replace(learning={"tau_growth": growth})
    dut = Settings(params)
    registers = params.registers
    assert [registers[i].name for i in range(dut.end)] == [
        "batch", "options", "seed", "clear", "tau0", "tau1", "tau2",
    ]  # fmt: skip

    async def bench(ctx):
        for epoch in range(params.standalone.epochs):
            expected = [0x1234, 1, params.standalone.state, 1, *params.learning.tau_in_epoch(epoch)]
            ctx.set(dut.epoch, epoch)
            for first in (0, dut.clear):
                ctx.set(dut.first, first)
                ctx.set(dut.begin, 1)
                await ctx.tick()
                ctx.set(dut.begin, 0)
                ctx.set(dut.advance, 1)
                got = []
                for _ in range(REGISTER_BYTES * (dut.end - first)):
                    await ctx.delay(0)
                    got.append(ctx.get(dut.byte))
                    await ctx.tick()
                ctx.set(dut.advance, 0)
                wanted = b"".join(v.to_bytes(REGISTER_BYTES, "little") for v in expected[first:])
                assert bytes(got) == wanted, f"epoch {epoch}, from register {first} on"

    simulate(dut, bench)
