"""Whoever's turn it is has a memory's ports, and the host reads and writes part by part."""

import numpy as np
import pytest

from popflip.golden.description.layout import Synapses
from popflip.rtl.core.memory_ports import MemoryPorts, SharedLatentPorts
from popflip.rtl.layers.synapses import shared_latent_address
from popflip.rtl.simulation import simulate

WIDTH = 12
#: Two banks of two slices; latents of 12 bits in parts of 8 and 4.
SHAPE = Synapses(
    layer=0, rows=8, row_bits=6, word_bits=6, banks=2, block=4, latent_lanes=3, latent_bits=4,
    weight_slice=4,
)  # fmt: skip


def ask(ctx, host, *, write=None, address=0):
    """Have the host read a word, or write one, in this cycle."""
    ctx.set(host.read, write is None)
    ctx.set(host.write, write is not None)
    ctx.set(host.address, address)
    ctx.set(host.data, write or 0)


def rest(ctx, host):
    ctx.set(host.read, 0)
    ctx.set(host.write, 0)


@pytest.mark.parametrize("overlap", [False, True])
def test_the_reader_gives_way_to_the_learner(overlap):
    dut = MemoryPorts(SHAPE, WIDTH, overlap=overlap)

    async def bench(ctx):
        ctx.set(dut.reader.en, 3)
        ctx.set(dut.reader.address, 1)
        ctx.set(dut.learner.read.address, 2)
        for claim in (0, 1):
            for bank in (0, 2):
                ctx.set(dut.learner.claim, claim)
                ctx.set(dut.learner.read.en, bank)
                mine = bank != 0 if overlap else claim
                expected = (bank, 2) if mine else (3, 1)
                assert (ctx.get(dut.weight_read.en), ctx.get(dut.weight_read.address)) == expected

        ctx.set(dut.weight_read.data, 0xABC)
        assert ctx.get(dut.reader.data) == ctx.get(dut.learner.read.data) == 0xABC

    simulate(dut, bench)


def test_the_host_writes_and_reads_one_slice_of_one_bank():
    dut = MemoryPorts(SHAPE, WIDTH)
    widths = SHAPE.part_widths

    async def bench(ctx):
        ctx.set(dut.learner.write.en, 0b1111)
        ctx.set(dut.learner.write.address, 3)
        assert ctx.get(dut.weight_write.en) == 0b1111
        for part in range(len(widths)):
            for address in range(SHAPE.weight_depth):
                place = part << SHAPE.part_bits | address
                ask(ctx, dut.host_weights, write=0b101101, address=place)
                assert ctx.get(dut.weight_write.en) == 1 << part
                assert ctx.get(dut.weight_write.address) == address
                low = sum(widths[:part])
                written = ctx.get(dut.weight_write.data) >> low & (1 << widths[part]) - 1
                assert written == 0b101101 & (1 << widths[part]) - 1
                ask(ctx, dut.host_weights, address=place)
                assert ctx.get(dut.weight_write.en) == 0b1111, "a read writes nothing"
                assert ctx.get(dut.weight_read.en) == 0b11
                assert ctx.get(dut.weight_read.address) == address
                word = 0b110010101101
                ctx.set(dut.weight_read.data, word)
                assert ctx.get(dut.host_weights.reply) == word >> low & (1 << widths[part]) - 1
        rest(ctx, dut.host_weights)
        assert ctx.get(dut.weight_write.address) == 3

    simulate(dut, bench)


@pytest.mark.parametrize("repeats", [False, True])
def test_own_latents_are_the_engines_unless_the_host_asks(repeats):
    dut = MemoryPorts(SHAPE._replace(repeats=repeats), WIDTH)

    async def bench(ctx):
        async def written():
            """Whether anything is written, where and what, as soon as it is."""
            if not repeats:
                await ctx.tick()
            write = dut.latent_write
            return ctx.get(write.en), ctx.get(write.address), ctx.get(write.data)

        ctx.set(dut.learner_write.en, 1)
        ctx.set(dut.learner_write.data, 0x123)
        ctx.set(dut.learner_write.address, 4)
        ctx.set(dut.learner_read.address, 5)
        assert await written() == (1, 4, 0x123)
        assert ctx.get(dut.latent_read.address) == 5
        ask(ctx, dut.host_latents, write=0x456, address=7)
        assert await written() == (1, 7, 0x456)
        ask(ctx, dut.host_latents, address=6)
        # The engine takes it over.
        assert ctx.get(dut.idle_address) == 6
        assert ctx.get(dut.latent_read.address) == 5
        assert ctx.get(dut.latent_read.en) == 1
        ctx.set(dut.latent_read.data, 0x789)
        assert ctx.get(dut.host_latents.reply) == ctx.get(dut.learner_read.data) == 0x789

    simulate(dut, bench)


def test_a_machine_that_only_infers_has_a_reader_and_the_host():
    dut = MemoryPorts(SHAPE, WIDTH, training=False)
    assert "learner" not in dut.signature.members

    async def bench(ctx):
        assert ctx.get(dut.weight_write.en) == 0
        ask(ctx, dut.host_weights, write=1, address=2)
        assert (ctx.get(dut.weight_write.en), ctx.get(dut.weight_write.address)) == (1, 2)

    simulate(dut, bench)


def test_shared_latents_have_a_place_for_each_layer():
    shapes = [
        Synapses(layer=layer, rows=rows, row_bits=4, word_bits=4, banks=1, block=1,
                 latent_lanes=2, latent_bits=4, shared=True)
        for layer, rows in enumerate((3, 5))
    ]  # fmt: skip
    dut, rng = SharedLatentPorts(shapes, WIDTH), np.random.default_rng(3)

    async def bench(ctx):
        ctx.set(dut.learner_write.en, 1)
        ctx.set(dut.learner_write.address, 9)
        ctx.set(dut.learner_read.en, 1)
        assert (ctx.get(dut.write.en), ctx.get(dut.write.address), ctx.get(dut.read.en)) == (
            1,
            9,
            1,
        )
        for layer, (shape, host) in enumerate(zip(shapes, dut.host, strict=True)):
            for address in rng.permutation(shape.latent_depth):
                value = int(rng.integers(256))
                ask(ctx, host, write=value, address=int(address))
                place = ctx.get(shared_latent_address(shapes, layer, host.address))
                assert ctx.get(dut.write.address) == place
                assert ctx.get(dut.write.data) == value
                ask(ctx, host, address=int(address))
                assert ctx.get(dut.read.address) == place
                ctx.set(dut.read.data, value)
                assert ctx.get(host.reply) == value
            rest(ctx, host)
        assert ctx.get(dut.write.address) == 9

    simulate(dut, bench)
