"""The bridge between a bus and a core that is memory only, against plain software."""

import random

import pytest

from popflip.golden.description.bus import BusMap, Refusal
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import RunFlags
from popflip.rtl.frontends.mapped.bridge import BusBridge
from popflip.rtl.frontends.mapped.tests.bus_model import ALL, BusModel
from popflip.rtl.simulation import simulate

IDENTITY = bytes(range(100, 116))

#: With words of several lanes, regions in parts, and bytes that fill no bus word.
PARAMS = Params.build({
    "network": {"image": [5, 5], "first": "local", "window": 3, "stride": 1, "features": 3,
                "classes": 3, "copies": 2},
    "dynamics": {"gains": [90, 40]},
    "learning": {"tau": [2, 1], "beta": 3, "latent_bits": 5},
    "machine": {"row_lanes": 9, "relax_lanes": 6, "latent_lanes": [9, 6], "sample_slots": 3,
                "neuron_lanes": 2},
})  # fmt: skip
# fmt: off
DENSE = Params.build({
    "network": {"image": [10, 10], "first": "dense", "hidden": [5]},
    "dynamics": {"gains": [4, 8]},
    "learning": {"tau": [3, 3]},
    "machine": {
        "row_lanes": 100, "relax_lanes": 4, "latent_lanes": [10, 3], "weight_slice": 8,
    },
})
# fmt: on


class Core:
    """Memory behind the host port, which takes its time; and a run that is on or not."""

    def __init__(self, dut, params, seed):
        self.dut, self.params, self.memory = dut, params, {}
        self.random, self.runs, self.frames, self.stops = random.Random(seed), [], [], 0
        self.busy = False

    async def answer(self, ctx):
        host, regions = self.dut.host, list(self.params.regions)
        pending = None
        ctx.set(host.run.ready, 1)
        while True:
            command = host.command
            ready = self.random.random() < 0.6
            ctx.set(command.ready, ready)
            ctx.set(host.reply.valid, 0)
            if pending is not None and self.random.random() < 0.3:
                # What is asked for stays until the reply.
                assert (ctx.get(command.p.region), ctx.get(command.p.address)) == pending[:2]
                ctx.set(host.reply.valid, 1)
                ctx.set(host.reply.payload, pending[2])
                pending = None
            else:
                ctx.set(host.reply.payload, (1 << len(host.reply.payload)) - 1)
            if ctx.get(command.valid) and ready:
                region = regions[ctx.get(command.p.region)]
                key = region.name, ctx.get(command.p.address)
                assert key[1] < region.depth
                if ctx.get(command.p.write) and region.holds(key[1]):
                    self.memory[key] = ctx.get(command.p.data) & (1 << region.width) - 1
                elif not ctx.get(command.p.write):
                    nothing = (1 << region.width) - 1
                    value = self.memory.get(key, 0) if region.holds(key[1]) else nothing
                    pending = region.index, key[1], value
            if ctx.get(host.run.valid):
                run = ctx.get(host.run.p)
                self.runs.append({name: run[name] for name, _ in host.run.p.shape()})
            self.stops += ctx.get(host.stop)
            await ctx.tick()
            ctx.set(host.busy, self.busy)

    async def take(self, ctx):
        """Take frames of samples, with pauses."""
        frames, got = self.dut.frames, bytearray()
        while True:
            ready = self.random.random() < 0.7
            ctx.set(frames.ready, ready)
            if ctx.get(self.dut.begin_anew):
                got.clear()
            if ctx.get(frames.valid) and ready:
                got.append(ctx.get(frames.p.data))
                if ctx.get(frames.p.last):
                    self.frames.append(bytes(got))
                    got.clear()
            await ctx.tick()


async def access(ctx, dut, address, data=None, strobe=ALL):
    """Make an access; return what was read, and whether it was refused."""
    port = dut.access
    ctx.set(port.valid, 1)
    ctx.set(port.write, data is not None)
    ctx.set(port.address, address >> 2)
    ctx.set(port.aligned, address % 4 == 0)
    ctx.set(port.strobe, strobe)
    ctx.set(port.data, data or 0)
    for _ in range(500):
        _, _, ready, error, reply = await ctx.tick().sample(port.ready, port.error, port.reply)
        if ready:
            break
    else:
        raise AssertionError(f"no answer to {address:#x}")
    ctx.set(port.valid, 0)
    return reply, error


def draw(rng, model):
    """Draw an access, mostly one that makes sense, at times the next lane of the last one."""
    window = rng.choice(list(model.map.windows))
    if model.next is not None and rng.random() < 0.8:
        address, write = model.next, True
    else:
        span = window.n_bytes if rng.random() < 0.8 else window.span
        address = window.base + 4 * rng.randrange(max(span // 4, 1))
        if rng.random() < 0.5 and not window.packed:
            address &= ~((4 << window.lane_bits) - 1)
        if rng.random() < 0.02:
            address = 4 * rng.randrange(1 << model.map.address_bits - 2)
        write = rng.random() < 0.6
    if rng.random() < 0.05:
        address |= rng.randrange(4)
    strobe = ALL if rng.random() < 0.8 else rng.randrange(16)
    data = rng.getrandbits(32) if rng.random() < 0.5 else rng.getrandbits(6)
    return address, data if write else None, strobe


def test_the_networks_have_what_can_go_wrong():
    windows = [w for params in (PARAMS, DENSE) for w in BusMap(params, "axi").windows if w.region]
    in_parts = [window for window in windows if window.region.filled < window.region.part]
    assert {window.packed for window in in_parts} == {False, True}
    assert {window.lanes for window in windows} >= {0, 1, 2, 3}
    assert any(window.packed and window.region.depth % 4 for window in windows)


@pytest.mark.parametrize("bus", ["wishbone", "axi"])
@pytest.mark.parametrize("params", [PARAMS, DENSE], ids=["local", "dense"])
def test_any_accesses(params, bus):
    dut = BusBridge(params, BusMap(params, bus), IDENTITY)
    model, core = BusModel(params, bus), Core(dut, params, 4)
    rng, seen = random.Random(5), set()
    by_name = model.map.registers

    async def bench(ctx):
        for _ in range(500):
            if rng.random() < 0.05:
                core.busy = not core.busy
                for _ in range(2):
                    await ctx.tick()
            # Nothing of a run takes samples here: a sample that finds no room is refused.
            model.full = rng.random() < 0.3
            ctx.set(dut.waiting, 2 if model.full else 0)
            address, data, strobe = draw(rng, model)
            wanted = model.judge(address, data, strobe, core.busy)
            runs, before = len(core.runs), dict(core.memory)
            streams = core.busy and not (core.runs and core.runs[-1]["internal"])
            if wanted == Refusal.FULL and streams:
                continue  # It would wait.
            reply, refused = await access(ctx, dut, address, data, strobe)
            assert refused == (wanted != Refusal.NONE), (hex(address), data, strobe, wanted)
            window = model.window(address)
            seen.add((wanted, window and window.name))
            if refused:
                if wanted == Refusal.FULL:
                    model.next = None
                assert core.memory == before
                assert len(core.runs) == runs
                reason, _ = await access(ctx, dut, 4 * by_name["refusal"].index)
                assert reason == wanted | (data is not None) << 3
                place, _ = await access(ctx, dut, 4 * by_name["refused"].index)
                assert place == address & -4
            elif data is not None:
                model.write(address, data, strobe)
                assert core.memory == model.memory
                name = window.name == "control" and by_name[(address - window.base) // 4].name
                assert len(core.runs) == runs + (name == "run")
                if name == "run":
                    assert core.runs[-1] == {
                        **{f.name.lower(): bool(data & f) for f in RunFlags},
                        "first": model.settings["first"],
                        "count": model.settings["count"],
                    }
            elif window.name != "control":
                assert reply == model.read(address), hex(address)
        await ctx.tick()
        assert core.frames == model.frames

    simulate(dut, bench, background=(core.answer, core.take), deadline=60_000)
    assert {reason for reason, _ in seen} >= set(Refusal) - {Refusal.FULL}
    assert len({name for reason, name in seen if reason == Refusal.NONE}) == len(model.map.windows)


def test_control_registers():
    dut = BusBridge(PARAMS, BusMap(PARAMS, "axi"), IDENTITY)
    core, table = Core(dut, PARAMS, 1), BusMap(PARAMS, "axi").registers

    async def get(ctx, name):
        value, refused = await access(ctx, dut, 4 * table[name].index)
        assert not refused
        return value

    async def put(ctx, name, value):
        assert not (await access(ctx, dut, 4 * table[name].index, value))[1], name

    async def bench(ctx):
        identity = [await get(ctx, f"id{i}") for i in range(4)]
        assert b"".join(word.to_bytes(4, "little") for word in identity) == IDENTITY
        assert await get(ctx, "layout") == table["layout"].reset
        assert await get(ctx, "events") == 0
        await put(ctx, "count", 7)
        await put(ctx, "enable", table["events"]["done"].mask)
        await put(ctx, "run", RunFlags.TRAIN | RunFlags.FLUSH)
        core.busy = True
        await ctx.tick().repeat(2)
        assert await get(ctx, "status") == 1
        assert ctx.get(dut.streaming)
        await put(ctx, "command", table["command"]["stop"].mask)
        assert core.stops == 1
        assert not ctx.get(dut.irq)
        core.busy = False
        await ctx.tick().repeat(4)
        assert ctx.get(dut.irq)
        assert await get(ctx, "events") == table["events"]["done"].mask
        await put(ctx, "events", 0xFFFFFFFF)
        await ctx.tick().repeat(2)
        assert not ctx.get(dut.irq)
        ctx.set(dut.bad, 1)
        ctx.set(dut.good, 1)
        await ctx.tick().repeat(3)
        ctx.set(dut.bad, 0)
        await ctx.tick()
        ctx.set(dut.good, 0)
        frames = table["frames"].decode(await get(ctx, "frames"))
        assert frames == {"good": 4, "bad": 3}
        assert await get(ctx, "events") == table["events"]["bad_frame"].mask
        # Another run clears the end of the one before it, and no other event.
        await put(ctx, "run", RunFlags.INTERNAL)
        core.busy = True
        await ctx.tick().repeat(2)
        assert not ctx.get(dut.streaming)
        await put(ctx, "options", 1)
        assert ctx.get(dut.label_in_user)
        assert [run["train"] for run in core.runs] == [1, 0]

    simulate(dut, bench, background=(core.answer,))


def test_a_sample_waits_for_the_run_that_takes_it():
    dut = BusBridge(PARAMS, BusMap(PARAMS, "wishbone"), IDENTITY)
    core, model = Core(dut, PARAMS, 2), BusModel(PARAMS, "wishbone")
    table, base = model.map.registers, model.map.windows["sample"].base

    async def begin(ctx):
        await access(ctx, dut, 4 * table["count"].index, 3)
        await access(ctx, dut, 4 * table["run"].index, 0)
        core.busy = True
        await ctx.tick().repeat(2)
        ctx.set(dut.waiting, 2)

    async def bench(ctx):
        for outcome in ("taken", "refused"):
            await begin(ctx)
            port = dut.access
            ctx.set(port.valid, 1)
            ctx.set(port.write, 1)
            ctx.set(port.address, base >> 2)
            ctx.set(port.aligned, 1)
            ctx.set(port.strobe, ALL)
            for _ in range(100):
                _, _, ready = await ctx.tick().sample(port.ready)
                assert not ready
            if outcome == "taken":
                ctx.set(dut.waiting, 1)
            else:
                core.busy = False
            for _ in range(100):
                _, _, ready, error = await ctx.tick().sample(port.ready, port.error)
                if ready:
                    break
            assert ready
            assert error == (outcome == "refused")
            ctx.set(port.valid, 0)
            core.busy = False
            await ctx.tick().repeat(2)

    simulate(dut, bench, background=(core.answer, core.take))
