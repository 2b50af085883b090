"""A host on the buses of an AXI machine, with somebody else's models of them, which pause.

Steps are those of :mod:`popflip.cocotb_tests.mapped`; first come ``"params"``, Params, and
``"pauses"``, the share of cycles in which each side of each channel pauses.
"""

import random

import cocotb
import numpy as np
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from popflip.cocotb_tests import mapped
from popflip.cocotb_tests.mapped import MappedHost


def pauses(seed, share):
    rng = random.Random(seed)
    while True:
        yield rng.random() < share


class AxiHost(MappedHost):
    def __init__(self, dut, params, share):
        super().__init__(dut, params, "axi")
        clocked = dut.clk, dut.rst
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), *clocked)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), *clocked)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), *clocked)
        write, read = self.master.write_if, self.master.read_if
        channels = [
            write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel,
            self.source, self.sink,
        ]  # fmt: skip
        if share:
            for seed, channel in enumerate(channels):
                channel.set_pause_generator(pauses(seed, share))

    async def exchange(self, address, data=None, size=4):
        if data is None:
            answer = await self.master.read(address, size)
            value = int.from_bytes(answer.data, "little")
        else:
            answer = await self.master.write(address, data.to_bytes(size, "little"))
            value = 0
        assert answer.resp in (AxiResp.OKAY, AxiResp.SLVERR)
        return value, answer.resp == AxiResp.OKAY

    async def send(self, frame):
        label = frame[-1]
        if self.label_at_user:
            frame = frame[:-1]
        users = [0] * (len(frame) - 1) + [label]
        await self.source.send(AxiStreamFrame(tdata=frame, tuser=users))

    async def predictions(self):
        frames = []
        while not self.sink.empty():
            words = np.frombuffer(bytes((await self.sink.recv()).tdata), "<u8")
            frames.append([
                (int(word & 0xFF), int(word >> 8 & 0xFFFFFF), int(word >> 32)) for word in words
            ])
        return frames


async def connect(dut, params):
    """Reset a machine; return its host."""
    return await mapped.connect(dut, params, AxiHost, 0)


@cocotb.test(timeout_time=200, timeout_unit="ms")  # 20 million cycles
async def bench(dut):
    await mapped.bench_of(dut, AxiHost)
