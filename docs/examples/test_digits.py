"""A bench of one's own for the machine in folder ``digits``."""

import cocotb
import pytest

from popflip.cocotb_tests.twin import attach, simulate


@cocotb.test()
async def learns_as_the_golden_model_does(dut):
    machine, twin = await attach(dut, seed=1)
    x, labels = twin.random_samples(20)
    assert await machine.train(x, labels) == twin.train(x, labels)
    assert await machine.differences() == []
    assert await machine.infer(x) == twin.infer(x)


@cocotb.test()
async def a_register_is_where_the_map_says(dut):
    machine, _ = await attach(dut)
    assert await machine.host.get("layout") == machine.host.map.registers["layout"].reset


@pytest.mark.parametrize("simulator", ["icarus"])
def test_digits(simulator):
    simulate(__file__, "digits", simulator)
