"""One port, several users: the last one whose turn it is has it, and all see the answer."""

import itertools

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, flipped

from popflip.rtl.layers.ports import share
from popflip.rtl.layers.synapses import ReadSignature
from popflip.rtl.simulation import simulate


class Three(wiring.Component):
    """Three users of a read port, the first of which always may."""

    def __init__(self):
        port = ReadSignature(8, 4)
        super().__init__({"users": In(port).array(3), "turns": In(2), "port": Out(port)})

    def elaborate(self, platform):
        m = Module()
        first, second, third = (flipped(user) for user in self.users)
        share(m, self.port, (None, first), (self.turns[0], second), (self.turns[1], third))
        return m


def test_the_last_whose_turn_it_is_has_the_port():
    dut = Three()

    async def bench(ctx):
        for number, user in enumerate(dut.users):
            ctx.set(user.address, number + 1)
        for turns, asking in itertools.product(range(4), range(8)):
            ctx.set(dut.turns, turns)
            for number, user in enumerate(dut.users):
                ctx.set(user.en, asking >> number & 1)
            owner = 2 if turns & 2 else turns & 1
            assert ctx.get(dut.port.address) == owner + 1
            assert ctx.get(dut.port.en) == asking >> owner & 1

    simulate(dut, bench)


def test_all_see_the_answer():
    dut = Three()

    async def bench(ctx):
        for turns, word in itertools.product(range(4), (5, 10)):
            ctx.set(dut.turns, turns)
            ctx.set(dut.port.data, word)
            assert [ctx.get(user.data) for user in dut.users] == [word] * 3

    simulate(dut, bench)


def test_a_port_that_is_nobodys_rests():
    class One(wiring.Component):
        user: In(ReadSignature(8, 4))
        turn: In(1)
        port: Out(ReadSignature(8, 4))

        def elaborate(self, platform):
            m = Module()
            share(m, self.port, (self.turn, flipped(self.user)))
            return m

    dut = One()

    async def bench(ctx):
        ctx.set(dut.user.en, 1)
        assert ctx.get(dut.port.en) == 0
        ctx.set(dut.turn, 1)
        assert ctx.get(dut.port.en) == 1

    simulate(dut, bench)
