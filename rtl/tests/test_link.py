# amaranth: UnusedElaboratable=no

import random
from collections import deque

import pytest
from cobs import cobs

from popflip.boards.link import decode_frame, encode_frame
from popflip.golden.packing import memory_map
from popflip.golden.params import Params
from popflip.golden.protocol import (
    CRC,
    FILL,
    IDENTIFY_ANSWER,
    MAX_PAYLOAD,
    READ,
    RUN,
    STATUS_ANSWER,
    WRITE,
    RunFlags,
    Status,
    Verb,
)
from popflip.rtl.link import HostLink, RequestServer
from popflip.rtl.testing import simulate

IDENTITY = bytes(range(100, 116))
PARAMS = Params.build({
    "network": {"image": [6, 6], "first": "dense", "hidden": [5]},
    "dynamics": {"gains": [4, 8]},
    "learning": {"tau": [3, 3]},
    "machine": {
        "row_lanes": 12,
        "relax_lanes": 4,
        "latent_lanes": [6, 3],
        "uart_divisor": 4,
        "sample_slots": 2,
    },
})
REGIONS = {region.name: region for region in memory_map(PARAMS)}


class Core:
    """The core's side of the host port, with plain memories behind it.

    It makes the link wait at random for commands, replies and runs, and insists on being asked only
    for what there is.
    """

    def __init__(self, port, seed=1):
        rng = random.Random(seed)
        self._port, self._rng = port, rng
        self.memory = [
            [rng.getrandbits(region.width) for _ in range(region.depth)]
            for region in REGIONS.values()
        ]
        self.runs, self.stops = [], 0
        self.busy = False
        self.over = False

    def bytes_of(self, region, address, count):
        words = self.memory[region.index][address : address + count]
        return b"".join(word.to_bytes(region.word_bytes, "little") for word in words)

    async def __call__(self, ctx):
        port, regions = self._port, list(REGIONS.values())
        replies = deque()
        while not self.over:
            accept = self._rng.random() < 0.6
            run = not self.busy and self._rng.random() < 0.3
            reply = bool(replies) and self._rng.random() < 0.5
            ctx.set(port.command.ready, accept)
            ctx.set(port.run.ready, run)
            ctx.set(port.busy, self.busy)
            ctx.set(port.reply.valid, reply)
            ctx.set(port.reply.payload, replies.popleft() if reply else 0)
            await ctx.tick()
            # Outputs are read after the edge in the next round, hence sampled through `ctx.get`.
            raise NotImplementedError
