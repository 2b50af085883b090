"""One way to run a component in Amaranth's simulator, for the unit tests."""

import os
import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from popflip.golden.description.params import Params

__all__ = ["CoreHost", "FlashModel", "play_core", "simulate"]


def simulate(dut, *benches, background=(), deadline=10_000):
    """Run ``dut`` until every bench has returned.

    With ``WAVES=1`` in the environment the waveforms go to ``build/waves/<test>.vcd`` under the
    current folder.

    Parameters
    ----------
    dut : amaranth.lib.wiring.Component
    *benches : async function of a simulator context
        Run side by side, clocked by the ``sync`` domain.
    background : sequence of async function of a simulator context
        Run beside them, and are not waited for.
    deadline : int
        Cycles after which the run fails.

    Raises
    ------
    AssertionError
        From a bench, or at the deadline.
    """

    async def watchdog(ctx):
        cycles = 0
        async for _ in ctx.tick():
            cycles += 1
            if cycles > deadline:
                raise AssertionError(f"{type(dut).__name__}: not done after {deadline} cycles")

    top = Module()
    top.domains.sync = ClockDomain()  # a component without registers has none
    top.submodules.dut = dut
    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    for bench in (*background, watchdog):
        simulator.add_testbench(bench, background=True)
    with simulator.write_vcd(_wave_file()) if os.environ.get("WAVES") == "1" else nullcontext():
        simulator.run()


def _wave_file() -> str:
    """Name a waveform file after the test that pytest is in."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "run").rsplit("::", 1)[-1].removesuffix(" (call)")
    folder = Path("build", "waves")
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', test).strip('-')}.vcd")


class CoreHost:
    """The host port of a trainer core, and its sample store, inside the simulator.

    Parameters
    ----------
    params : Params
    core : popflip.rtl.core.core.TrainerCore
    samples : ndarray of uint8, shape (n, sample_bytes)
        What the store holds, packed.
    gap : int
        Cycles that the store takes before each byte.
    """

    def __init__(self, params: Params, core, samples, gap: int = 0):
        self.params, self.core, self.samples, self.gap = params, core, samples, gap
        self.regions, self.registers = params.regions, params.registers

    async def store(self, ctx):
        """Answer requests for samples for ever."""
        port = self.core.store
        while True:
            ctx.set(port.request.ready, 1)
            _, _, valid, number = await ctx.tick().sample(port.request.valid, port.request.payload)
            if not valid:
                continue
            ctx.set(port.request.ready, 0)
            for byte in self.samples[number]:
                ctx.set(port.data.valid, 0)
                for _ in range(self.gap):
                    await ctx.tick()
                ctx.set(port.data.valid, 1)
                ctx.set(port.data.payload, int(byte))
                ready = 0
                while not ready:
                    _, _, ready = await ctx.tick().sample(port.data.ready)
            ctx.set(port.data.valid, 0)

    async def command(self, ctx, region: str, address: int, data: int | None = None):
        """Write a word, or read one and return it."""
        host = self.core.host
        ctx.set(host.command.payload.region, self.regions[region].index)
        ctx.set(host.command.payload.address, address)
        ctx.set(host.command.payload.write, data is not None)
        ctx.set(host.command.payload.data, data or 0)
        ctx.set(host.command.valid, 1)
        await ctx.tick()
        ctx.set(host.command.valid, 0)
        if data is not None:
            await ctx.tick()
            return None
        while True:
            _, _, valid, payload = await ctx.tick().sample(host.reply.valid, host.reply.payload)
            if valid:
                return payload

    async def write(self, ctx, region: str, words, address: int = 0):
        """Write words of a region, an array of uint8 of shape (n, word_bytes)."""
        for at, word in enumerate(words, address):
            await self.command(ctx, region, at, int.from_bytes(bytes(word), "little"))

    async def read(self, ctx, region: str, address: int = 0, count: int | None = None):
        """Read words of a region, all up to its end: uint8 of shape (count, word_bytes)."""
        described = self.regions[region]
        words = []
        end = described.depth if count is None else address + count
        for at in range(address, end):
            word = await self.command(ctx, region, at)
            words.append(list(word.to_bytes(described.word_bytes, "little")))
        return np.array(words, np.uint8)

    async def register(self, ctx, name: str, value: int | None = None):
        """Write a register, or read it and return its value."""
        return await self.command(ctx, "registers", self.registers[name].index, value)

    async def run(self, ctx, first: int, count: int, *, train=True, flush=False, internal=False):
        """Run samples, and wait for the end."""
        run = self.core.host.run
        for name, value in (
            ("train", train), ("internal", internal), ("flush", flush), ("first", first),
            ("count", count),
        ):  # fmt: skip
            ctx.set(run.payload[name], value)
        ctx.set(run.valid, 1)
        await ctx.tick()
        ctx.set(run.valid, 0)
        async for _, _, busy in ctx.tick().sample(self.core.host.busy):
            if not busy:
                return


def play_core(params: Params, steps: list, deadline: int = 1_000_000) -> list:
    """Play steps to a trainer core in Amaranth's simulator.

    Parameters
    ----------
    params : Params
    steps : list of tuple
        As ``cocotb_tests/tb_core.py`` takes them.
    deadline : int
        Cycles after which it fails.

    Returns
    -------
    list of ndarray
        What was read.
    """
    # Only here, where a core is built: the tests of its parts are sooner there without.
    from popflip.rtl.core.core import TrainerCore

    core = TrainerCore(params)
    host = CoreHost(params, core, [])
    results = []

    async def bench(ctx):
        for what, *arguments in steps:
            if what == "samples":
                [host.samples] = arguments
            elif what == "write":
                region, address, words = arguments
                await host.write(ctx, region, words, address)
            elif what == "read":
                results.append(await host.read(ctx, *arguments))
            elif what == "run":
                await host.run(ctx, **arguments[0])

    simulate(core, bench, background=[host.store], deadline=deadline)
    return results


#: Lines that the data of a read come on, by its instruction.
_LINES = {0x0B: 1, 0x3B: 2, 0x6B: 4}


class FlashModel:
    """An SPI flash at the pins of a :class:`~popflip.rtl.standalone.flash_reader.FlashReader`.

    It sleeps until it is woken, knows the instructions ABh, 0Bh, 3Bh and 6Bh, and holds whoever
    drives it to the protocol: clock mode 0, the clock low whenever it is selected or let go, whole
    instructions, lines driven by one side at a time.

    Parameters
    ----------
    content : bytes
        From address 0 on; ones behind it.
    delay : int
        Registers on the way, there and back together.
    rest : int
        Cycles that the flash wants between waking and the first read.

    Attributes
    ----------
    reads : list of (int, int)
        Address of each read, and clocks of its data.
    """

    def __init__(self, content: bytes, *, delay: int = 0, rest: int = 0):
        self.content, self.rest = content, rest
        self.reads: list[tuple[int, int]] = []
        self._lines = [0b1111] * delay
        self._asleep, self._selected = True, False
        self._cycle = self._woken = 0
        self._clock = self._bits = self._instruction = self._address = 0
        self._driven: int | None = None

    def step(self, cs_n: int, sck: int, o: int, oe: int) -> int:
        """Take the outputs of a cycle; return what is on the lines in it, or ``delay`` later."""
        if cs_n:
            assert sck == 0, "clocked while let go"
            assert self._clock == 0, "let go while the clock is high"
            if self._selected:
                self._let_go()
        else:
            if not self._selected:
                self._selected = True
                self._bits = self._instruction = self._address = 0
            for level in (sck & 1, sck >> 1):
                if level and not self._clock:
                    self._rise(o, oe)
                elif self._clock and not level:
                    self._fall(oe)
                self._clock = level
        self._cycle += 1
        self._lines.append(0b1111 if self._driven is None else self._driven)
        return self._lines.pop(0)

    def _let_go(self):
        if self._instruction == 0xAB and self._bits == 8:
            self._asleep, self._woken = False, self._cycle
        else:
            assert self._bits > 40, f"let go in the middle of a command, after {self._bits} bits"
            self.reads.append((self._address, self._bits - 40))
        self._selected, self._driven = False, None

    def _rise(self, o, oe):
        if self._bits < 32:
            assert oe == 0b1101, "the input is not driven, or the output is"
            assert o >> 2 == 0b11, "write protection or hold"
        if self._bits < 8:
            self._instruction = self._instruction << 1 | o & 1
        elif self._bits < 32:
            self._address = self._address << 1 | o & 1
        self._bits += 1
        assert self._bits <= 8 or self._instruction != 0xAB
        if self._bits == 8:
            assert self._instruction in ((0xAB,) if self._asleep else _LINES)
            early = self._cycle - self._woken <= self.rest
            assert self._instruction == 0xAB or not early, "too early"

    def _fall(self, oe):
        n = self._bits - 40
        if n < 0:
            return
        lines = _LINES[self._instruction]
        clocks = 8 // lines
        at = self._address + n // clocks
        byte = self.content[at] if at < len(self.content) else 0xFF
        mask = 0b10 if lines == 1 else (1 << lines) - 1
        assert oe & mask == 0, "both sides drive the lines"
        bits = byte >> lines * (clocks - 1 - n % clocks)
        self._driven = 0b1111 & ~mask | (bits << (lines == 1) & mask)

    def process(self, pins):
        """Return a process that answers for ever at some pins in Amaranth's simulator."""

        async def answer(ctx):
            while True:
                outputs = (ctx.get(port) for port in (pins.cs_n, pins.sck, pins.o, pins.oe))
                ctx.set(pins.i, self.step(*outputs))
                await ctx.tick()

        return answer
