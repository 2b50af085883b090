import random

import numpy as np
import pytest

from popflip.golden.description.flash_image import (
    flash_cycles,
    record_lengths,
    stored_bytes,
    write_image,
)
from popflip.golden.description.params import Params
from popflip.golden.description.sections.standalone import SECTOR
from popflip.rtl.simulation import FlashModel, simulate
from popflip.rtl.standalone.flash_commands import WAKE_CYCLES
from popflip.rtl.standalone.flash_reader import FlashReader


def build(flash="quad", records=False, **standalone):
    if records:
        standalone["record_bytes"] = 43
    return Params.build({
        "network": {
            "image": [12, 20] if records else [5, 9],
            "first": "local",
            "window": 3,
            "stride": 2,
            "features": 2,
        },
        "dynamics": {"gains": [1, 1]},
        "learning": {"tau": [1, 1]},
        "machine": {"row_lanes": 9, "relax_lanes": 2, "latent_lanes": [1, 1]},
        "standalone": {"flash": flash, "flash_base": 2 * SECTOR, "order_bits": 5, **standalone},
    })


def packed(params, n, seed=1):
    """Samples, of which the later ones have less zeros; the last has none."""
    rng = np.random.default_rng(seed)
    samples = rng.integers(1, 256, (n, params.sample_bytes), np.uint8)
    return samples * (rng.random(samples.shape) < np.linspace(0, 1, n)[:, None])


def content_of(params, train, test):
    return bytes(params.standalone.flash_base) + write_image(params, train, test)


WIRES = [
    ("single", 1, 1), ("single", 1, 2), ("single", 2, 0), ("single", 4, 3),
    ("dual", 1, 1), ("dual", 1, 2), ("dual", 2, 0), ("dual", 4, 3),
    ("quad", 1, 1), ("quad", 1, 2), ("quad", 1, 3), ("quad", 2, 0), ("quad", 2, 1), ("quad", 2, 3),
    ("quad", 6, 2),
]  # fmt: skip


#: Of samples as they are, and of records.
READS = [
    *((*wires, False) for wires in WIRES),
    *((*wires, True) for wires in (WIRES[0], WIRES[6], WIRES[9], WIRES[13])),
]


HANDSHAKES = ["full-rate", "backpressure", "polite"]


@pytest.mark.parametrize(
    ("flash", "divider", "delay", "records", "handshake"),
    [
        pytest.param(*read, handshake, marks=[] if number % 3 == turn else pytest.mark.slow)
        for number, read in enumerate(READS)
        for turn, handshake in enumerate(HANDSHAKES)
    ],
)
def test_samples_arrive(flash, divider, delay, records, handshake):
    params = build(flash, records, flash_divider=divider, flash_delay=delay)
    train, test = packed(params, 20), packed(params, 6, 2)
    dut = FlashReader(params)
    model = FlashModel(content_of(params, train, test), delay=delay, rest=WAKE_CYCLES)
    rng = random.Random(3)
    samples = np.concatenate([train, test])
    numbers = [0, 25, *rng.sample(range(26), 3 if records else 6)]
    got = []

    async def ask(ctx):
        for number in numbers:
            if handshake != "full-rate":
                await ctx.tick().repeat(rng.randint(1, 3))
            ctx.set(dut.store.request.payload, number)
            ctx.set(dut.store.request.valid, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(dut.store.request.ready)
            ctx.set(dut.store.request.valid, 0)

    async def take(ctx):
        data, held = dut.store.data, None
        ready = handshake == "full-rate"
        while len(got) < len(numbers) * params.sample_bytes:
            ctx.set(data.ready, ready)
            _, _, valid, byte = await ctx.tick().sample(data.valid, data.payload)
            if held is not None:
                assert (valid, byte) == (1, held), "a stalled byte moved"
            held = byte if valid and not ready else None
            if valid and ready:
                got.append(byte)
            if handshake == "polite":
                ready = bool(valid) and held is not None
            elif handshake == "backpressure":
                ready = rng.random() < 0.1

    simulate(dut, ask, take, background=[model.process(dut.flash)], deadline=60_000)
    np.testing.assert_array_equal(np.reshape(got, (len(numbers), -1)), samples[numbers])
    head, *reads = model.reads
    assert head[0] == 2 * SECTOR
    lengths = record_lengths(samples) if records else [params.sample_bytes] * len(samples)
    assert reads == [
        (3 * SECTOR + n * stored_bytes(params), lengths[n] * 8 // params.standalone.lines)
        for n in numbers
    ]


@pytest.mark.parametrize(
    ("flash", "divider", "delay", "records"),
    [
        pytest.param(*read, marks=[pytest.mark.slow] * (number % 3 > 0))
        for number, read in enumerate(READS)
    ],
)
def test_a_sample_takes_as_long_as_predicted(flash, divider, delay, records):
    params = build(flash, records, flash_divider=divider, flash_delay=delay)
    dut = FlashReader(params)
    train = packed(params, 3)
    model = FlashModel(content_of(params, train, train), delay=delay)
    times = []

    async def bench(ctx):
        store, now = dut.store, 0
        ctx.set(store.data.ready, 1)
        while not ctx.get(dut.ready):
            await ctx.tick()
        await ctx.tick().repeat(3)
        for number in range(3):
            ctx.set(store.request.payload, number)
            ctx.set(store.request.valid, 1)
            start, bytes_ = now, 0
            while bytes_ < params.sample_bytes:
                _, _, ready, valid = await ctx.tick().sample(store.request.ready, store.data.valid)
                now += 1
                bytes_ += valid
                if ready:
                    ctx.set(store.request.valid, 0)
            times.append(now - start)

    simulate(dut, bench, background=[model.process(dut.flash)], deadline=20_000)
    wanted = [flash_cycles(params)] * 3
    if records:
        # One of zeros, whose bytes decide, and one without, whose record does; between them a bit
        # of both.
        wanted = [flash_cycles(params, n) for n in record_lengths(train)]
        assert wanted[1] <= times[1] <= 1.05 * wanted[1]
        wanted[1] = times[1]
    assert times == wanted


@pytest.mark.parametrize(
    "damage", [None, ("magic", 3), ("kind", 4), ("kind", 11)], ids=["whole", "magic", "kind", "end"]
)
def test_the_head_of_the_image_is_checked(damage):
    params = build("single", flash_divider=1, flash_delay=1)
    content = bytearray(content_of(params, packed(params, 32), packed(params, 5)))
    if damage:
        content[2 * SECTOR + damage[1]] ^= 0x10
    dut = FlashReader(params)
    seen = []

    async def bench(ctx):
        while not ctx.get(dut.ready):
            assert not ctx.get(dut.found)
            await ctx.tick()
        seen.extend(ctx.get(port) for port in (dut.found, dut.train, dut.test))

    model = FlashModel(bytes(content), delay=1)
    simulate(dut, bench, background=[model.process(dut.flash)])
    assert seen == [damage is None, 32, 5]


def test_a_machine_without_a_flash_has_no_reader():
    with pytest.raises(
        ValueError, match=r"^standalone\.flash must be single, dual or quad, not none$"
    ):
        FlashReader(build("none"))
