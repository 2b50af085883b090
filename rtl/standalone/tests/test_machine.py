"""Standalone training without any front end: nothing is connected where frames would come from."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.flash_image import write_image
from popflip.golden.description.packing import latents_to_bytes, weights_to_bytes
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import CRC, CRC_BYTES, HEADER, VERSION, Status
from popflip.golden.description.registers import StandaloneState
from popflip.golden.training.standalone import first_state
from popflip.rtl.frontends.uart.executor import RequestExecutor
from popflip.rtl.interface import HostSignature, StoreSignature
from popflip.rtl.primitives.cobs import FrameToken
from popflip.rtl.simulation import FlashModel, simulate
from popflip.rtl.standalone.flash_commands import FlashSignature
from popflip.rtl.standalone.machine import StandaloneMachine

PARAMS = Params.build({
    "network": {"image": [4, 4], "first": "dense", "hidden": [3], "classes": 2, "copies": 1},
    "dynamics": {"gains": [4, 8]},
    "learning": {"tau": [3, 4], "tau_growth": 0.5, "batch": 2},
    "machine": {"row_lanes": 8, "relax_lanes": 2, "latent_lanes": [4, 2]},
    "standalone": {"flash": "quad", "order_bits": 4, "epochs": 2},
})
TRAIN, TEST = 5, 3


class Assembly(wiring.Component):
    """The standalone machine and an executor; its answers, the core and the flash are outside."""

    def __init__(self, params):
        self._params = params
        super().__init__({
            "answers": Out(stream.Signature(FrameToken())),
            "core": Out(HostSignature(params)),
            "samples": In(StoreSignature()),
            "flash": Out(FlashSignature()),
            "start": In(1),
            "note": Out(32),
            "failed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.executor = executor = RequestExecutor(self._params, bytes(16))
        m.submodules.machine = machine = StandaloneMachine(self._params)
        connect(m, machine.requests, executor.requests)
        connect(m, executor.host, machine.host)
        connect(m, machine.core, flipped(self.core))
        connect(m, flipped(self.samples), machine.samples)
        connect(m, machine.flash, flipped(self.flash))
        connect(m, executor.answers, flipped(self.answers))
        m.d.comb += [
            machine.start.eq(self.start),
            self.note.eq(machine.note),
            self.failed.eq(machine.failed),
        ]
        return m


class Core:
    """What the core is told: words written, runs, and what it had then."""

    def __init__(self, port, params):
        self.port = port
        self.memory = {r.index: {} for r in params.regions}
        self.runs = []

    async def serve(self, ctx):
        port, busy = self.port, 0
        while True:
            ctx.set(port.command.ready, 1)
            ctx.set(port.run.ready, busy == 0)
            ctx.set(port.busy, busy > 0)
            _, _, valid, command, begins, run = await ctx.tick().sample(
                port.command.valid, port.command.p, port.run.valid, port.run.p
            )
            ctx.set(port.reply.valid, 0)
            busy = max(0, busy - 1)
            if valid and command.write:
                self.memory[command.region][command.address] = command.data
            elif valid:
                ctx.set(port.reply.valid, 1)
                ctx.set(port.reply.payload, 0x01020304 * (command.address + 1))
            if begins and not ctx.get(port.busy):
                registers = dict(self.memory[0])
                self.runs.append((
                    run.train,
                    run.internal,
                    run.flush,
                    run.first,
                    run.count,
                    registers,
                ))
                busy = 60


def words_of(region, memory):
    # Bits above those of the region mean nothing.
    words = (memory[address] & ((1 << region.width) - 1) for address in range(region.depth))
    return b"".join(word.to_bytes(region.word_bytes, "little") for word in words)


def image(params):
    parts = [np.ones((n, params.sample_bytes), np.uint8) for n in (TRAIN, TEST)]
    return bytes(params.standalone.flash_base) + write_image(params, *parts)


@pytest.fixture(scope="module")
def trained():
    """Run a whole training; return the core's side of it, and what was answered."""
    dut = Assembly(PARAMS)
    core = Core(dut.core, PARAMS)
    frames, notes = [b""], []

    async def bench(ctx):
        ctx.set(dut.answers.ready, 1)
        while ctx.get(dut.note) & 7 != StandaloneState.DONE:
            notes.append(ctx.get(dut.note))
            if ctx.get(dut.answers.valid):
                if ctx.get(dut.answers.p.last):
                    frames.append(b"")
                else:
                    frames[-1] += bytes([ctx.get(dut.answers.p.data)])
            await ctx.tick()
        notes.append(ctx.get(dut.note))

    flash = FlashModel(image(PARAMS))
    background = (core.serve, flash.process(dut.flash))
    simulate(dut, bench, background=background, deadline=30_000)
    assert frames.pop() == b""
    return core, frames, notes


def test_begins_with_the_network_that_golden_draws(trained):
    core, _, _ = trained
    state, _ = first_state(PARAMS)
    for layer in range(PARAMS.depth):
        shape = PARAMS.synapses(layer)
        for region, expected in (
            (PARAMS.regions.weights(layer), weights_to_bytes(shape, state.weights[layer])),
            (PARAMS.regions.latents(layer), latents_to_bytes(shape, state.latents[layer])),
        ):
            assert words_of(region, core.memory[region.index]) == expected.tobytes(), region.name


def test_trains_and_tests_in_turn_with_the_thresholds_of_each_epoch(trained):
    core, _, _ = trained
    assert [run[:5] for run in core.runs] == 2 * [(1, 0, 1, 0, TRAIN), (0, 0, 1, TRAIN, TEST)]
    registers = PARAMS.registers
    for epoch in range(2):
        written = core.runs[2 * epoch][5]
        thresholds = [written[registers.tau(layer).index] for layer in range(PARAMS.depth)]
        assert tuple(thresholds) == PARAMS.learning.tau_in_epoch(epoch)
        assert written[registers["batch"].index] == 2
        assert written[registers["seed"].index] == PARAMS.standalone.state


def test_reports_all_registers_after_each_run(trained):
    _, frames, _ = trained
    words = [0x01020304 * (i + 1) & 0xFFFFFFFF for i in range(len(PARAMS.registers))]
    body = HEADER.pack(VERSION, 0, Status.REPORT)
    body += b"".join(word.to_bytes(4, "little") for word in words)
    assert frames == 4 * [body + CRC.compute(body).to_bytes(CRC_BYTES, "little")]


def test_tells_what_it_does(trained):
    _, _, notes = trained
    register = PARAMS.registers["standalone"]
    seen = [register.decode(note) for note in dict.fromkeys(notes)]
    assert [(each["state"].name, each["epochs"]) for each in seen] == [
        ("PREPARING", 0),
        ("TRAINING", 0),
        ("TESTING", 0),
        ("TESTING", 1),
        ("TRAINING", 1),
        ("DONE", 2),
    ]


def test_an_empty_flash_is_told_and_nothing_is_done():
    dut = Assembly(PARAMS)
    core = Core(dut.core, PARAMS)

    async def bench(ctx):
        while ctx.get(dut.note) & 7 == StandaloneState.PREPARING:
            await ctx.tick()
        assert ctx.get(dut.note) == StandaloneState.NO_IMAGE
        assert ctx.get(dut.failed) == 1
        for _ in range(200):
            await ctx.tick()

    flash = FlashModel(b"\xff" * 10_000)
    simulate(dut, bench, background=(core.serve, flash.process(dut.flash)), deadline=10_000)
    assert core.runs == []
    assert not any(core.memory.values())
