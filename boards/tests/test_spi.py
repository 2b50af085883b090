from types import SimpleNamespace

import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import connect

from popflip.boards.spi import FlashPins
from popflip.golden.params import Alone
from popflip.rtl.flash import FlashReader
from popflip.rtl.testing import FlashModel, simulate
from popflip.rtl.tests.test_flash import build, content_of, packed


def ports(flash):
    """Ports as a platform would give them, without one."""
    port = SimpleNamespace(cs=io.SimulationPort("o", 1, invert=True), clk=io.SimulationPort("o", 1))
    if flash == "quad":
        port.dq = io.SimulationPort("io", 4)
    else:
        port.copi, port.cipo = io.SimulationPort("o", 1), io.SimulationPort("i", 1)
        for name in ("wp", "hold"):
            setattr(port, name, io.SimulationPort("o", 1, invert=True))
    return port


class Assembly(wiring.Component):
    """A reader behind its pins, and the pins as a flash sees them."""

    def __init__(self, params):
        self.params, self.port = params, ports(params.alone.flash)
        self.reader = FlashReader(params)
        self.pins = SimpleNamespace(
            cs_n=Signal(), sck=Signal(2), o=Signal(4), oe=Signal(4), i=Signal(4)
        )
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        port, pins = self.port, self.pins
        m.submodules.reader = self.reader
        m.submodules.pads = pads = FlashPins(port, self.params.alone)
        connect(m, self.reader.flash, pads.flash)
        m.d.comb += [pins.cs_n.eq(port.cs.o), pins.sck.eq(port.clk.o.replicate(2))]
        if hasattr(port, "dq"):
            m.d.comb += [pins.o.eq(port.dq.o), pins.oe.eq(port.dq.oe), port.dq.i.eq(pins.i)]
        else:
            m.d.comb += [
                pins.o.eq(Cat(port.copi.o, 0, port.wp.o, port.hold.o)),
                pins.oe.eq(0b1101),
                port.cipo.i.eq(pins.i[1]),
            ]
        return m


@pytest.mark.parametrize("flash", ["single", "quad"])
def test_a_flash_is_read_through_the_pins_of_a_platform(flash):
    params = build(flash)
    train, test = packed(params, 20), packed(params, 6, 2)
    dut = Assembly(params)
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


@pytest.mark.parametrize(("divider", "delay", "wanted"), [(1, 1, 2), (2, 1, 0)])
def test_registers_on_the_way_are_counted(divider, delay, wanted):
    alone = Alone(flash="quad", flash_divider=divider, flash_delay=delay)
    with pytest.raises(ValueError, match=rf"^alone\.flash_delay must be {wanted} with a flash_di"):
        FlashPins(ports("quad"), alone)
