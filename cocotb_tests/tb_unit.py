"""A component by itself: inputs cycle by cycle, and what its outputs were.

The first step names the outputs to read. Each further step is a dict of the inputs to drive from a
cycle on; each result a list of those outputs in that cycle, None for one with X in it.
"""

import cocotb

from popflip.cocotb_tests.bus import Ports
from popflip.cocotb_tests.simulators import exchange


@cocotb.test(timeout_time=10, timeout_unit="ms")  # a million cycles
async def bench(dut):
    with exchange() as (steps, results):
        [outputs, *cycles] = steps
        ports = Ports(dut)
        await ports.begin(**dict.fromkeys(set().union(*cycles), 0))
        for inputs in cycles:
            ports.set(**inputs)
            await ports.settle()
            results.append([ports.peek(name) for name in outputs])
            await ports.next()
