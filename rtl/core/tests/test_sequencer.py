"""The order in which a sample goes through the engines, beside engines that are made up."""

import pytest

from popflip.golden.description.params import Params
from popflip.rtl.core.sequencer import Sequencer
from popflip.rtl.core.signatures import Stage
from popflip.rtl.layers.ports import Nudge
from popflip.rtl.simulation import simulate


def network(nudging="centered", batch=1, active_bound=2, hidden=(6,)):
    depth = len(hidden) + 1
    return Params.build({
        "network": {"image": [4, 4], "hidden": list(hidden), "classes": 2, "copies": 2},
        "dynamics": {"gains": [40] * depth, "free_sweeps": 3, "active_bound": active_bound},
        "learning": {
            "tau": [3] * depth, "nudged_sweeps": 2, "nudging": nudging, "batch": batch,
        },
        "machine": {"row_lanes": 16, "relax_lanes": 2, "latent_lanes": [2] * depth},
    })  # fmt: skip


class Bench:
    """Engines that answer a few cycles later, and a log of what they are told."""

    def __init__(self, params, *, toggles=(), samples=1, untested=False):
        self.dut, self.params = Sequencer(params), params
        self.toggles = list(toggles)  # whether each update of the outputs changes any
        self.samples, self.untested = samples, untested
        self.log, self.stages = [], []
        self.active = 0
        self.fed = self.done = 0

    def told(self, ctx):
        """What the sequencer says in this cycle."""
        dut, phase = self.dut, self.dut.phase
        pulses = {
            "start": dut.feed.start, "clear": phase.clear, "save": phase.save,
            "restore": phase.restore, "scan": phase.scan, "update": dut.output.update,
            "flush": dut.updates[0].flush, "draw": dut.draw, "restarted": dut.restarted,
            "finish": dut.finish,
            **{f"visit{l}": visit.start for l, visit in enumerate(dut.visits, 1)},
        }  # fmt: skip
        return [name for name, pulse in pulses.items() if ctx.get(pulse)]

    async def engines(self, ctx):
        """Answer for ever: visits and updates are over two cycles after their pulse."""
        dut, visits, updates, toggled = self.dut, 0, 0, False
        ctx.set(dut.batch, self.params.learning.batch)
        ctx.set(dut.immediate, self.params.learning.batch == 1)
        ctx.set(dut.sample.driven, 1)
        ctx.set(dut.predicted, 1)
        ctx.set(dut.feed.idle, 1)
        for update in dut.updates:
            ctx.set(update.stale, self.untested)
        while True:
            for visit in dut.visits:
                ctx.set(visit.idle, visits == 0)
            ctx.set(dut.output.idle, updates == 0)
            ctx.set(dut.output.toggled, toggled)
            ctx.set(dut.output.moved, toggled)
            ctx.set(dut.active, self.active)
            ctx.set(dut.feed.over, self.fed == self.samples)
            ctx.set(dut.sample.full, self.fed > self.done)
            events = self.told(ctx)
            self.log += events
            self.stages.append(Stage(ctx.get(dut.stage)))
            more = self.fed < self.samples
            if "start" in events or ("finish" in events and more):
                self.fed += 1
            self.done += "finish" in events
            if "update" in events:
                toggled = bool(self.toggles and self.toggles.pop(0))
            updates = 2 if "update" in events else max(0, updates - 1)
            visits = 2 if {"visit1", "visit2"} & set(events) else max(0, visits - 1)
            await ctx.tick()

    async def run(self, ctx, *, train=True, flush=False):
        dut = self.dut
        await ctx.tick()
        for name, value in (("train", train), ("flush", flush), ("count", self.samples)):
            ctx.set(dut.run.payload[name], value)
        ctx.set(dut.run.valid, 1)
        await ctx.tick()
        ctx.set(dut.run.valid, 0)
        while ctx.get(dut.busy):
            await ctx.tick()

    def play(self, **options):
        async def run(ctx):
            await self.run(ctx, **options)

        simulate(self.dut, run, background=[self.engines], deadline=600)
        return self.log


def test_a_sample_that_is_predicted_ends_with_the_free_phase():
    bench = Bench(network(), toggles=[1, 0])
    assert bench.play(train=False) == [
        "start", "clear", "update", "visit1", "update", "save", "finish",
    ]  # fmt: skip
    assert {Stage.FREE, Stage.DRIVE} <= set(bench.stages)
    assert not {Stage.NUDGED, Stage.UPDATE} & set(bench.stages)


def test_a_sample_that_is_learnt_is_nudged_both_ways():
    bench = Bench(network(), toggles=[0, 1, 0, 0])
    assert bench.play() == [
        "start", "clear", "update", "save", "update", "visit1", "update", "restore", "update",
        "scan", "finish",
    ]  # fmt: skip


def test_a_phase_has_no_more_sweeps_than_it_may():
    log = Bench(network(), toggles=[1] * 20).play()
    free = log[: log.index("save")].count("update")
    nudged = log[log.index("save") :].count("update")
    assert (free, nudged) == (3, 2 * 2)


@pytest.mark.parametrize("sign", [0, 1])
def test_a_random_sign_is_drawn_for_each_batch(sign):
    bench, nudges = Bench(network("random-sign", batch=2), samples=4), []

    async def watch(ctx):
        ctx.set(bench.dut.sign, sign)
        while True:
            if "scan" in bench.told(ctx):
                nudges.append((
                    Nudge(ctx.get(bench.dut.phase.nudge)),
                    ctx.get(bench.dut.phase.swap),
                ))
            await ctx.tick()

    simulate(bench.dut, bench.run, background=[bench.engines, watch], deadline=900)
    assert bench.log.count("draw") == bench.log.count("flush") == 2
    assert bench.log.count("restore") == 0
    assert nudges == [(Nudge.MINUS, 0) if sign else (Nudge.PLUS, 1)] * 4


def test_too_many_active_neurons_begin_the_sample_anew():
    bench = Bench(network(active_bound=1), toggles=[1, 0, 0, 0, 0])
    bench.active = 2
    log = bench.play(train=False)
    assert log[:5] == ["start", "clear", "update", "restarted", "clear"]
    assert log[-2:] == ["save", "finish"]


def test_what_somebody_else_wrote_is_flushed():
    assert Bench(network(), untested=True).play()[-3:] == ["scan", "flush", "finish"]


@pytest.mark.parametrize("flush", [False, True])
def test_a_run_may_end_with_the_flips_of_a_part_of_a_batch(flush):
    bench = Bench(network(batch=3), samples=4)
    log = bench.play(flush=flush)
    assert log.count("finish") == 4
    assert log.count("flush") == 1 + flush
    assert (log[-1] == "flush") == flush


def test_a_layer_whose_neighbour_changed_is_visited():
    """Layer 2 at the start, as the drive is new to it; layer 1 only if a neighbour changes."""
    log = Bench(network(hidden=(6, 5))).play(train=False)
    assert [event for event in log if event.startswith("visit")] == ["visit2"]


def test_a_stop_ends_the_run_behind_the_sample_in_hand():
    bench = Bench(network(), samples=5)

    async def stop(ctx):
        while "scan" not in bench.log:
            await ctx.tick()
        ctx.set(bench.dut.stop, 1)
        await ctx.tick()
        ctx.set(bench.dut.stop, 0)
        while ctx.get(bench.dut.busy):
            if ctx.get(bench.dut.feed.stop):
                released = ctx.get(bench.dut.sample.release)
                assert released == ctx.get(bench.dut.sample.full)
                bench.samples, bench.done = bench.fed, bench.fed
            await ctx.tick()

    simulate(bench.dut, bench.run, stop, background=[bench.engines], deadline=600)
    assert bench.log.count("finish") == 1
