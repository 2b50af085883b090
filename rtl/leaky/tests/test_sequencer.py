"""The order of passes in a step, and when a phase ends."""

import pytest

from popflip.golden.description.params import Params
from popflip.rtl.layers.ports import Nudge
from popflip.rtl.leaky.sequencer import LeakySequencer
from popflip.rtl.simulation import simulate


def network(nudging="centered", hidden=(6, 5)):
    depth = len(hidden) + 1
    return Params.build({
        "network": {"image": [4, 4], "hidden": list(hidden), "classes": 2, "copies": 2},
        "dynamics": {"kind": "leaky", "gains": [40] * depth, "free_sweeps": 3},
        "learning": {"tau": [3] * depth, "nudged_sweeps": 2, "nudging": nudging},
    })


class Bench:
    """Engines that answer a few cycles later, and a log of what they are told.

    ``moves`` says of each step whether a hidden layer moves in it, the outputs, or neither.
    """

    def __init__(self, params, moves):
        self.dut, self.moves, self.log = LeakySequencer(params), list(moves), []

    def told(self, ctx):
        dut, phase = self.dut, self.dut.phase
        pulses = {
            "clear": phase.clear, "save": phase.save, "restore": phase.restore, "scan": phase.scan,
            **{f"pass{l}": visit.start for l, visit in enumerate(dut.visits, 1)},
            "update": dut.output.update, "finish": dut.finish,
        }  # fmt: skip
        return [name for name, pulse in pulses.items() if ctx.get(pulse)]

    async def engines(self, ctx):
        dut, busy, move, full = self.dut, {}, "", 0
        ctx.set(dut.batch, 1)
        ctx.set(dut.immediate, 1)
        for ready in (dut.sample.driven, dut.predicted, dut.feed.idle):
            ctx.set(ready, 1)
        while True:
            for layer, visit in enumerate(dut.visits, 1):
                ctx.set(visit.idle, f"pass{layer}" not in busy)
                hidden = move == f"layer {layer}" and busy.get(f"pass{layer}") == 1
                ctx.set(visit.toggled, hidden)
            ctx.set(dut.output.idle, "update" not in busy)
            ctx.set(dut.output.moved, move == "outputs")
            ctx.set(dut.sample.full, full)
            ctx.set(dut.feed.over, not full and bool(self.log))
            events = self.told(ctx)
            self.log += [(event, Nudge(ctx.get(dut.phase.nudge))) for event in events]
            busy = {name: left - 1 for name, left in busy.items() if left > 1}
            for event in events:
                if event.startswith("pass") or event == "update":
                    # One thing at a time: no engine begins before the one before it is done.
                    assert not busy
                    busy[event] = 3
                if event == "pass1":
                    move = self.moves.pop(0) if self.moves else ""
            full = (full or bool(ctx.get(dut.feed.start))) and "finish" not in events
            await ctx.tick()

    def play(self, train=True):
        async def run(ctx):
            dut = self.dut
            await ctx.tick()
            ctx.set(dut.run.payload.train, train)
            ctx.set(dut.run.payload.count, 1)
            ctx.set(dut.run.valid, 1)
            await ctx.tick()
            ctx.set(dut.run.valid, 0)
            while ctx.get(dut.busy):
                await ctx.tick()

        simulate(self.dut, run, background=[self.engines], deadline=900)
        return self.log


def steps(count, nudge, hidden=2):
    """Events of some steps."""
    one = [*(f"pass{layer}" for layer in range(1, hidden + 1)), "update"]
    return [(event, nudge) for event in one * count]


@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_a_step_is_a_pass_over_each_layer_in_turn_and_then_the_outputs(hidden):
    params = network(hidden=range(4, 4 + hidden))
    log = Bench(params, ["layer 1"] * 9).play(train=False)
    assert log == [
        ("clear", Nudge.NONE), *steps(3, Nudge.NONE, hidden), ("save", Nudge.NONE),
        ("finish", Nudge.PLUS),
    ]  # fmt: skip


@pytest.mark.parametrize("move", ["layer 1", "layer 2", "outputs"])
def test_a_step_that_moves_anything_is_followed_by_another(move):
    log = Bench(network("positive"), [move, "", move, ""]).play()
    assert log == [
        ("clear", Nudge.NONE), *steps(2, Nudge.NONE), ("save", Nudge.NONE),
        *steps(2, Nudge.PLUS), ("scan", Nudge.PLUS), ("finish", Nudge.PLUS),
    ]  # fmt: skip


def test_a_step_that_moves_nothing_ends_its_phase():
    log = Bench(network(), []).play()
    assert log == [
        ("clear", Nudge.NONE), *steps(1, Nudge.NONE), ("save", Nudge.NONE),
        *steps(1, Nudge.PLUS), ("restore", Nudge.PLUS), *steps(1, Nudge.MINUS),
        ("scan", Nudge.MINUS), ("finish", Nudge.MINUS),
    ]  # fmt: skip


def test_no_phase_has_more_steps_than_it_may():
    log = Bench(network(), ["outputs"] * 20).play()
    assert log == [
        ("clear", Nudge.NONE), *steps(3, Nudge.NONE), ("save", Nudge.NONE),
        *steps(2, Nudge.PLUS), ("restore", Nudge.PLUS), *steps(2, Nudge.MINUS),
        ("scan", Nudge.MINUS), ("finish", Nudge.MINUS),
    ]  # fmt: skip
