import random

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params
from popflip.golden.support.integers import ceil_div
from popflip.rtl.layers.sample_buffer import SampleBuffer
from popflip.rtl.simulation import simulate


def local(image, window, stride, planes=1, row_lanes=None, serial=False):
    return Params.build({
        "network": {
            "image": image,
            "thresholds": list(range(planes)),
            "first": "local",
            "window": window,
            "stride": stride,
            "features": 2,
        },
        "dynamics": {"gains": [1, 1]},
        "learning": {"tau": [1, 1]},
        "machine": {
            "row_lanes": row_lanes or window**2 * planes,
            "serial_windows": serial,
            "relax_lanes": 1,
            "latent_lanes": [1, 1],
        },
    })


def dense(image, planes=1, row_lanes=1):
    return Params.build({
        "network": {"image": image, "thresholds": list(range(planes)), "hidden": [2]},
        "dynamics": {"gains": [1, 1]},
        "learning": {"tau": [1, 1]},
        "machine": {"row_lanes": row_lanes, "relax_lanes": 1, "latent_lanes": [1, 1]},
    })


NETWORKS = {
    "local": local((7, 5), 3, 2),
    "planes": local((7, 5), 3, 2, planes=3, row_lanes=8),
    "left-over": local((8, 9), 3, 2, row_lanes=4),
    "whole-image": local((5, 5), 5, 1, row_lanes=24),
    "apart": local((9, 10), 2, 3, planes=2, row_lanes=5),
    "one-pixel": local((2, 3), 1, 1),
    "one-row": local((1, 6), 1, 2, planes=2, row_lanes=1),
    "eight-rows": local((8, 8), 4, 1, row_lanes=16),
    "local-small": Params.load("local-small"),
    "serial": local((7, 5), 3, 2, serial=True),
    "serial-planes": local((8, 9), 4, 1, planes=3, serial=True),
    "serial-whole-image": local((5, 5), 5, 1, serial=True),
    "serial-apart": local((9, 10), 2, 3, planes=2, serial=True),
    "serial-one-pixel": local((2, 3), 1, 1, serial=True),
    "dense": dense((7, 5), planes=2, row_lanes=9),
    "dense-whole": dense((4, 4), row_lanes=16),
    "dense-narrow": dense((3, 3), row_lanes=1),
    "dense-chunks": dense((5, 5), row_lanes=24),
}
networks = pytest.mark.parametrize("name", NETWORKS)


def make_samples(params, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (n, params.n_in)).astype(bool)
    return x, rng.integers(0, 256, n)


def windows_of(params, x):
    """Cut one sample's bits into (positions, chunks) integers, by NumPy's own windows."""
    if not params.first_layer.windowed:
        windows = x[None]
    else:
        (high, wide), (down, right) = params.first_layer.kernel, params.first_layer.stride
        image = x.reshape(*params.network.image, params.planes)
        views = sliding_window_view(image, (high, wide), axis=(0, 1))[::down, ::right]
        windows = np.moveaxis(views, 2, -1).reshape(-1, high * wide * params.planes)
    lanes = params.machine.row_lanes
    chunks = ceil_div(windows.shape[1], lanes)
    padded = np.pad(windows, ((0, 0), (0, chunks * lanes - windows.shape[1])))
    return [
        [sum(1 << i for i in np.flatnonzero(bits).tolist()) for bits in position]
        for position in padded.reshape(-1, chunks, lanes)
    ]


class Reader:
    """Drive the read side one enabled cycle at a time, with noisy frozen cycles between."""

    def __init__(self, ctx, dut, params, stall=0.0, seed=1):
        self.ctx, self.dut, self.params = ctx, dut, params
        self.stall, self.rng = stall, random.Random(seed)
        self.chunks = params.synapses(0).chunks
        self.columns = params.grid[1]
        self.serial = params.machine.serial_windows

    async def cycle(self, *, chunk=None, **pulses):
        """Apply pulses (and a chunk, else noise) for one enabled cycle."""
        ctx, dut = self.ctx, self.dut
        while self.rng.random() < self.stall:
            before = ctx.get(dut.windows.ready), ctx.get(dut.windows.x)
            ctx.set(dut.en, 0)
            for port in (dut.windows.restart, dut.windows.next):
                ctx.set(port, self.rng.getrandbits(1))
            ctx.set(dut.windows.chunk, self.rng.randrange(self.chunks))
            await ctx.tick()
            assert (ctx.get(dut.windows.ready), ctx.get(dut.windows.x)) == before, (
                "moved while frozen"
            )
        ctx.set(dut.en, 1)
        ctx.set(dut.windows.restart, pulses.pop("restart", 0))
        ctx.set(dut.windows.next, pulses.pop("next", 0))
        ctx.set(dut.release, pulses.pop("release", 0))
        assert not pulses
        ctx.set(dut.windows.chunk, self.rng.randrange(self.chunks) if chunk is None else chunk)
        await ctx.tick()
        for port in (dut.windows.restart, dut.windows.next, dut.release):
            ctx.set(port, 0)

    async def wait_full(self, limit=2000):
        for _ in range(limit):
            if self.ctx.get(self.dut.full):
                return
            self.ctx.set(self.dut.en, self.rng.random() >= self.stall)
            self.ctx.set(self.dut.windows.restart, self.rng.getrandbits(1))  # ignored: not full
            self.ctx.set(self.dut.windows.chunk, self.rng.randrange(self.chunks))
            held = self.ctx.get(self.dut.windows.x)
            await self.ctx.tick()
            self.ctx.set(self.dut.windows.restart, 0)
            assert self.ctx.get(self.dut.windows.x) == held, "x moved without a sample"
            assert not self.ctx.get(self.dut.windows.ready), "ready without a sample"
        raise AssertionError(f"no sample in {limit} cycles")

    async def unready(self, cycles, where):
        """Expect exactly this many cycles without ready, x holding."""
        for number in range(cycles):
            assert not self.ctx.get(self.dut.windows.ready), (
                f"{where}: ready {cycles - number} early"
            )
            held = self.ctx.get(self.dut.windows.x)
            # Ignored as long as it is not ready; but serial windows would be skipped.
            await self.cycle(next=0 if self.serial else self.rng.getrandbits(1))
            assert self.ctx.get(self.dut.windows.x) == held, f"{where}: x moved without ready"
        assert self.ctx.get(self.dut.windows.ready), f"{where}: not ready after {cycles} cycles"

    async def look(self, expected, chunk, where, **pulses):
        assert self.ctx.get(self.dut.windows.ready), f"{where}: not ready"
        await self.cycle(chunk=chunk, **pulses)
        got = self.ctx.get(self.dut.windows.x)
        assert got == expected[chunk], f"{where} chunk {chunk}: {got:#x}, not {expected[chunk]:#x}"
        if self.serial:
            assert self.ctx.get(self.dut.windows.ones) == got.bit_count(), where

    async def restart(self):
        await self.cycle(restart=1)
        await self.unready(self.dut.load_cycles, "restart")

    async def scan(self, x, positions=None, all_chunks=True):
        """Restart and look at the windows in order; ``next`` comes with a position's last look.

        Serial windows are looked at for about as long as the next one takes.
        """
        await self.restart()
        windows = windows_of(self.params, x)
        for position, expected in enumerate(windows[:positions]):
            where = f"position {position}"
            order = self.rng.sample(range(self.chunks), self.chunks if all_chunks else 1)
            height = self.params.first_layer.load_rows
            if self.serial and all_chunks:
                order *= self.rng.randint(1, height + 2)
            for chunk in order[:-1]:
                await self.look(expected, chunk, where)
            last = position + 1 == len(windows)
            await self.look(expected, order[-1], where, next=not last)
            if self.serial and not last:
                await self.unready(max(0, height - len(order)), f"after {where}")
            elif (position + 1) % self.columns == 0 and not last:
                looked = self.columns * (len(order) if all_chunks else 1)
                waits = max(0, self.params.first_layer.step_rows - looked)
                await self.unready(waits, f"after {where}")
        return windows


def feeder(dut, data, gap=0.0, seed=2, accepted=None):
    """Offer bytes, each held until it is taken; count them in ``accepted``."""

    async def bench(ctx):
        rng = random.Random(seed)
        for byte in data.reshape(-1).tolist():
            while rng.random() < gap:
                ctx.set(dut.i.valid, 0)
                ctx.set(dut.i.payload, rng.getrandbits(8))
                await ctx.tick()
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.payload, byte)
            async for _, _, ready in ctx.tick().sample(dut.i.ready):
                if ready:
                    break
            if accepted is not None:
                accepted.append(byte)
        ctx.set(dut.i.valid, 0)

    return bench


@pytest.mark.parametrize("handshake", ["full-rate", "starved", "frozen"])
@networks
def test_scan_back_to_back(name, handshake):
    params = NETWORKS[name]
    dut = SampleBuffer(params)
    n = 2 if name == "local-small" else 5
    x, labels = make_samples(params, n, seed=len(name))

    async def reader(ctx):
        read = Reader(ctx, dut, params, stall=0.4 if handshake == "frozen" else 0.0)
        for sample in range(n):
            await read.wait_full()
            assert ctx.get(dut.label) == labels[sample], f"sample {sample}"
            windows = await read.scan(x[sample])
            for chunk in range(read.chunks):
                await read.look(windows[-1], chunk, f"sample {sample}, at the end")
            for _ in range(3 * params.first_layer.load_rows):  # whatever that brings, it ends
                await read.cycle(next=read.rng.getrandbits(1))
            assert ctx.get(dut.label) == labels[sample], f"sample {sample} at the end"
            await read.cycle(release=1)
            assert not ctx.get(dut.windows.ready), f"sample {sample}: ready after release"

    gap = 0.5 if handshake == "starved" else 0.0
    simulate(dut, reader, feeder(dut, pack_samples(params, x, labels), gap), deadline=12_000)


@networks
def test_cycles_of_a_scan(name):
    """One look per position: the whole scan costs what the formula says."""
    params = NETWORKS[name]
    dut = SampleBuffer(params)
    x, labels = make_samples(params, 1, seed=3)

    async def reader(ctx):
        read = Reader(ctx, dut, params)
        await read.wait_full()
        cycles = 0

        async def counted(cycle=read.cycle, **inputs):
            nonlocal cycles
            cycles += 1
            await cycle(**inputs)

        read.cycle = counted
        await read.scan(x[0], all_chunks=False)
        height, positions = params.first_layer.load_rows, params.positions
        waits = max(0, params.first_layer.step_rows - params.grid[1])
        scan = dut.load_cycles + (params.grid[0] - 1) * waits + positions
        if params.machine.serial_windows:
            scan = dut.load_cycles + (positions - 1) * height + 1
        assert cycles == 1 + scan  # 1 for restart itself

    simulate(dut, reader, feeder(dut, pack_samples(params, x, labels)), deadline=5000)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name.startswith("serial")])
def test_serial_windows_are_skipped(name):
    """``next`` at any time: a cycle each, then the window that is wanted is fetched."""
    params = NETWORKS[name]
    dut = SampleBuffer(params)
    x, labels = make_samples(params, 1, seed=9)
    windows, height = windows_of(params, x[0]), params.first_layer.load_rows
    rng = random.Random(len(name))

    async def reader(ctx):
        read = Reader(ctx, dut, params, stall=0.2)
        await read.wait_full()
        skipped = 0
        for turn in range(60):
            await read.cycle(restart=1)
            now, position, ready = 1, 0, height + 1

            async def step(turn=turn, **pulses):
                nonlocal now, position, ready
                where = f"turn {turn}, cycle {now}, position {position}"
                assert ctx.get(dut.windows.ready) == (now >= ready), where
                if now >= ready:
                    await read.look(windows[position], 0, where, **pulses)
                else:
                    await read.cycle(**pulses)
                now += 1
                if pulses:
                    position += 1
                    # It was complete, and the next is fetched behind it; or it was not.
                    ready = max(now, ready + height) if ready < now else now + height

            while position + 1 < params.positions:
                for _ in range(rng.choice([0, 1, rng.randint(0, 2 * height + 2)])):
                    await step()
                skipped += now < ready
                await step(next=1)
            while now <= ready + 2:
                await step()
        assert skipped or params.positions == 1 or height == 1

    simulate(dut, reader, feeder(dut, pack_samples(params, x, labels)), deadline=40_000)


@pytest.mark.parametrize("lanes", [3, 4])  # 9 bits: three steps, and three that leave 3 over
def test_a_serial_window_goes_round(lanes):
    params = local((7, 5), 3, 2, serial=True).replace(
        learning={"batch": 1},
        machine={
            "relax_lanes": 10,
            "latent_lanes": [lanes, lanes],
            "weight_slice": lanes,
            "shared_update": True,
        },
    )
    dut, (x, labels) = SampleBuffer(params), make_samples(params, 1, seed=6)
    steps = params.synapses(0).steps
    assert steps == 3

    async def reader(ctx):
        read = Reader(ctx, dut, params)
        await read.wait_full()
        await read.cycle(restart=1)
        for position, (window,) in enumerate(windows_of(params, x[0])):
            while not ctx.get(dut.windows.ready):
                await read.cycle()
            await read.cycle()
            for _ in range(2):
                for step in range(steps):
                    low = ctx.get(dut.windows.x) & ((1 << lanes) - 1)
                    assert low == window >> step * lanes & (1 << lanes) - 1, (position, step)
                    ctx.set(dut.turn, 1)
                    await read.cycle()
                    ctx.set(dut.turn, 0)
                    held = ctx.get(dut.windows.x)
                    await read.cycle()
                    assert ctx.get(dut.windows.x) == held, "turned by itself"
                assert held == window, position
            await read.cycle(next=1)

    simulate(dut, reader, feeder(dut, pack_samples(params, x, labels)))


@pytest.mark.parametrize(
    ("name", "load"), [("local", 3), ("apart", 2), ("serial", 3), ("dense", 0)]
)
def test_load_cycles(name, load):
    assert SampleBuffer(NETWORKS[name]).load_cycles == load


@pytest.mark.parametrize("name", ["local", "serial", "dense", "dense-narrow"])
def test_writer_runs_ahead(name):
    """Two samples are taken without a pause, then none until the cycle after a release."""
    params = NETWORKS[name]
    dut = SampleBuffer(params)
    x, labels = make_samples(params, 4, seed=4)
    size = params.sample_bytes
    accepted = []

    async def reader(ctx):
        read = Reader(ctx, dut, params)
        for cycle in range(2 * size + 20):
            assert ctx.get(dut.full) == (cycle >= size), f"full in cycle {cycle}"
            assert ctx.get(dut.i.ready) == (cycle < 2 * size), f"i.ready in cycle {cycle}"
            await ctx.tick()
        assert len(accepted) == 2 * size
        for sample in range(4):
            await read.wait_full()
            assert ctx.get(dut.label) == labels[sample], f"sample {sample}"
            # Scan while the writer waits, then release and see it go on.
            await read.scan(x[sample])
            if sample == 0:
                assert len(accepted) == 2 * size
                await read.cycle(release=1)
                assert ctx.get(dut.i.ready), "no room in the cycle after release"
                assert ctx.get(dut.full), "second sample not current after release"
                assert ctx.get(dut.label) == labels[1]
                # The writer now fills the released bank during the scan of the other.
            else:
                await read.cycle(release=1)

    data = pack_samples(params, x, labels)
    simulate(dut, reader, feeder(dut, data, accepted=accepted), deadline=5000)
    assert len(accepted) == 4 * size


@pytest.mark.parametrize("name", ["local", "planes", "serial", "dense"])
def test_restart_next_to_release(name):
    """In the same cycle restart is ignored; in the next it finds the other sample."""
    params = NETWORKS[name]
    dut = SampleBuffer(params)
    x, labels = make_samples(params, 3, seed=5)

    async def reader(ctx):
        read = Reader(ctx, dut, params)
        for _ in range(2 * params.sample_bytes + 2):
            await ctx.tick()
        await read.scan(x[0], positions=1)
        await read.cycle(release=1)
        await read.scan(x[1])  # its restart is in the cycle right after release

        for _ in range(params.sample_bytes):  # the third sample is there in any case
            await read.cycle()
        await read.cycle(release=1, restart=1)
        for _ in range(params.first_layer.load_rows + 3):
            assert not ctx.get(dut.windows.ready), "restart with release was not ignored"
            await read.cycle()
        assert ctx.get(dut.label) == labels[2]
        await read.scan(x[2])

    simulate(dut, reader, feeder(dut, pack_samples(params, x, labels)), deadline=5000)


@pytest.mark.parametrize("name", ["local", "left-over", "serial", "serial-apart", "dense"])
def test_restart_at_any_time(name):
    """A sample can be scanned again from anywhere, also from the middle of a load."""
    params = NETWORKS[name]
    dut = SampleBuffer(params)
    x, labels = make_samples(params, 1, seed=6)

    async def reader(ctx):
        read = Reader(ctx, dut, params, stall=0.2)
        await read.wait_full()
        for positions in range(1, params.positions + 1):
            await read.scan(x[0], positions)
        for cycles in range(dut.load_cycles):
            await read.cycle(restart=1)
            for _ in range(cycles):
                await read.cycle()
            await read.scan(x[0])
        # With restart in the same cycle as a look, the look is still answered.
        await read.restart()
        await read.look(windows_of(params, x[0])[0], 0, "with restart", restart=1)
        await read.unready(dut.load_cycles, "restart with a look")
        await read.look(windows_of(params, x[0])[0], 0, "after restart")

    simulate(dut, reader, feeder(dut, pack_samples(params, x, labels)), deadline=8000)


@pytest.mark.parametrize("name", ["local", "serial", "dense"])
def test_release_is_not_frozen(name):
    """Release counts with ``en`` low, in the middle of a load too, and only with a sample."""
    params = NETWORKS[name]
    dut = SampleBuffer(params)
    x, labels = make_samples(params, 3, seed=7)

    async def release_frozen(ctx):
        ctx.set(dut.en, 0)
        ctx.set(dut.release, 1)
        await ctx.tick()
        ctx.set(dut.release, 0)

    async def reader(ctx):
        read = Reader(ctx, dut, params)
        await read.cycle(release=1)  # nothing to release yet
        for _ in range(2 * params.sample_bytes + 2):
            await ctx.tick()
        assert ctx.get(dut.label) == labels[0], "release without a sample swapped the banks"

        await read.cycle(restart=1)
        await release_frozen(ctx)
        assert ctx.get(dut.label) == labels[1]
        for _ in range(params.first_layer.load_rows + 3):
            assert not ctx.get(dut.windows.ready), "a released sample was loaded"
            await read.cycle()
        await read.scan(x[1])

        await release_frozen(ctx)
        assert not ctx.get(dut.windows.ready)
        await read.wait_full()
        await read.scan(x[2])

    simulate(dut, reader, feeder(dut, pack_samples(params, x, labels), gap=0.0), deadline=5000)


@pytest.mark.parametrize("name", ["eight-rows", "serial-planes", "dense"])
def test_memory_ports_never_meet(name):
    """Block RAM leaves a read of the word being written undefined: it must not happen."""
    params = NETWORKS[name]
    x, labels = make_samples(params, 12, seed=8)
    meetings = []
    reads = 0

    class Watched(SampleBuffer):
        def elaborate(self, platform):
            m = super().elaborate(platform)
            self.memory = m.submodules["memory"]
            return m

    dut = Watched(params)

    async def watch(ctx):
        nonlocal reads
        write_port, read_port = dut.memory.write_ports[0], dut.memory.read_ports[0]
        ports = write_port.en, write_port.addr, read_port.en, read_port.addr
        released = 0
        async for _, _, wrote, at, read, read_at, release in ctx.tick().sample(*ports, dut.release):
            reads += read
            if wrote and read and at == read_at:
                meetings.append(at)
            released += release
            if released == len(x):
                return

    async def reader(ctx):
        read = Reader(ctx, dut, params, stall=0.2)
        for sample in range(len(x)):
            await read.wait_full()
            await read.scan(x[sample], positions=1 + sample % params.positions)
            await read.cycle(release=1)

    simulate(dut, reader, watch, feeder(dut, pack_samples(params, x, labels), gap=0.1))
    assert reads >= len(x)
    assert meetings == []


def test_rejected():
    with pytest.raises(TypeError) as caught:
        SampleBuffer("local-small")
    assert str(caught.value) == "params must be Params, not 'local-small'"
