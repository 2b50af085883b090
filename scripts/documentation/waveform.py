"""One sample's way through a tiny machine, cycle by cycle, as Amaranth's simulator has it.

The waveform of the page *How it works* is no drawing: :func:`simulate_sample` runs the trainer core
on one sample and notes in every cycle what its blocks do; :func:`wavejson` writes that as WaveDrom
reads it.
"""

from itertools import groupby
from typing import NamedTuple

import numpy as np
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.description.packing import (
    latents_to_bytes,
    pack_samples,
    weights_from_bytes,
    weights_to_bytes,
)
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.rtl.core.core import TrainerCore
from popflip.rtl.simulation import CoreHost

__all__ = [
    "TINY",
    "Trace",
    "predicted_cycles",
    "samples",
    "simulate_sample",
    "stage_table",
    "wavejson",
]

#: Nine pixels, four hidden neurons, two classes with one output neuron each.
TINY = Params.build({
    "name": "tiny",
    "network": {"image": [3, 3], "hidden": [4], "classes": 2},
    "dynamics": {
        "gains": [40, 60], "feedback_gains": [20], "threshold": 30, "free_sweeps": 2,
        "active_bound": 1,
    },
    "learning": {"tau": [1, 1], "beta": 2, "nudged_sweeps": 2},
    "machine": {"row_lanes": 9, "relax_lanes": 2, "latent_lanes": [9, 2]},
})  # fmt: skip

#: A horizontal bar is of class 0, a vertical one of class 1. The machine learns both; the second is
#: drawn, since the first sample behind a write of weights tests all of them for flips.
BARS, LABELS = ((0, 0, 0, 1, 1, 1, 0, 0, 0), (0, 1, 0, 0, 1, 0, 0, 1, 0)), (0, 1)

#: Of the initial weights: with these, both weight layers flip something.
SEED = 0

#: What the states of the core's sequencer belong to.
STAGES = {
    "Next sample": "wait",
    "Clear": "drive",
    "Drive": "drive",
    **dict.fromkeys(
        ("Odd half", "Odd settling", "Even half", "Even settling", "Phase end"), "relax"
    ),
    "Learn": "update",
    "Learning": "update",
}


class Trace(NamedTuple):
    """What happened in each cycle.

    Parameters
    ----------
    lanes : dict of str to list
        From the name of a signal to its value in each cycle; None where it says nothing.
    stages : list of str
        In each cycle: ``wait``, ``drive``, ``free``, ``nudged +``, ``nudged -``, ``update`` or
        ``finish``.
    before, after : list of ndarray
        Weights of each layer, before the sample and after it.
    """

    lanes: dict[str, list]
    stages: list[str]
    before: list[np.ndarray]
    after: list[np.ndarray]


def samples() -> tuple[np.ndarray, np.ndarray]:
    """Return the input bits and the labels."""
    return np.array(BARS, bool), np.array(LABELS)


def predicted_cycles() -> StageCycles:
    """Count the drawn sample's cycles by the formulas of :mod:`popflip.golden.cycles`."""
    model = Model.initial(TINY, SEED)
    clock = CycleModel(TINY)
    clock.touched = True  # weights and latents were written just before
    x, labels = samples()
    for i in range(len(labels)):
        _, relaxation = model.train(x[i : i + 1], labels[i : i + 1], keep_history=True)
        cycles = clock.sample(relaxation, 0, last=True)
    return cycles


class _Blocks:
    """Components of an elaborated core by the name of their class; and its sequencer's FSM."""

    def __init__(self, fragment: Fragment):
        self._found: dict[str, list] = {}
        self._machines: list = []
        self._collect(fragment)
        (self.fsm,) = self._machines

    def _collect(self, fragment):
        for origin in getattr(fragment, "origins", None) or ():
            self._found.setdefault(type(origin).__name__, []).append(origin)
        for fsm in getattr(fragment, "generated", {}).values():
            if "Drive" in getattr(fsm, "encoding", {}):
                self._machines.append(fsm)
        for part, _, _ in fragment.subfragments:
            self._collect(part)

    def __getitem__(self, name: str) -> list:
        return self._found[name]


def simulate_sample() -> Trace:
    """Have the core train on both samples, and note what its blocks do in the second run."""
    model = Model.initial(TINY, SEED)
    x, labels = samples()
    core = TrainerCore(TINY)
    fragment = Fragment.get(core, None)
    blocks = _Blocks(fragment)
    (output,) = blocks["OutputLayer"]
    (drive,) = blocks["DriveEngine"]
    memories = sorted(blocks["SynapseMemory"], key=lambda memory: memory.shape.layer)
    host = CoreHost(TINY, core, pack_samples(TINY, x, labels))
    shapes = [TINY.synapses(layer) for layer in range(TINY.depth)]
    rows: list[dict] = []
    weights: dict[str, list[np.ndarray]] = {"before": [], "after": []}
    running = False

    def observe(ctx) -> dict:
        row: dict = {"state": blocks.fsm.decoding[ctx.get(blocks.fsm.state)]}
        row["nudge"] = ctx.get(output.phase.nudge).name
        taken = ctx.get(core.store.data.valid) and ctx.get(core.store.data.ready)
        row["sample bytes"] = f"{ctx.get(core.store.data.payload):02x}" if taken else None
        for layer, memory in enumerate(memories):
            # A write port names each bank's enable; these have one.
            for port in ("weight_read", "weight_write", "latent_read", "latent_write"):
                signals = getattr(memory, port)
                address = ctx.get(signals.address) if ctx.get(signals.en) else None
                row[f"{port} {layer}"] = address
        row["listed"] = ctx.get(drive.item.row) if ctx.get(drive.item_valid) else None
        row["outputs"] = f"{ctx.get(output.activations.last):0{TINY.n_out}b}"
        row["updated"] = ctx.get(output.step.update)
        return row

    async def watch(ctx):
        while True:
            if running:
                rows.append(observe(ctx))
            await ctx.tick()

    async def read_weights(ctx, when):
        for layer, shape in enumerate(shapes):
            words = await host.read(ctx, f"weights{layer}")
            weights[when].append(weights_from_bytes(shape, words))

    async def bench(ctx):
        nonlocal running
        for layer, shape in enumerate(shapes):
            await host.write(ctx, f"weights{layer}", weights_to_bytes(shape, model.weights[layer]))
            await host.write(ctx, f"latents{layer}", latents_to_bytes(shape, model.latents[layer]))
        await host.run(ctx, 0, 1)
        await read_weights(ctx, "before")
        running = True
        await host.run(ctx, 1, 1)
        running = False
        await read_weights(ctx, "after")

    simulator = Simulator(fragment)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    for process in (host.store, watch):
        simulator.add_testbench(process, background=True)
    simulator.run()
    rows = [row for row in rows if row["state"] != "Idle"]
    lanes = {name: [row[name] for row in rows] for name in rows[0]}
    stages = [_stage(row) for row in rows]
    # Behind the update nothing is waited for any more.
    last = len(stages) - stages[::-1].index("update")
    stages[last:] = ["finish"] * (len(stages) - last)
    return Trace(lanes, stages, weights["before"], weights["after"])


def _stage(row: dict) -> str:
    """Name what a cycle is spent on."""
    stage = STAGES.get(row["state"], "finish")
    if stage == "relax":
        return {"NONE": "free", "PLUS": "nudged +", "MINUS": "nudged -"}[row["nudge"]]
    return stage


#: Lanes of the drawing: group, caption, name in a trace, and the colour of WaveDrom's cells.
_DRAWN = (
    ("", "sample bytes", "sample bytes", "="),
    ("drive", "read W0, row", "weight_read 0", "3"),
    ("drive", "listed neuron", "listed", "5"),
    ("relax", "read W1, row", "weight_read 1", "3"),
    ("relax", "outputs updated", "updated", None),
    ("relax", "output activations", "outputs", "="),
    ("update", "write latents 0", "latent_write 0", "5"),
    ("update", "write latents 1", "latent_write 1", "5"),
    ("update", "write W0, row", "weight_write 0", "5"),
    ("update", "write W1, row", "weight_write 1", "5"),
)


def wavejson(trace: Trace) -> dict:
    """Write a trace as WaveDrom's JSON."""
    cycles = len(trace.stages)
    signal: list = [
        {"name": "clock", "wave": "p" + "." * (cycles - 1)},
        _cells("stage", trace.stages, "="),
    ]
    groups: dict[str, list] = {}
    for group, caption, name, colour in _DRAWN:
        values = trace.lanes[name]
        lane = _levels(caption, values) if colour is None else _cells(caption, values, colour)
        if group:
            if group not in groups:
                groups[group] = [group]
                signal.append(groups[group])
            groups[group].append(lane)
        else:
            signal.append(lane)
    return {"signal": signal, "head": {"tick": 0}, "config": {"skin": "narrow"}}


def _levels(name: str, values: list) -> dict:
    wave, last = "", None
    for value in values:
        wave += "." if value == last else str(int(value))
        last = value
    return {"name": name, "wave": wave}


def _cells(name: str, values: list, colour: str) -> dict:
    """Draw values as cells, those that stay as one, and None as a low line."""
    wave, data, last = "", [], object()
    for value in values:
        value = None if value == "" else value
        if value == last:
            wave += "."
        elif value is None:
            wave += "0"
        else:
            wave += colour
            data.append(str(value))
        last = value
    return {"name": name, "wave": wave, "data": data}


#: What happens in each stage, for the table beside the drawing.
_STORY = {
    "wait": "The sample feeder asks the sample store for the sample; its bytes enter the sample "
    "buffer, the label last.",
    "drive": "Each row of `W0` is read and counted against the pixels: the drive of one hidden "
    "neuron. Neurons whose drive is so far below the threshold that feedback cannot reach it are "
    "dropped; the others are listed. This is done once, since the pixels do not change.",
    "free": "Listed neurons that are active add their word of `W1` to the output counters. Each "
    "sweep updates the outputs and then visits the listed neurons, whose word of `W1` now gives "
    "the feedback. It ends when nothing changes any more, or after T sweeps.",
    "nudged +": "From the free state, with beta: outputs are pulled towards the label, and the "
    "class of the sample becomes active.",
    "nudged -": "From the free state once more, with -beta: outputs are pushed away.",
    "update": "Only rows of neurons that differ between the two nudged states are visited: their "
    "latents are read, the contrast is added, and a weight flips where its latent speaks against "
    "it by tau.",
    "finish": "The run is over.",
}


def stage_table(trace: Trace) -> str:
    """Write what happens in each stage as a Markdown table, with the cycles that it took."""
    lines = ["| cycles | stage | what happens |", "| --- | --- | --- |"]
    start = 0
    for stage, group in groupby(trace.stages):
        end = start + len(list(group)) - 1
        lines.append(f"| {start} to {end} | {stage} | {_STORY[stage]} |")
        start = end + 1
    return "\n".join(lines) + "\n"
