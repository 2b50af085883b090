import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from popflip.boards.build.inventory import MemoryBlock, inventory, read_inventory
from popflip.boards.tests.networks import MICRO


class Sample(wiring.Component):
    """A little of everything, of known sizes."""

    def __init__(self):
        super().__init__({"a": In(8), "b": In(8), "s": In(3), "q": Out(8), "r": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.table = table = Memory(shape=10, depth=40, init=[])
        write, read = table.write_port(), table.read_port()
        held = Signal(10)
        m.d.sync += [held.eq(read.data)]
        m.d.comb += [
            write.addr.eq(self.a), read.addr.eq(self.b), read.en.eq(1), write.en.eq(self.s[0]),
            write.data.eq(self.a + self.b),
            self.q.eq((self.a & self.b) >> self.s),
            self.r.eq(self.a < self.b),
        ]  # fmt: skip
        with m.If(self.r):
            m.d.sync += held.eq(0)
        return m


def test_everything_is_counted():
    top = Sample()
    ports = [top.a, top.b, top.s, top.q, top.r]
    found = read_inventory(rtlil.convert(top, ports=ports, name="machine", emit_src=False))
    assert found.memories == (MemoryBlock(name="table", depth=40, width=10, shared=True),)
    assert found.ffs == 10
    assert found.arithmetic == 9
    assert found.compared == 8
    assert found.logic == 8
    assert found.shifted == 8
    # The assignment under the condition, and that of the reset.
    assert found.multiplexed == 20


def test_weights_and_latents_are_as_the_memory_map_says():
    found = {memory.name: memory for memory in inventory(MICRO).memories}
    for region in MICRO.regions:
        if region.name.startswith("latents"):
            memory = found[f"core.memory{region.name[-1]}.latents0"]
            assert (memory.depth, memory.width) == (region.depth, region.width)
            assert not memory.shared
    for layer in range(MICRO.depth):
        shape = MICRO.synapses(layer)
        banks = [m for m in found.values() if m.name.startswith(f"core.memory{layer}.weights")]
        assert len(banks) == shape.banks
        assert {(m.depth, m.width) for m in banks} == {(shape.weight_depth, shape.word_bits)}


def test_the_host_may_meet_the_machine_in_two_memories():
    shared = {memory.name for memory in inventory(MICRO).memories if memory.shared}
    assert shared == {"core.results.ring", "core.feeder.slots"}


def test_a_machine_that_only_infers_has_no_latents():
    found = inventory(MICRO.replace(machine={"training": False}))
    assert not [memory for memory in found.memories if "latents" in memory.name]
    assert found.ffs < inventory(MICRO).ffs


def test_what_is_no_hardware_is_refused():
    with pytest.raises(ValueError, match=r"^network.pixel_bits must be 1 in hardware"):
        inventory(MICRO.replace(network={"pixel_bits": 8}))
