import random
from collections import deque

import pytest

from popflip.rtl.primitives.queue import Queue
from popflip.rtl.simulation import simulate


@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("busy", [(0.9, 0.3), (0.3, 0.9), (0.5, 0.5), (1, 1)])
def test_entries_leave_in_order(capacity, busy):
    dut, rng = Queue(8, capacity), random.Random(capacity)
    adds, takes = busy
    levels = set()

    async def bench(ctx):
        # Each entry with the cycle from which on it is there, if it is the oldest.
        entries, now, left = deque(), 0, 0
        while left < 300:
            ready = bool(entries) and entries[0][1] <= now
            assert (ctx.get(dut.ready), ctx.get(dut.empty)) == (ready, not entries), now
            if ready:
                assert ctx.get(dut.data) == entries[0][0]
            add = len(entries) < capacity and rng.random() < adds
            take = rng.random() < takes
            entry = rng.getrandbits(8)
            ctx.set(dut.add, add)
            ctx.set(dut.entry, entry)
            ctx.set(dut.take, take)
            await ctx.tick()
            if ready and take:
                entries.popleft()
                left += 1
            if add:
                entries.append((entry, now + 2))
            now += 1
            levels.add(len(entries))

    simulate(dut, bench)
    assert max(levels) == capacity or takes >= adds


def test_rejects():
    with pytest.raises(ValueError, match=r"^capacity must be at least 1, not 0$"):
        Queue(8, 0)
