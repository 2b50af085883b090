"""A host and a sample store at the ports of the trainer core.

Steps are tuples that begin with

- ``"params"``, Params: always first;
- ``"samples"``, packed samples: what the store holds;
- ``"write"``, region, address, words;
- ``"read"``, region, address, count: the words are a result;
- ``"run"``, fields of RunLayout in a dict: waits for its end.
"""

import cocotb
import numpy as np

from popflip.cocotb_tests.bus import Ports, serve_samples
from popflip.cocotb_tests.simulators import exchange, play_steps
from popflip.rtl.interface import HostSignature, RunLayout

__all__ = ["Host", "connect"]


class Host:
    def __init__(self, ports, params):
        self.ports, self.packed = ports, []
        self.regions = params.regions
        self.command = HostSignature(params).members["command"].signature.members["payload"].shape

    async def write(self, region, address, words):
        region = self.regions[region]
        for number, word in enumerate(words, address):
            payload = fields(
                self.command, write=1, region=region.index, address=number,
                data=int.from_bytes(bytes(word), "little"),
            )  # fmt: skip
            self.ports.set(host_command_valid=1, host_command_payload=payload)
            await self.ports.settle()
            assert self.ports.get("host_command_ready")
            await self.ports.next()
            # What is written is looked at for another cycle.
            self.ports.set(host_command_valid=0)
            await self.ports.next()

    async def read(self, region, address, count):
        region, words = self.regions[region], []
        for number in range(address, address + count):
            payload = fields(self.command, region=region.index, address=number)
            self.ports.set(host_command_valid=1, host_command_payload=payload)
            await self.ports.settle()
            assert self.ports.get("host_command_ready")
            for _ in range(64):
                await self.ports.next()
                self.ports.set(host_command_valid=0)
                await self.ports.settle()
                if self.ports.get("host_reply_valid"):
                    break
            else:
                raise AssertionError(f"no reply from {region.name} {number}")
            # Between the parts of a region there is nothing, and a simulator says so.
            words.append(self.ports.get("host_reply_payload") if region.holds(number) else 0)
            await self.ports.next()
        size = region.word_bytes
        data = b"".join(word.to_bytes(size, "little") for word in words)
        return np.frombuffer(data, np.uint8).reshape(count, size)

    async def run(self, request):
        self.ports.set(host_run_valid=1, host_run_payload=fields(RunLayout(), **request))
        await self.ports.settle()
        assert self.ports.get("host_run_ready")
        await self.ports.next()
        self.ports.set(host_run_valid=0)
        await self.ports.settle()
        while self.ports.get("host_busy"):
            await self.ports.falls("host_busy")
            await self.ports.settle()
        await self.ports.next()


def fields(layout, **values):
    """Pack fields of a structure, the others 0, into an integer."""
    return sum(int(value) << layout[name].offset for name, value in values.items())


async def connect(dut, params):
    """Reset a core; return its host."""
    ports = Ports(dut)
    host = Host(ports, params)
    await ports.begin(
        host_command_valid=0, host_command_payload=0, host_run_valid=0,
        host_run_payload=0, host_stop=0, store_request_ready=0,
        store_data_valid=0, store_data_payload=0,
    )  # fmt: skip
    ports.beside(serve_samples(ports, lambda number: host.packed[number]))
    return host


@cocotb.test(timeout_time=100, timeout_unit="ms")  # 10 million cycles
async def bench(dut):
    with exchange() as (steps, results):
        [(_, params), *steps] = steps
        results += await play_steps(await connect(dut, params), steps)
