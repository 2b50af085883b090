"""What a bus must see of a machine, as plain software: the reference of the bridge's tests."""

from popflip.golden.description.bus import BusMap, Refusal
from popflip.golden.description.params import Params
from popflip.golden.description.registers import REGISTER_BITS

ALL = 0xF


class BusModel:
    """Answers accesses, and keeps what they change: ``memory[region, word]``, ``settings``.

    The control registers that count or tell of the past are not modelled.
    """

    def __init__(self, params: Params, bus: str):
        self.params, self.map = params, BusMap(params, bus)
        self.memory: dict[tuple[str, int], int] = {}
        self.settings = {r.name: r.reset for r in self.map.registers}
        self.next = None  # address of the lane that may be written next, and the lanes before it
        self.lanes: list[int] = []
        self.frames: list[bytes] = []
        self.full = False

    def window(self, address):
        return next((w for w in self.map.windows if w.base <= address < w.base + w.span), None)

    def place(self, window, address):
        offset = (address - window.base) // 4
        return (offset, 0) if window.packed else divmod(offset, 1 << window.lane_bits)

    def judge(self, address, data, strobe, busy):
        """Return why an access is refused; ``data`` is None for a read."""
        window, write = self.window(address), data is not None
        if window is None or not self.exists(window, address & -4):
            return Refusal.UNMAPPED
        if (not strobe) if window.packed else (address % 4 or strobe != ALL):
            return Refusal.WIDTH
        region = window.region
        readable, writable, read_in_run, written_in_run = True, True, True, True
        if window.name == "sample":
            readable = False
        elif region is not None:
            read_in_run = region.name in ("registers", "results")
            written_in_run = region.name == "samples"
            writable = region.name != "results"
            if region.name == "registers":
                writable = self.params.registers[self.place(window, address)[0]].writable
        if not (writable if write else readable):
            return Refusal.ACCESS
        if busy and not (written_in_run if write else read_in_run):
            return Refusal.BUSY
        if window.name == "control":
            return self.judge_control(address // 4, data, busy) if write else Refusal.NONE
        if write and not window.packed:
            first = address == window.base if window.name == "sample" else False
            first = first or (region is not None and self.place(window, address)[1] == 0)
            if not first and self.next != address:
                return Refusal.ORDER
            if window.name == "sample" and first and self.full:
                return Refusal.FULL
        return Refusal.NONE

    def judge_control(self, index, data, busy):
        register = self.map.registers[index]
        if not register.writable:
            return Refusal.ACCESS
        if register.name == "run" and busy:
            return Refusal.BUSY
        if register.name == "run" and not self.settings["count"]:
            return Refusal.VALUE
        if register.name == "command" and busy and data & register["discard"].mask:
            return Refusal.BUSY
        if data >> register.bits and register.name != "events":
            return Refusal.VALUE
        return Refusal.NONE

    def exists(self, window, address):
        if window.name == "control":
            return address // 4 < len(self.map.registers)
        if window.region is None or window.packed:
            return address < window.base + window.n_bytes
        word, lane = self.place(window, address)
        return word < window.region.depth and lane < window.lanes

    def write(self, address, data, strobe):
        window = self.window(address)
        word, _ = self.place(window, address)
        if window.name == "control":
            if not self.map.registers[word].command:
                self.settings[self.map.registers[word].name] = data
            return
        if window.packed:
            self.next = None
            region = window.region
            for i in range(4):
                number = 4 * word + i
                if strobe >> i & 1 and number < region.depth and region.holds(number):
                    self.memory[region.name, number] = data >> 8 * i & (1 << region.width) - 1
            return
        first = word == 0 if window.name == "sample" else address == window.address(word)
        self.lanes = ([] if first else self.lanes) + [data]
        self.next = address + 4
        if window.name == "sample":
            if address + 4 == window.base + window.n_bytes:
                self.next = None
                whole = b"".join(lane.to_bytes(4, "little") for lane in self.lanes)
                self.frames.append(whole[: self.params.sample_bytes])
        elif len(self.lanes) == window.lanes:
            self.next = None
            value = sum(lane << REGISTER_BITS * i for i, lane in enumerate(self.lanes))
            if window.region.holds(word):
                self.memory[window.name, word] = value & (1 << window.region.width) - 1

    def read(self, address):
        window = self.window(address)
        word, lane = self.place(window, address)
        region = window.region
        if not window.packed:
            value = self.memory.get((region.name, word), 0) if region.holds(word) else 0
            return value >> REGISTER_BITS * lane & 0xFFFFFFFF
        numbers = [4 * word + i for i in range(4)]
        values = [
            self.memory.get((region.name, n), 0) if n < region.depth and region.holds(n) else 0
            for n in numbers
        ]
        return sum(value << 8 * i for i, value in enumerate(values))
