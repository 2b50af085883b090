"""One way to run a component in Amaranth's simulator, for the unit tests."""

import os
import re
from contextlib import nullcontext
from pathlib import Path

from amaranth.sim import Simulator

__all__ = ["FlashModel", "simulate"]


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

    simulator = Simulator(dut)
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


class FlashModel:
    """An SPI flash at the pins of :class:`popflip.rtl.flash.FlashSignature`, in the simulator.

    It sleeps until it is woken, knows the instructions ABh, 0Bh and 6Bh, and holds whoever drives
    it to the protocol: clock mode 0, the clock low whenever it is selected or let go, whole
    instructions, lines driven by one side at a time.

    Parameters
    ----------
    pins : object
        With the members of the signature.
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

    def __init__(self, pins, content: bytes, *, delay: int = 0, rest: int = 0):
        self.pins, self.content, self.delay, self.rest = pins, content, delay, rest
        self.asleep = True
        self.reads: list[tuple[int, int]] = []

    async def process(self, ctx):
        """Answer for ever."""
        pins = self.pins
        lines = [0b1111] * self.delay
        clock, selected, cycle, woken = 0, False, 0, 0
        bits = instruction = address = nibbles = 0
        driven = None
        while True:
            deselected = ctx.get(pins.cs_n)
            halves = ctx.get(pins.sck)
            o, oe = ctx.get(pins.o), ctx.get(pins.oe)
            if deselected:
                assert halves == 0 or not selected, "clocked while let go"
                assert clock == 0, "let go while the clock is high"
                if selected and instruction == 0xAB and bits == 8:
                    self.asleep, woken = False, cycle
                elif selected:
                    assert bits > 40, f"let go in the midst of a command, after {bits} bits"
                    self.reads.append((address, bits - 40))
                selected, driven = False, None
            else:
                if not selected:
                    assert clock == 0, "selected while the clock is high"
                    selected, bits, instruction, address = True, 0, 0, 0
                for level in (halves & 1, halves >> 1):
                    if level and not clock:
                        if bits < 32:
                            assert oe == 0b1101, "the input is not driven, or the output is"
                            assert o >> 2 == 0b11, "write protection or hold"
                        if bits < 8:
                            instruction = instruction << 1 | o & 1
                        elif bits < 32:
                            address = address << 1 | o & 1
                        bits += 1
                        if bits == 8:
                            assert instruction in ((0xAB,) if self.asleep else (0x0B, 0x6B))
                            assert instruction == 0xAB or cycle - woken > self.rest, "too early"
                        assert bits <= 8 or instruction != 0xAB
                    elif clock and not level and bits >= 40:
                        quad = instruction == 0x6B
                        nibbles = bits - 40
                        at = address + nibbles // (2 if quad else 8)
                        byte = self.content[at] if at < len(self.content) else 0xFF
                        if quad:
                            assert oe == 0, "both sides drive the lines"
                            driven = byte >> 4 if nibbles % 2 == 0 else byte & 0xF
                        else:
                            assert oe & 0b10 == 0, "both sides drive the output"
                            driven = 0b1101 | (byte >> 7 - nibbles % 8 & 1) << 1
                    clock = level
            lines.append(0b1111 if driven is None else driven)
            ctx.set(pins.i, lines.pop(0))
            cycle += 1
            await ctx.tick()
