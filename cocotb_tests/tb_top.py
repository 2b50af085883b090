"""A host on the serial line of the whole machine, with somebody else's UART.

Steps are tuples that begin with

- ``"params"``, Params: always first;
- ``"flash"``, bytes: the content of the flash of a machine that has one, second;
- ``"hear"``: the bytes up to the next zero are a result;
- ``"send"``, bytes;
- ``"ask"``, bytes: sends them; the bytes up to the next zero are a result;
- ``"silence"``, bit times: waits; the bytes that came meanwhile are a result;
- ``"wait"``, bytes of the STATUS request: asks again and again until the machine is not busy.
"""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer, with_timeout
from cocotbext.uart import UartSink, UartSource

from popflip.boards.host.frames import decode_frame
from popflip.cocotb_tests.bus import PERIOD
from popflip.cocotb_tests.simulators import exchange
from popflip.golden.description.protocol import STATUS_ANSWER
from popflip.rtl.simulation import FlashModel

# The UART model takes a rate. The rate of this clock period makes its bits whole cycles long.
_HERTZ = 10**9 // PERIOD


# A standalone machine needs longer for its first words.
_PATIENCE = 500_000


class Line:
    def __init__(self, dut, divisor):
        self.bit = PERIOD * divisor
        self.source = UartSource(dut.rx, baud=_HERTZ // divisor, bits=8)
        self.sink = UartSink(dut.tx, baud=_HERTZ // divisor, bits=8)
        self.received = bytearray()

    async def send(self, data):
        await self.source.write(data)
        await self.source.wait()

    async def ask(self, data):
        await self.send(data)
        return await self.hear()

    async def hear(self):
        while 0 not in self.received:
            # As long as the machine takes for the longest request, and a byte's time to spare.
            self.received += await with_timeout(self.sink.read(1), _PATIENCE, "ns")
        answer, _, rest = self.received.partition(b"\0")
        self.received = bytearray(rest)
        return bytes(answer)

    async def silence(self, bits):
        await Timer(bits * self.bit, "ns")
        if not self.sink.empty():
            self.received += self.sink.read_nowait()
        heard = bytes(self.received)
        self.received.clear()
        return heard

    async def wait(self, request):
        busy, asked = 1, 0
        while busy:
            busy = STATUS_ANSWER.unpack(decode_frame(await self.ask(request)).payload)[0]
            asked += 1
        return asked


async def flash(dut, content):
    """An SPI flash, with a register on the way back."""
    model = FlashModel(content)
    while True:
        await RisingEdge(dut.clk)
        pins = (dut.flash_cs_n, dut.flash_sck, dut.flash_o, dut.flash_oe)
        dut.flash_i.value = model.step(*(int(pin.value) for pin in pins))


@cocotb.test(timeout_time=100, timeout_unit="ms")  # 10 million cycles
async def bench(dut):
    with exchange() as (steps, results):
        [(_, params), *steps] = steps
        dut.rst.value = 1
        if params.standalone.lines:
            [(_, content), *steps] = steps
            dut.start.value = 0
            dut.flash_i.value = 0
        else:
            dut.store_request_ready.value = 0
            dut.store_data_valid.value = 0
            dut.store_data_payload.value = 0
        line = Line(dut, params.machine.uart_divisor)
        Clock(dut.clk, PERIOD, unit="ns", impl="gpi").start()
        await Timer(5 * PERIOD, "ns")
        dut.rst.value = 0
        if params.standalone.lines:
            cocotb.start_soon(flash(dut, content))
        await Timer(5 * PERIOD, "ns")
        for what, *arguments in steps:
            result = await getattr(line, what)(*arguments)
            if what != "send":
                results.append(result)
