"""What a memory returns that is read and written at one address in the same cycle matters nowhere.

Yosys is told so (:data:`popflip.boards.build.memory_rules.UNSHARED`), and a block RAM then returns
whatever it likes. Here it returns the wrong thing: every bit inverted. The machine learns all the
same.
"""

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib.memory import Memory
from amaranth.sim import Simulator

from popflip.boards.host.machine import BoardMachine
from popflip.boards.virtual.board import VirtualBoard
from popflip.golden.description.params import Params
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import differences, initial_state
from popflip.rtl.verilog import generate

LOCAL = Params.build({
    "network": {
        "image": [6, 6], "first": "local", "window": 3, "stride": 1, "features": 3,
        "classes": 3, "copies": 2,
    },
    "dynamics": {"gains": [90, 40]},
    "learning": {"tau": [2, 1], "beta": 3, "batch": 4},
    "machine": {"row_lanes": 4, "neuron_lanes": 2, "relax_lanes": 4, "latent_lanes": [2, 3]},
})  # fmt: skip
DEEP = Params.build({
    "network": {"image": [6, 6], "hidden": [9, 7], "classes": 3, "copies": 2},
    "dynamics": {"code": "sign", "gains": [20, 30, 40], "v0": 128},
    "learning": {"tau": [2, 2, 1], "beta": 3},
    "machine": {"row_lanes": 12, "relax_lanes": 3, "latent_lanes": [6, 3, 3]},
})  # fmt: skip

SHARED = LOCAL.replace(
    learning={"batch": 1},
    machine={
        "row_lanes": 9, "neuron_lanes": 1, "relax_lanes": 6, "latent_lanes": [2, 2],
        "weight_slice": 4, "shared_update": True,
    },
)  # fmt: skip

LEAKY = DEEP.replace(
    dynamics={"kind": "leaky", "code": "heaviside", "gains": [60, 80, 80], "free_sweeps": 6},
    machine={"neuron_lanes": 2},
)

elaborate = Memory.elaborate


def garbled(memory, platform):
    """Elaborate a memory whose read data are turned over after a collision."""
    m = Module()
    inner = Memory(shape=memory.shape, depth=memory.depth, init=list(memory.init))
    writes = []
    for port in memory.write_ports:
        write = inner.write_port(granularity=port.signature.granularity)
        m.d.comb += [write.addr.eq(port.addr), write.data.eq(port.data), write.en.eq(port.en)]
        writes.append(write)
    for port in memory.read_ports:
        read = inner.read_port()
        hit = Signal()
        m.d.comb += [read.addr.eq(port.addr), read.en.eq(port.en)]
        meets = Cat((w.en != 0) & (w.addr == port.addr) for w in writes).any()
        with m.If(port.en):
            m.d.sync += hit.eq(meets)
        data = Value.cast(read.data)
        m.d.comb += Value.cast(port.data).eq(Mux(hit, ~data, data))
    m.submodules.inner = inner
    # Not this function again.
    inner.elaborate = lambda platform: elaborate(inner, platform)
    return m


def test_a_collision_is_garbled(monkeypatch):
    monkeypatch.setattr(Memory, "elaborate", garbled)
    memory = Memory(shape=8, depth=4, init=[1, 2, 3, 4])
    write, read = memory.write_port(), memory.read_port()

    async def bench(ctx):
        ctx.set(read.en, 1)
        for address, writes, wanted in (
            (2, False, 3),
            (2, True, 0xFC),
            (2, False, 9),
            (1, True, 2),
        ):
            ctx.set(read.addr, address)
            ctx.set(write.addr, 2)
            ctx.set(write.data, 9)
            ctx.set(write.en, writes)
            await ctx.tick()
            assert ctx.get(read.data) == wanted

    sim = Simulator(memory)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.slow
@pytest.mark.parametrize(
    "params", [LOCAL, DEEP, SHARED, LEAKY], ids=["local", "deep", "shared", "leaky"]
)
def test_the_machine_learns_with_memories_that_garble(params, monkeypatch):
    monkeypatch.setattr(Memory, "elaborate", garbled)
    verilog = generate(params, name="top")
    monkeypatch.undo()
    assert verilog.count("\nmodule ") > generate(params).count("\nmodule ")
    rng = np.random.default_rng(7)
    x, labels = rng.random((60, params.n_in)) < 0.4, rng.integers(0, 3, 60)
    board = VirtualBoard(
        verilog, divisor=params.machine.uart_divisor, sample_bytes=params.sample_bytes
    )
    try:
        machine, golden = BoardMachine(params, board), GoldenMachine(params)
        for store in (True, False):
            if not store:
                machine._store = None  # over the link, a few at a time
            reports = []
            for each in (machine, golden):
                each.write_state(initial_state(params, 3))
                each.set_tau(params.learning.tau)
                each.load(x, labels)
                reports.append(each.train(0, len(x), flush=True))
            assert reports[0].flips == reports[1].flips
            assert sum(reports[0].flips) > 0
            assert differences(machine.read_state(), golden.read_state()) == []
            assert (machine.infer(0, 60)[1] == golden.infer(0, 60)[1]).all()
    finally:
        board.close()
