"""A host on a bus with addresses, inside the simulator, whatever the bus.

Benches of this kind take the steps of ``tb_core``, so that the same golden run judges them, and

- ``"access"``, byte address, data or None, bytes: one access as it is; ``(value, reason)`` is a
  result, the reason a number of :class:`popflip.golden.description.bus.Refusal`;
- ``"label_in_user"``, whether: how samples of the stream have their labels;
- ``"frame"``, bytes: sent as they are where samples go in;
- ``"begin"``, fields of RunLayout: a run without its samples; ``"finish"``: those, and its end;
- ``"design"``, Params, byte address: from here on the machine at that address, which has these;
- ``"control"``, name: what that control register holds is a result;
- ``"predictions"``: those of the stream since the last time are a result;
- ``"driver"``, class, library, calls, whether it may use the stream: a driver of that class, made
  of the compiled library, opens the machine and is called; the results of that are one result.
"""

import numpy as np
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import First, RisingEdge, Timer

from popflip.cocotb_tests.bus import PERIOD
from popflip.cocotb_tests.simulators import exchange, play_steps
from popflip.golden.description.bus import BusMap, Refusal
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import RunFlags
from popflip.golden.description.registers import REGISTER_BYTES

__all__ = ["MappedHost", "bench_of", "connect"]


class MappedHost:
    """Steps, by accesses of words of a bus.

    Parameters
    ----------
    dut : cocotb handle
    params : Params
    bus : str
        A name of :data:`popflip.golden.description.bus.MAPPED`.
    """

    def __init__(self, dut, params: Params, bus: str):
        self.dut, self.params, self.map, self.bus = dut, params, BusMap(params, bus), bus
        self.base = 0
        self.packed = None  # what runs without INTERNAL take
        self.label_at_user = False

    async def exchange(self, address, data=None, size=REGISTER_BYTES):
        """Read or write; return what was read, and whether the answer was no error."""
        raise NotImplementedError

    async def send(self, frame):
        """Send the bytes of a sample where samples go in."""
        raise NotImplementedError

    async def ask(self, address, data=None):
        """Make an access that is not refused."""
        value, good = await self.exchange(self.base + address, data)
        assert good, f"{address:#x} is refused: {await self.get('refusal')}"
        return value

    async def get(self, name):
        return await self.ask(REGISTER_BYTES * self.map.registers[name].index)

    async def set(self, name, value):
        await self.ask(REGISTER_BYTES * self.map.registers[name].index, value)

    async def write(self, region, address, words):
        window = self.map.windows[region]
        words = np.asarray(words, np.uint8)
        if window.packed:
            data = words.reshape(-1)
            assert address % REGISTER_BYTES == 0
            place = window.address(address)
            for at in range(0, len(data), REGISTER_BYTES):
                part = bytes(data[at : at + REGISTER_BYTES])
                await self.ask(place + at, int.from_bytes(part.ljust(4, b"\0"), "little"))
            return
        for number, word in enumerate(words, address):
            value = int.from_bytes(bytes(word), "little")
            for lane in range(window.lanes):
                await self.ask(window.address(number, lane), value >> 32 * lane & 0xFFFFFFFF)

    async def read(self, region, address, count):
        window, size = self.map.windows[region], self.params.regions[region].word_bytes
        if window.packed:
            assert address % REGISTER_BYTES == 0
            places = range(window.address(address), window.address(address + count), REGISTER_BYTES)
            data = b"".join([(await self.ask(place)).to_bytes(4, "little") for place in places])
            return np.frombuffer(data, np.uint8)[:count, None]
        words = []
        for number in range(address, address + count):
            value = 0
            for lane in range(window.lanes):
                value |= await self.ask(window.address(number, lane)) << 32 * lane
            words.append(value.to_bytes(size, "little"))
        return np.frombuffer(b"".join(words), np.uint8).reshape(count, size)

    async def run(self, request):
        await self.begin(request)
        await self.finish()

    async def begin(self, request):
        """Begin a run."""
        self.request = request
        for name in ("first", "count"):
            await self.set(name, request[name])
        await self.set("run", sum(f for f in RunFlags if request.get(f.name.lower())))

    async def finish(self):
        """Send the samples of a run, and wait for the interrupt."""
        if not self.request.get("internal"):
            first = self.request["first"]
            for sample in self.packed[first : first + self.request["count"]]:
                await self.send(bytes(sample))
        if not int(self.dut.irq.value):
            await First(RisingEdge(self.dut.irq), Timer(PERIOD * 1_000_000, "ns"))
        events = self.map.registers["events"]
        assert await self.get("events") & events["done"].mask
        await self.set("events", events["done"].mask)
        assert await self.get("status") & 1 == 0

    async def design(self, params, base):
        """Turn to a machine: see that its map is the one that is expected, enable its interrupt."""
        self.params, self.map, self.base = params, BusMap(params, self.bus), base
        assert await self.get("layout") == self.map.registers["layout"].reset
        await self.set("enable", self.map.registers["events"]["done"].mask)

    async def control(self, name):
        """Read a control register."""
        return await self.get(name)

    async def access(self, address, data=None, size=REGISTER_BYTES):
        value, good = await self.exchange(self.base + address, data, size)
        if good:
            return value, Refusal.NONE
        refusal = self.map.registers["refusal"].decode(await self.get("refusal"))
        assert refusal["write"] == (data is not None)
        assert await self.get("refused") == address & -REGISTER_BYTES
        await self.set("events", self.map.registers["events"]["refused"].mask)
        return None, refusal["reason"]

    async def label_in_user(self, whether):
        self.label_at_user = whether
        await self.set("options", int(whether))

    async def frame(self, data):
        await self.send(data)

    async def driver(self, kind, library, calls, stream=True):
        """Have a driver do the accesses, in a thread that waits for each."""

        async def read(address):
            value, good = await self.exchange(self.base + address)
            return value if good else None

        async def write(address, value):
            return (await self.exchange(self.base + address, value))[1]

        async def send(sample):
            await self.send(sample)
            return True

        def work():
            driver = kind(library, self.params)
            accesses = resume(read), resume(write), resume(send) if stream else None
            results = [driver.open_bus(*accesses)]
            return results + [getattr(driver, name)(*arguments) for name, *arguments in calls]

        return await bridge(work)()


async def connect(dut, params, host_of, manner):
    """Reset a machine; return its host.

    Parameters
    ----------
    dut : cocotb handle
    params : Params
    host_of : callable
        From the design under test, its Params, and how its host behaves, to a MappedHost.
    manner : object
        How it behaves.
    """
    dut.rst.value = 1
    # Wires are driven before a model of a bus looks at them, and inputs before the first edge.
    await Timer(PERIOD, "ns")
    host = host_of(dut, params, manner)
    await Timer(PERIOD, "ns")
    Clock(dut.clk, PERIOD, unit="ns", impl="gpi").start()
    await Timer(5 * PERIOD, "ns")
    dut.rst.value = 0
    await Timer(5 * PERIOD, "ns")
    await host.design(params, 0)
    return host


async def bench_of(dut, host_of):
    """Play the steps that came from outside; the arguments are those of :func:`connect`."""
    with exchange() as (steps, results):
        [(_, params), (_, manner), *steps] = steps
        results += await play_steps(await connect(dut, params, host_of, manner), steps)
