"""A host on a bus with addresses, inside the simulator, whatever the bus.

Benches of this kind take the steps of ``tb_core``, so that the same golden run judges them, and

- ``"access"``, byte address, data or None, bytes: one access as it is; ``(value, reason)`` is a
  result, the reason a number of :class:`popflip.golden.description.bus.Refusal`;
- ``"label_in_user"``, whether: how samples of the stream have their labels;
- ``"frame"``, bytes: sent as they are where samples go in;
- ``"predictions"``: those of the stream since the last time are a result.
"""

import numpy as np
from cocotb.triggers import First, RisingEdge, Timer

from popflip.cocotb_tests.bus import PERIOD
from popflip.golden.description.bus import BusMap, Refusal
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import RunFlags
from popflip.golden.description.registers import REGISTER_BYTES

__all__ = ["MappedHost"]


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
        self.dut, self.params, self.map = dut, params, BusMap(params, bus)
        self.packed = None  # what runs without INTERNAL take
        self.label_at_user = False

    async def exchange(self, address, data=None, size=REGISTER_BYTES):
        """Read or write; return what was read, and whether the answer was no error."""
        raise NotImplementedError

    async def send(self, frame):
        """Send the bytes of a sample where samples go in."""
        raise NotImplementedError

    async def begin(self):
        """See that this is the map that is expected, and enable the interrupt."""
        layout = self.map.registers["layout"]
        assert await self.get("layout") == layout.reset
        await self.set("enable", self.map.registers["events"]["done"].mask)

    async def ask(self, address, data=None):
        """Make an access that is not refused."""
        value, good = await self.exchange(address, data)
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
        """Run, and wait for the interrupt."""
        request = dict(request)
        for name in ("first", "count"):
            await self.set(name, request[name])
        flags = sum(flag for flag in RunFlags if request.get(flag.name.lower()))
        await self.set("run", int(flags))
        if not request.get("internal"):
            first = request["first"]
            for sample in self.packed[first : first + request["count"]]:
                await self.send(bytes(sample))
        if not int(self.dut.irq.value):
            await First(RisingEdge(self.dut.irq), Timer(PERIOD * 1_000_000, "ns"))
        events = self.map.registers["events"]
        assert await self.get("events") == events["done"].mask
        await self.set("events", events["done"].mask)
        assert await self.get("status") & 1 == 0

    async def access(self, address, data, size):
        value, good = await self.exchange(address, data, size)
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

    async def play(self, steps):
        """Play steps; return the results of those that have some."""
        results = []
        await self.begin()
        for what, *arguments in steps:
            if what == "samples":
                [self.packed] = arguments
                continue
            result = await getattr(self, what)(*arguments)
            if result is not None:
                results.append(result)
        return results
