"""A host on the bus of a Wishbone machine, with somebody else's model of it.

Steps are those of :mod:`popflip.cocotb_tests.mapped`; first come ``"params"``, Params, and
``"pipelined"``, whether the host looks at ``stall``.
"""

import random

import cocotb
from cocotbext.wishbone.driver import WBOp, WishboneMaster

from popflip.cocotb_tests import mapped
from popflip.cocotb_tests.mapped import MappedHost
from popflip.golden.support.integers import ceil_div

_SIGNALS = {
    "cyc": "cyc", "stb": "stb", "we": "we", "adr": "adr", "sel": "sel", "datwr": "dat_w",
    "datrd": "dat_r", "ack": "ack", "err": "err",
}  # fmt: skip
_ACK, _ERR = 1, 2


class WishboneHost(MappedHost):
    def __init__(self, dut, params, pipelined):
        super().__init__(dut, params, "wishbone")
        signals = _SIGNALS | ({"stall": "stall"} if pipelined else {})
        self.master = WishboneMaster(
            dut, "wb", dut.clk, width=32, timeout=100_000, signals_dict=signals
        )
        self.idles = random.Random(1)

    async def exchange(self, address, data=None, size=4):
        low = address % 4
        if data is not None:
            data <<= 8 * low
        operation = WBOp(
            adr=address // 4,
            dat=data,
            sel=(1 << size) - 1 << low,
            idle=self.idles.choice([0, 0, 2]),
        )
        [answer] = await self.master.send_cycle([operation])
        assert answer.ack in (_ACK, _ERR)
        good = answer.ack == _ACK
        value = int(answer.datrd) >> 8 * low & (1 << 8 * size) - 1 if good and data is None else 0
        return value, good

    async def send(self, frame):
        window = self.map.windows["sample"]
        for word in range(ceil_div(len(frame), 4)):
            part = frame[4 * word : 4 * word + 4].ljust(4, b"\0")
            await self.ask(window.address(word), int.from_bytes(part, "little"))


async def connect(dut, params):
    """Reset a machine; return its host."""
    return await mapped.connect(dut, params, WishboneHost, False)


@cocotb.test(timeout_time=200, timeout_unit="ms")  # 20 million cycles
async def bench(dut):
    await mapped.bench_of(dut, WishboneHost)
