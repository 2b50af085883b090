"""Jobs pass as they come; a flush brings exactly the rows that were marked, or all."""

import numpy as np
import pytest

from popflip.rtl.layers.tests.test_synapses import synapses
from popflip.rtl.layers.update_rows import RowSource
from popflip.rtl.simulation import simulate

SHAPES = {
    "one-bank": synapses(5, 7, 4, 2, 5, 1, 4),
    "last-group-short": synapses(14, 13, 5, 3, 7, 3, 4),
    "smallest": synapses(1, 1, 1, 1, 1, 1, 2),
}


async def flush(ctx, dut, row_cycles):
    """Flush; return the rows that come, and how many cycles it takes."""
    ctx.set(dut.control.flush, 1)
    await ctx.tick()
    ctx.set(dut.control.flush, 0)
    rows, cycles, left = [], 0, 0
    while ctx.get(dut.flushes):
        # The engine is free in the last cycle of a row, and while it has none.
        ctx.set(dut.free, left <= 1)
        left = max(0, left - 1)
        if ctx.get(dut.take):
            assert ctx.get(dut.flushing)
            taken = dut.taken
            rows.append(tuple(ctx.get(part) for part in (taken.row, taken.row_group, taken.bank)))
            left = row_cycles
        cycles += 1
        await ctx.tick()
    ctx.set(dut.free, 1)
    return rows, cycles


@pytest.mark.parametrize("row_cycles", [1, 3])
@pytest.mark.parametrize("name", SHAPES)
def test_a_flush_brings_what_was_marked(name, row_cycles):
    shape = SHAPES[name]
    dut, rng = RowSource(shape), np.random.default_rng(6)
    places = [(row, shape.slot(row), shape.bank(row)) for row in range(shape.rows)]

    async def bench(ctx):
        ctx.set(dut.free, 1)
        ctx.set(dut.touch, 1)
        await ctx.tick()
        ctx.set(dut.touch, 0)
        assert ctx.get(dut.control.stale)
        rows, _ = await flush(ctx, dut, row_cycles)
        assert sorted(rows) == places, "all rows after a touch"
        assert not ctx.get(dut.control.stale)
        for share in (0, 0.4, 1):
            marked = set()
            for row in rng.permutation(shape.rows):
                immediate = rng.random() >= share
                ctx.set(dut.immediate, immediate)
                row, group, bank = places[row]
                job = {"row": row, "row_group": group, "bank": bank, "plus": 1, "minus": 0}
                ctx.set(dut.job.payload, job)
                ctx.set(dut.job.valid, 1)
                assert ctx.get(dut.job.ready)
                assert ctx.get(dut.take)
                assert ctx.get(dut.taken.row) == row
                assert ctx.get(dut.taken.plus) == 1
                await ctx.tick()
                ctx.set(dut.job.valid, 0)
                marked |= set() if immediate else {places[row]}
            await ctx.tick()
            rows, cycles = await flush(ctx, dut, row_cycles)
            assert rows == sorted(marked)
            in_groups = np.bincount([group for _, group, _ in rows], minlength=shape.slots)
            # A cycle behind the last row.
            work = np.maximum(1, in_groups * row_cycles).sum()
            assert cycles == work + 1

    simulate(dut, bench)


def test_no_job_is_taken_while_the_engine_is_not_free():
    dut = RowSource(SHAPES["one-bank"])

    async def bench(ctx):
        ctx.set(dut.job.valid, 1)
        assert not ctx.get(dut.job.ready)
        assert not ctx.get(dut.take)
        ctx.set(dut.free, 1)
        assert ctx.get(dut.job.ready)
        assert ctx.get(dut.take)
        ctx.set(dut.control.flush, 1)
        assert not ctx.get(dut.job.ready)

    simulate(dut, bench)
