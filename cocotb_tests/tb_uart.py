"""A host and a sample store at the whole machine, with somebody else's UART.

Steps are those of ``tb_core``: each becomes requests of the host link, every answer of which has to
be ``OK``.
"""

import cocotb
import numpy as np

from popflip.boards.host.frames import decode_frame, encode_frame
from popflip.cocotb_tests.bus import Ports, serve_samples
from popflip.cocotb_tests.simulators import exchange, play_steps
from popflip.cocotb_tests.tb_top import Line
from popflip.golden.description.protocol import (
    MAX_PAYLOAD,
    READ,
    RUN,
    STATUS_ANSWER,
    WRITE,
    RunFlags,
    Status,
    Verb,
)

__all__ = ["UartHost", "connect"]


class UartHost:
    """Steps, by requests on a serial line.

    Parameters
    ----------
    dut : cocotb handle
    params : Params
    """

    def __init__(self, dut, params):
        self.params, self.packed, self._sequence = params, [], 0
        self._line = Line(dut, params.machine.uart_divisor)

    async def request(self, verb, payload=b""):
        """Send a request; return the payload of its answer."""
        self._sequence = self._sequence % 255 + 1
        answer = await self._line.ask(encode_frame(self._sequence, verb, payload))
        frame = decode_frame(answer)
        assert frame.sequence == self._sequence
        assert frame.kind == Status.OK, f"{verb.name} is answered by {Status(frame.kind).name}"
        return frame.payload

    async def write(self, region, address, words):
        region, words = self.params.regions[region], np.asarray(words, np.uint8)
        most = (MAX_PAYLOAD - WRITE.size) // region.word_bytes
        for start in range(0, len(words), most):
            head = WRITE.pack(region.index, address + start)
            await self.request(Verb.WRITE, head + words[start : start + most].tobytes())

    async def read(self, region, address, count):
        region, data = self.params.regions[region], b""
        most = MAX_PAYLOAD // region.word_bytes
        for start in range(address, address + count, most):
            n = min(most, address + count - start)
            data += await self.request(Verb.READ, READ.pack(region.index, start, n))
        return np.frombuffer(data, np.uint8).reshape(count, region.word_bytes)

    async def run(self, request):
        """Begin a run, and ask for the status until it is over."""
        flags = sum(flag for flag in RunFlags if request.get(flag.name.lower()))
        await self.request(Verb.RUN, RUN.pack(flags, request["first"], request["count"]))
        while STATUS_ANSWER.unpack(await self.request(Verb.STATUS))[0]:
            pass


async def connect(dut, params):
    """Reset a machine; return its host."""
    host, ports = UartHost(dut, params), Ports(dut)
    await ports.begin(store_request_ready=0, store_data_valid=0, store_data_payload=0)
    ports.beside(serve_samples(ports, lambda number: host.packed[number]))
    return host


@cocotb.test(timeout_time=10, timeout_unit="sec")  # a billion cycles
async def bench(dut):
    with exchange() as (steps, results):
        [(_, params), *steps] = steps
        results += await play_steps(await connect(dut, params), steps)
