"""The settings that standalone training writes to the core's registers, as bytes."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.golden.description.registers import REGISTER_BYTES
from popflip.golden.support.integers import ceil_div

__all__ = ["Settings"]


class Settings(wiring.Component):
    """Hand out the bytes of registers from a chosen one on.

    The registers are those from the first to the last flip threshold. Only thresholds depend on the
    epoch. Register ``clear`` stands between the two kinds.

    Parameters
    ----------
    params : Params
        With a flash.

    Attributes
    ----------
    clear : int
        Address of register ``clear``.
    end : int
        Address behind the last register.

    Members
    -------
    begin : ``In(1)``, first : ``In``
        Go to the lowest byte of this register.
    advance : ``In(1)``
        Go to the next byte.
    epoch : ``In(range(epochs + 1))``
        The thresholds are this epoch's.
    byte : ``Out(8)``
        The byte.
    """

    def __init__(self, params: Params):
        self._params = params
        registers = params.registers
        self.clear = registers["clear"].index
        self.end = registers.tau(params.depth - 1).index + 1
        super().__init__({
            "begin": In(1),
            "first": In(range(self.end)),
            "advance": In(1),
            "epoch": In(range(params.standalone.epochs + 1)),
            "byte": Out(8),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._params
        index, place = Signal(range(self.end)), Signal(range(REGISTER_BYTES))
        with m.If(self.begin):
            m.d.sync += [index.eq(self.first), place.eq(0)]
        with m.Elif(self.advance):
            m.d.sync += place.eq(place + 1)
            with m.If(place == REGISTER_BYTES - 1):
                m.d.sync += index.eq(index + 1)

        fixed = {
            "batch": p.learning.batch,
            "options": p.registers["options"].encode(reset_on_flip=p.learning.reset_on_flip),
            "seed": p.standalone.state,
            "clear": 1,
        }
        thresholds = _thresholds(p)
        with m.Switch(Cat(place, index)):
            for name, value in fixed.items():
                for i in range(REGISTER_BYTES):
                    with m.Case(REGISTER_BYTES * p.registers[name].index + i):
                        m.d.comb += self.byte.eq(_byte(value, i))
            for layer in range(p.depth):
                register = p.registers.tau(layer)
                for i in range(ceil_div(register.bits, 8)):
                    with m.Case(REGISTER_BYTES * register.index + i):
                        self._put_threshold(m, [_byte(values[layer], i) for values in thresholds])
        return m

    def _put_threshold(self, m, bytes_of_epochs):
        """Choose by the epoch; the last byte is that of all epochs from its own on."""
        *earlier, last = bytes_of_epochs
        with m.Switch(self.epoch):
            for epoch, byte in enumerate(earlier):
                with m.Case(epoch):
                    m.d.comb += self.byte.eq(byte)
            with m.Default():
                m.d.comb += self.byte.eq(last)


def _byte(value: int, number: int) -> int:
    return value >> 8 * number & 0xFF


def _thresholds(params: Params) -> list[tuple[int, ...]]:
    """Flip thresholds of each epoch, up to the last in which they differ from the one before."""
    learning = params.learning
    table = [learning.tau_in_epoch(epoch) for epoch in range(params.standalone.epochs)]
    while len(table) > 1 and table[-1] == table[-2]:
        table.pop()
    return table
