import random
from collections import defaultdict

import numpy as np
import pytest
from amaranth.back import verilog

from popflip.golden.description.layout import Synapses
from popflip.golden.description.packing import latents_to_bytes, weights_to_bytes
from popflip.rtl.layers.synapses import SharedLatents, SynapseMemory, shared_latent_bits
from popflip.rtl.simulation import simulate


def synapses(rows, row_bits, word_bits, banks, block, latent_lanes, latent_bits, latent_slice=None):
    return Synapses(
        0, rows, row_bits, word_bits, banks, block, latent_lanes, latent_bits, latent_slice
    )


SHAPES = {
    "odd": synapses(12, 13, 5, 3, 4, 2, 3),
    "one-bank": synapses(7, 9, 4, 1, 7, 4, 8),
    "one-word": synapses(6, 11, 11, 3, 6, 11, 2),
    "sliced": synapses(6, 9, 5, 2, 3, 3, 4, 5),  # 12 bits: slices of 5, 5 and 2
    "smallest": synapses(1, 1, 1, 1, 1, 1, 2),
    "sliced-weights": synapses(12, 13, 5, 3, 4, 2, 3)._replace(weight_slice=2),
}


def check_collisions(ctx, memory):
    """Fail if a bank is being read and written at one address."""
    ports = [("weights", memory.weight_read, memory.weight_write)]
    if memory.latents:
        ports.append(("latents", memory.latent_read, memory.latent_write))
    for name, read, write in ports:
        both = ctx.get(read.en) & ctx.get(write.en)
        address = ctx.get(read.address)
        assert not both or address != ctx.get(write.address), (
            f"banks {both:#b} of the {name} are read and written at address {address}"
        )


def words_of(data):
    """Words of a region as Python integers."""
    return [int.from_bytes(bytes(word), "little") for word in data]


def weight_words(shape, weights):
    """Words of the weight ports, banks side by side, as Python integers."""
    region = words_of(weights_to_bytes(shape, weights))
    words = []
    for address in range(shape.weight_depth):
        word = low = 0
        for part, width in enumerate(shape.part_widths):
            word |= region[(part << shape.part_bits) + address] << low
            low += width
        words.append(word)
    return words


@pytest.mark.parametrize("name", SHAPES)
def test_starts_at_zero_and_holds_regions(name):
    """Words written as golden packs them come back, and only those that were written change."""
    shape = SHAPES[name]
    dut = SynapseMemory(shape)
    rng = np.random.default_rng(len(name))
    weights = rng.integers(0, 2, (shape.rows, shape.row_bits), dtype=bool)
    top = (1 << (shape.latent_bits - 1)) - 1
    latents = rng.integers(-top, top + 1, (shape.rows, shape.row_bits), dtype=np.int16)
    regions = [
        (dut.weight_read, dut.weight_write, weight_words(shape, weights)),
        (dut.latent_read, dut.latent_write, words_of(latents_to_bytes(shape, latents))),
    ]

    async def read(ctx, port, address):
        ctx.set(port.en, (1 << len(port.en)) - 1)
        ctx.set(port.address, address)
        await ctx.tick()
        ctx.set(port.en, 0)
        return ctx.get(port.data)

    async def bench(ctx):
        for reads, writes, words in regions:
            for address in range(len(words)):
                assert await read(ctx, reads, address) == 0, f"address {address} at the start"
            for address, word in enumerate(words):
                ctx.set(writes.en, (1 << len(writes.en)) - 1)
                ctx.set(writes.address, address)
                ctx.set(writes.data, word)
                await ctx.tick()
            ctx.set(writes.en, 0)
            for address, word in enumerate(words):
                assert await read(ctx, reads, address) == word, f"address {address}"

    simulate(dut, bench)


def test_banks_have_their_own_enables():
    """Random reads and writes in the same cycles, against a model; a bank not read holds still."""
    shape = SHAPES["odd"]
    dut = SynapseMemory(shape)
    rng = random.Random(5)
    held = [defaultdict(int) for _ in range(shape.banks)]
    expected = [0] * shape.banks

    async def bench(ctx):
        read, write = dut.weight_read, dut.weight_write
        for cycle in range(500):
            r_en, w_en = rng.getrandbits(shape.banks), rng.getrandbits(shape.banks)
            r_address, w_address = (rng.randrange(shape.weight_depth) for _ in range(2))
            if r_address == w_address:
                w_en &= ~r_en
            data = rng.getrandbits(shape.banks * shape.word_bits)
            for port, name, value in (
                (read, "en", r_en),
                (read, "address", r_address),
                (write, "en", w_en),
                (write, "address", w_address),
                (write, "data", data),
            ):
                ctx.set(getattr(port, name), value)
            await ctx.tick()
            got = ctx.get(read.data)
            for bank in range(shape.banks):
                if r_en >> bank & 1:
                    expected[bank] = held[bank][r_address]
                word = got >> bank * shape.word_bits & (1 << shape.word_bits) - 1
                assert word == expected[bank], f"cycle {cycle}, bank {bank}"
                if w_en >> bank & 1:
                    part = data >> bank * shape.word_bits & (1 << shape.word_bits) - 1
                    held[bank][w_address] = part

    simulate(dut, bench)


@pytest.mark.parametrize("memory", ["weight", "latent"])
def test_collisions_are_seen(memory):
    """The check that other tests rely on does fail."""
    dut = SynapseMemory(SHAPES["odd"])

    async def bench(ctx):
        read, write = getattr(dut, f"{memory}_read"), getattr(dut, f"{memory}_write")
        ctx.set(read.en, 1)
        ctx.set(write.en, 1)
        ctx.set(write.address, 1)
        check_collisions(ctx, dut)
        ctx.set(read.address, 1)
        with pytest.raises(AssertionError) as caught:
            check_collisions(ctx, dut)
        assert f"banks 0b1 of the {memory}s are read and written at address 1" in str(caught.value)

    simulate(dut, bench)


def test_a_word_of_latents_is_cut_into_slices():
    memory = SynapseMemory(SHAPES["sliced"])
    assert [part.shape.width for part in memory.latents] == [5, 5, 2]


def test_shared_latents_read_in_one_bank_and_write_in_the_other():
    shapes = [
        synapses(3, 5, 5, 1, 3, 2, 4)._replace(shared=True),
        synapses(7, 2, 2, 1, 7, 2, 4)._replace(shared=True),
    ]
    assert shared_latent_bits(shapes) == (5, 8)
    dut = SharedLatents(shapes)
    rng = np.random.default_rng(1)
    content = {}

    async def bench(ctx):
        for layer, shape in enumerate(shapes):
            for word in range(shape.latent_depth):
                address = (layer << 4) | word
                content[address] = int(rng.integers(256))
                ctx.set(dut.write.en, 1)
                ctx.set(dut.write.address, address)
                ctx.set(dut.write.data, content[address])
                await ctx.tick()
        assert len(content) == sum(shape.latent_depth for shape in shapes)
        for _ in range(100):
            read, write = (int(a) for a in rng.choice(list(content), 2))
            writes = read % 2 != write % 2
            ctx.set(dut.read.en, 1)
            ctx.set(dut.read.address, read)
            ctx.set(dut.write.en, writes)
            ctx.set(dut.write.address, write)
            ctx.set(dut.write.data, value := int(rng.integers(256)))
            await ctx.tick()
            assert ctx.get(dut.read.data) == content[read]
            if writes:
                content[write] = value

    simulate(dut, bench)


def test_inference_has_no_latents():
    dut = SynapseMemory(SHAPES["odd"], training=False)
    assert dut.latents == ()
    assert set(dut.signature.members) == {"weight_read", "weight_write"}
    assert "latent" not in verilog.convert(dut)


def test_rejected():
    with pytest.raises(TypeError) as caught:
        SynapseMemory((1, 2))
    assert str(caught.value) == "shape must be a Synapses, not (1, 2)"
