"""What benches inside the simulator share: cycles, and ports that are never X.

A cycle begins behind a rising edge of the clock: there inputs change. At the falling edge all has
settled, and outputs are what the next rising edge will see; in both simulators, whichever edge
theirs tells Python of first.
"""

import random
from collections.abc import Callable

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

__all__ = ["PERIOD", "Ports", "serve_samples"]

#: Nanoseconds of a clock cycle.
PERIOD = 10


class Ports:
    """The ports of the design under test.

    Parameters
    ----------
    dut : cocotb handle
        The top module, with ports ``clk`` and ``rst``.
    """

    def __init__(self, dut):
        self._dut = dut
        self._handles = {}

    def _handle(self, name):
        handle = self._handles.get(name)
        if handle is None:
            handle = self._handles[name] = getattr(self._dut, name)
        return handle

    async def begin(self, **inputs):
        """Set inputs, start the clock, reset; ends at the beginning of a cycle."""
        self._dut.rst.value = 1
        self.set(**inputs)
        # Driven by the simulator, not from Python: several times as fast.
        Clock(self._dut.clk, PERIOD, unit="ns", impl="gpi").start()
        for _ in range(2):
            await self.next()
        self._dut.rst.value = 0
        await self.next()

    def set(self, **inputs):
        """Drive inputs."""
        for name, value in inputs.items():
            self._handle(name).value = value

    def get(self, name) -> int:
        """Read an output; X in any bit of it is an error."""
        value = self.peek(name)
        if value is None:
            raise AssertionError(f"{name} is {self._handle(name).value}")
        return value

    def peek(self, name) -> int | None:
        """Read an output; None if there is X in it."""
        value = self._handle(name).value
        return int(value) if value.is_resolvable else None

    async def settle(self):
        """Wait for the middle of the cycle, where outputs may be read."""
        await FallingEdge(self._dut.clk)

    async def next(self):
        """Wait for the next cycle, at whose beginning inputs may be driven."""
        await RisingEdge(self._dut.clk)

    async def rises(self, name):
        """Wait in no cycle's name until an output rises."""
        await RisingEdge(self._handle(name))

    async def falls(self, name):
        """Wait in no cycle's name until an output falls."""
        await FallingEdge(self._handle(name))

    @staticmethod
    def beside(coroutine):
        """Run a coroutine beside the bench."""
        return cocotb.start_soon(coroutine)


async def serve_samples(ports: Ports, sample: Callable) -> None:
    """Answer a machine's requests for samples for ever, with a pause now and then.

    Parameters
    ----------
    ports : Ports
        With those of a sample store.
    sample : callable
        From the number of a sample to its bytes.
    """
    pauses = random.Random(1)
    while True:
        await ports.settle()
        if not ports.get("store_request_valid"):
            await ports.rises("store_request_valid")
            await ports.settle()
        number = ports.get("store_request_payload")
        await ports.next()
        ports.set(store_request_ready=1)
        await ports.next()
        ports.set(store_request_ready=0)
        for byte in sample(number):
            while pauses.random() < 0.02:
                await ports.next()
            ports.set(store_data_valid=1, store_data_payload=int(byte))
            await ports.settle()
            while not ports.get("store_data_ready"):
                await ports.rises("store_data_ready")
                await ports.settle()
            await ports.next()
            ports.set(store_data_valid=0)
