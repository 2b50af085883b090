"""Passes and the contrast scan of a leaky layer, against the formula."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect, flipped

from popflip.golden.description.packing import weights_to_bytes
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.rtl.layers.ports import Nudge
from popflip.rtl.layers.synapses import SynapseMemory, WriteSignature
from popflip.rtl.leaky.engine import LeakyEngine
from popflip.rtl.leaky.neurons import LeakyMemory, LeakyRegisters
from popflip.rtl.simulation import simulate


def network(network=None, dynamics=None, learning=None, machine=None):
    return Params.build({
        "network": {"image": [4, 4], "classes": 3, "copies": 2, **(network or {})},
        "dynamics": {"kind": "leaky", "gains": [40, 50], **(dynamics or {})},
        "learning": {"tau": [1, 1], **(learning or {})},
        "machine": machine or {},
    })


CASES = {
    "one-lane": (network({"hidden": [5]}), 1),
    "chunks": (
        network({"hidden": [7]}, {"gains": [190, 90]}, {"nudging": "positive"}, {
            "neuron_lanes": 3, "relax_lanes": 4, "row_lanes": 16, "latent_lanes": [4, 2],
        }), 1,
    ),
    "short-groups": (
        network(
            {"first": "local", "window": 3, "stride": 1, "features": 5}, {"code": "sign"}, None,
            {"neuron_lanes": 3, "relax_lanes": 5, "row_lanes": 9, "latent_lanes": [3, 2]},
        ), 1,
    ),
    "second-layer": (
        network(
            {"hidden": [6, 7]}, {"gains": [40, 30, 50], "feedback_gains": [30, 60]},
            {"tau": [1, 1, 1]},
            {"neuron_lanes": 4, "relax_lanes": 4, "row_lanes": 16, "latent_lanes": [4, 2, 2]},
        ), 2,
    ),
}  # fmt: skip


class Unit(wiring.Component):
    """An engine with its neurons and weights."""

    def __init__(self, params, layer):
        shape = params.synapses(layer)
        self.memory = SynapseMemory(shape, training=False)
        self.neurons = LeakyMemory(params) if layer == 1 else LeakyRegisters(params, layer)
        self.engine = LeakyEngine(params, layer)
        super().__init__({
            "weight_write": In(WriteSignature(shape.weight_depth, shape.word_bits, shape.banks,
                                              shape.slices)),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory, m.submodules.neurons = self.memory, self.neurons
        m.submodules.engine = engine = self.engine
        connect(m, flipped(self.weight_write), self.memory.weight_write)
        connect(m, engine.weights, self.memory.weight_read)
        connect(m, engine.neurons, self.neurons.neurons)
        return m


class Bench:
    """An engine among neighbours that are made up, and what it has to compute."""

    def __init__(self, name):
        self.params, self.layer = CASES[name]
        self.shape = self.params.synapses(self.layer)
        self.unit = Unit(self.params, self.layer)
        self.engine = self.unit.engine
        self.rng = np.random.default_rng(8)
        self.model = Model.initial(self.params, 4)
        self.signs = np.where(self.model.weights[self.layer], 1, -1)
        self.n, self.n_upper = self.params.sizes[self.layer : self.layer + 2]
        v_max = self.params.dynamics.v_max
        self.s = np.full(self.n, v_max)
        self.a = np.ones(self.n, bool)
        self.upper = np.zeros(self.n_upper, bool)
        self.written = []

    async def set_up(self, ctx):
        params, shape, unit = self.params, self.shape, self.unit
        for place, word in enumerate(weights_to_bytes(shape, self.model.weights[self.layer])):
            bank, address = divmod(place, 1 << shape.part_bits)
            if address < shape.weight_depth:
                number = int.from_bytes(bytes(word), "little")
                ctx.set(unit.weight_write.en, 1 << bank)
                ctx.set(unit.weight_write.address, address)
                ctx.set(unit.weight_write.data, number << bank * shape.word_bits)
                await ctx.tick()
        ctx.set(unit.weight_write.en, 0)
        if self.layer == 1:
            x = self.rng.random((1, params.n_in)) < 0.5
            self.below = self.model.drive(x)[0] + params.dynamics.hidden_threshold
            drive = unit.neurons.drive
            for slot in range(shape.slots):
                ctx.set(drive.index, slot)
                for row in np.flatnonzero(shape.slot(np.arange(self.n)) == slot):
                    ctx.set(drive.margins[int(shape.bank(row))], int(self.below[row]))
                ctx.set(drive.en, 1)
                await ctx.tick()
            ctx.set(drive.en, 0)
        else:
            dots = self.rng.integers(-6, 7, self.n)
            self.below = dots * params.dynamics.gains[self.layer - 1]
            for j, dot in enumerate(dots):
                ctx.set(unit.neurons.dots[j], int(dot))
        await self.pulse(ctx, "clear")

    async def pulse(self, ctx, name):
        listeners = [self.engine] if self.layer == 1 else [self.engine, self.unit.neurons]
        for value in (1, 0):
            for listener in listeners:
                ctx.set(getattr(listener.phase, name), value)
            if value:
                await ctx.tick()

    def show(self, ctx, bits, first=None):
        self.upper = bits
        ctx.set(self.engine.upper.last, sum(1 << int(i) for i in np.flatnonzero(bits)))
        ctx.set(self.engine.upper.active, int(bits.sum()))
        if first is not None:
            ctx.set(self.engine.upper.first, sum(1 << int(i) for i in np.flatnonzero(first)))

    async def pass_over(self, ctx):
        """Make a pass; check its cycles, the sums and each neuron's new activation."""
        p, engine, port = self.params, self.engine, self.engine.neurons
        before, s = self.model.value(self.a), self.s
        feedback = self.signs @ self.model.value(self.upper)
        pull = self.below + p.feedback_gain(self.layer) * feedback
        self.s = np.clip((s + pull) >> 1, 0, p.dynamics.v_max)
        self.a = self.s >= p.dynamics.output_threshold
        ctx.set(engine.visit.start, 1)
        await ctx.tick()
        ctx.set(engine.visit.start, 0)
        cycles, moved, groups = 1, False, []
        while not ctx.get(engine.visit.idle):
            moved |= bool(ctx.get(engine.visit.toggled))
            if ctx.get(port.write_en):
                groups.append((ctx.get(port.write_index), ctx.get(port.write_bits)))
            await ctx.tick()
            cycles += 1
        assert cycles == self.shape.weight_depth + engine.latency
        assert moved == (self.s != s).any()
        assert [ctx.get(dot) for dot in engine.dots] == (before @ self.signs).tolist()
        rows = np.arange(self.n)
        wanted = [
            (slot, sum(1 << int(self.shape.bank(r)) for r in rows[self.shape.slot(rows) == slot]
                       if self.a[r]))
            for slot in range(self.shape.slots)
        ]  # fmt: skip
        assert groups == wanted

    async def passes(self, ctx, count):
        for _ in range(count):
            self.show(ctx, self.rng.random(self.n_upper) < 0.5)
            await self.pass_over(ctx)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("handshake", ["full-rate", "backpressure", "polite"])
def test_a_sample(name, handshake):
    bench = Bench(name)
    engine, params = bench.engine, bench.params
    centered = params.learning.nudging == "centered"
    jobs, changed = [], []

    def shown(ctx, payload):
        if "place" in dict(payload.shape()):
            return {"row": ctx.get(payload.place.row), "up": ctx.get(payload.up)}
        return {name: ctx.get(payload[name]) for name, _ in payload.shape()}

    async def serve(ctx):
        rng = np.random.default_rng(1)
        while True:
            for port, got in ((engine.job, jobs), (engine.changed, changed)):
                offered = ctx.get(port.valid)
                ready = {
                    "full-rate": 1,
                    "backpressure": int(rng.random() < 0.3),
                    "polite": offered,
                }[handshake]
                ctx.set(port.ready, ready)
                if offered and ready:
                    got.append(shown(ctx, port.payload))
            await ctx.tick()

    async def run(ctx):
        await bench.set_up(ctx)
        ctx.set(engine.phase.first_state, 1)
        await bench.passes(ctx, 4)
        free = bench.s, bench.a
        await bench.pulse(ctx, "save")
        ctx.set(engine.phase.nudge, Nudge.PLUS)
        ctx.set(engine.phase.first_state, centered)
        first = bench.a
        first_upper = bench.upper
        await bench.passes(ctx, 2)
        if centered:
            first, first_upper = bench.a, bench.upper
            await bench.pulse(ctx, "restore")
            ctx.set(engine.phase.nudge, Nudge.MINUS)
            ctx.set(engine.phase.first_state, 0)
            bench.s, bench.a = free
            # A single step: what is scanned is not what it begins with.
            await bench.passes(ctx, 1)
        ctx.set(engine.phase.swap, not centered)
        bench.show(ctx, bench.upper, first_upper)
        await ctx.tick()
        ctx.set(engine.phase.learning, 1)
        await bench.pulse(ctx, "scan")
        while not ctx.get(engine.visit.idle):
            await ctx.tick()
        plus, minus = (first, bench.a) if centered else (bench.a, first)
        differs = plus != minus
        active = plus | minus | (params.dynamics.code == "sign")
        needed = differs | (active & (bench.upper != first_upper).any())
        rows = np.flatnonzero(needed)
        assert [job["row"] for job in jobs] == rows.tolist()
        assert [job["row_group"] for job in jobs] == bench.shape.slot(rows).tolist()
        assert [job["bank"] for job in jobs] == bench.shape.bank(rows).tolist()
        assert [job["plus"] for job in jobs] == plus[rows].tolist()
        assert [job["minus"] for job in jobs] == minus[rows].tolist()
        moved = np.flatnonzero(differs) if bench.layer == 1 else []
        assert [c["row"] for c in changed] == list(moved)
        assert [c["up"] for c in changed] == [bool(plus[row]) for row in moved]
        assert len(rows)

    simulate(bench.unit, run, background=[serve])


def test_nothing_to_learn_takes_a_cycle_for_each_group():
    bench = Bench("chunks")
    engine = bench.engine

    async def run(ctx):
        await bench.set_up(ctx)
        ctx.set(engine.phase.first_state, 1)
        await bench.passes(ctx, 3)
        bench.show(ctx, bench.upper, bench.upper)
        await ctx.tick()
        await bench.pulse(ctx, "scan")
        cycles = 1
        while not ctx.get(engine.visit.idle):
            assert not ctx.get(engine.job.valid)
            await ctx.tick()
            cycles += 1
        assert cycles == bench.shape.slots + 2

    simulate(bench.unit, run)


def test_a_machine_that_only_infers_has_no_scan():
    params = CASES["chunks"][0].replace(machine={"training": False})
    engine = LeakyEngine(params, 1)

    async def run(ctx):
        for name in ("clear", "scan"):
            ctx.set(getattr(engine.phase, name), 1)
            await ctx.tick()
            ctx.set(getattr(engine.phase, name), 0)
        for _ in range(20):
            assert ctx.get(engine.visit.idle)
            assert not ctx.get(engine.job.valid)
            await ctx.tick()

    simulate(engine, run)
