import random
from types import SimpleNamespace

import pytest
from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator

from popflip.boards.build.flash_pins import FlashPins, HalfCycles
from popflip.boards.families.ice40 import ICE40
from popflip.golden.description.sections.standalone import Standalone
from popflip.rtl.simulation import FlashModel, simulate
from popflip.rtl.standalone.flash_reader import FlashReader
from popflip.rtl.standalone.tests.test_flash_reader import build, content_of, packed


def ports(lines):
    """Ports as a platform would give them, without one."""
    return SimpleNamespace(
        cs=io.SimulationPort("o", 1, invert=True),
        clk=io.SimulationPort("o", 1),
        dq=io.SimulationPort("io", lines),
    )


class Assembly(wiring.Component):
    """A reader behind its pins, and the pins as a flash sees them."""

    def __init__(self, params, wired):
        self.params, self.port = params, ports(wired)
        self.reader = FlashReader(params)
        self.pins = SimpleNamespace(
            cs_n=Signal(), sck=Signal(2), o=Signal(4), oe=Signal(4), i=Signal(4)
        )
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        port, pins = self.port, self.pins
        m.submodules.reader = self.reader
        m.submodules.pads = pads = FlashPins(port, self.params.standalone, ICE40)
        connect(m, self.reader.flash, pads.flash)
        m.d.comb += [pins.cs_n.eq(port.cs.o), pins.sck.eq(port.clk.o.replicate(2))]
        n = len(port.dq)
        m.d.comb += [
            # What is not wired is pulled up.
            pins.o.eq(Cat(port.dq.o, Const((1 << 4 - n) - 1, 4 - n))),
            pins.oe.eq(Cat(port.dq.oe, Const((1 << 4 - n) - 1, 4 - n))),
            port.dq.i.eq(pins.i[:n]),
        ]
        return m


@pytest.mark.parametrize(
    ("flash", "wired"), [("single", 2), ("single", 4), ("dual", 2), ("dual", 4), ("quad", 4)]
)
def test_a_flash_is_read_through_the_pins_of_a_platform(flash, wired):
    params = build(flash)
    train, test = packed(params, 20), packed(params, 6, 2)
    dut = Assembly(params, wired)
    model = FlashModel(content_of(params, train, test))
    got = []

    async def bench(ctx):
        store = dut.reader.store
        ctx.set(store.request.payload, 17)
        ctx.set(store.request.valid, 1)
        ctx.set(store.data.ready, 1)
        while len(got) < params.sample_bytes:
            _, _, ready, valid, byte = await ctx.tick().sample(
                store.request.ready, store.data.valid, store.data.payload
            )
            if ready:
                ctx.set(store.request.valid, 0)
            if valid:
                got.append(byte)

    simulate(dut, bench, background=[model.process(dut.pins)])
    assert got == train[17].tolist()


def test_halves_of_a_cycle():
    """Sampled in the middle of both halves, as a register of double data rate would give them."""
    dut, rng = HalfCycles(), random.Random(4)
    given = [rng.randrange(4) for _ in range(50)]
    seen = []

    async def bench(ctx):
        for halves in given:
            ctx.set(dut.i, halves)
            await ctx.tick()
            await ctx.delay(0.25e-6)
            first = ctx.get(dut.o)
            await ctx.delay(0.5e-6)
            seen.append(first | ctx.get(dut.o) << 1)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == given


@pytest.mark.parametrize(("divider", "delay", "wanted"), [(1, 1, 2), (2, 1, 0)])
def test_registers_on_the_way_are_counted(divider, delay, wanted):
    standalone = Standalone(flash="quad", flash_divider=divider, flash_delay=delay)
    with pytest.raises(
        ValueError, match=rf"^standalone\.flash_delay must be {wanted} with a flash_di"
    ):
        FlashPins(ports(4), standalone, ICE40)
