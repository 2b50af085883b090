"""What a leaky hidden layer knows of its neurons but their potentials: layer 1, later layers."""

from amaranth.hdl import Array, Cat, Module, Shape, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.layers.drive import ItemLayout, MarginSignature
from popflip.rtl.layers.neurons import dots_layout
from popflip.rtl.layers.ports import ActivationSignature, PhaseSignature
from popflip.rtl.layers.synapses import hint

__all__ = [
    "LeakyMemory",
    "LeakyRegisters",
    "LeakySignature",
    "below_shape",
    "group_bits",
    "keeps_free",
]


def below_shape(params: Params, layer: int) -> Shape:
    """Shape of what a neuron of hidden layer ``layer`` receives from below.

    Of layer 1 that is its drive; of a later one the dot product with the layer below.
    """
    if layer == 1:
        return ItemLayout(params)["margin"].shape
    return dots_layout(params, layer).elem_shape


def keeps_free(params: Params) -> bool:
    """Whether the free state is kept, because a second nudged phase begins with it."""
    return params.machine.training and params.learning.nudging == "centered"


def group_bits(params: Params, layer: int) -> int:
    """Bits of the number of a group of neurons of hidden layer ``layer``."""
    return max(1, ceil_log2(params.synapses(layer).slots))


class LeakySignature(wiring.Signature):
    """The neurons of a hidden layer, a group of them at a time, from the engine's side.

    A group is a row group of the layer's weights. What an enable asks for is there one cycle later
    and holds until the next.

    Members
    -------
    look_en, look_index : ``Out``; last, first : ``In(banks)``
        Activations of a group, now and in the first of the contrasted states.
    below_en, below_index : ``Out``; below : ``In``, an array of ``banks``
        What the neurons of a group receive from below, as of
        :class:`popflip.rtl.leaky.leak.Leak`.
    write_en, write_index, write_bits, write_first : ``Out``
        New activations of a group; ``write_first``: they are those of the first state too.
    from_free, into_free : ``Out(1)``
        What is looked at is the free state; what is written becomes the free state. Both hold
        still in a pass.
    """

    def __init__(self, params: Params, layer: int):
        banks, bits = params.synapses(layer).banks, group_bits(params, layer)
        super().__init__({
            "look_en": Out(1),
            "look_index": Out(bits),
            "last": In(banks),
            "first": In(banks),
            "below_en": Out(1),
            "below_index": Out(bits),
            "below": In(data.ArrayLayout(below_shape(params, layer), banks)),
            "write_en": Out(1),
            "write_index": Out(bits),
            "write_bits": Out(banks),
            "write_first": Out(1),
            "from_free": Out(1),
            "into_free": Out(1),
        })


class LeakyMemory(wiring.Component):
    """The neurons of layer 1, in memories.

    If the free state is kept, its activations lie in a half of their own.

    Parameters
    ----------
    params : Params

    Members
    -------
    drive : ``In(MarginSignature)``
        Written once per sample.
    neurons : ``In(LeakySignature)``
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "drive": In(MarginSignature(params)),
            "neurons": In(LeakySignature(params, 1)),
        })

    def elaborate(self, platform):
        m = Module()
        p, port, drive = self._params, self.neurons, self.drive
        shape, depth = p.synapses(1), 1 << group_bits(p, 1)

        m.submodules.margins = margins = Memory(
            shape=drive.margins.shape(), depth=depth, init=[], attrs=hint(depth)
        )
        to, of = margins.write_port(), margins.read_port()
        m.d.comb += [
            to.en.eq(drive.en),
            to.addr.eq(drive.index),
            to.data.eq(drive.margins),
            of.en.eq(port.below_en),
            of.addr.eq(port.below_index),
            port.below.eq(of.data),
        ]
        halves = 2 if keeps_free(p) else 1
        m.submodules.activations = activations = Memory(
            shape=unsigned(shape.banks), depth=halves * depth, init=[], attrs=hint(halves * depth)
        )
        to, of = activations.write_port(), activations.read_port()
        m.d.comb += [
            to.en.eq(port.write_en),
            to.addr.eq(Cat(port.write_index, ~port.into_free)),
            to.data.eq(port.write_bits),
            of.en.eq(port.look_en),
            of.addr.eq(Cat(port.look_index, ~port.from_free)),
            port.last.eq(of.data),
        ]
        if p.machine.training:
            m.submodules.firsts = firsts = Memory(
                shape=unsigned(shape.banks), depth=depth, init=[], attrs=hint(depth)
            )
            to, of = firsts.write_port(), firsts.read_port()
            m.d.comb += [
                to.en.eq(port.write_en & port.write_first),
                to.addr.eq(port.write_index),
                to.data.eq(port.write_bits),
                of.en.eq(port.look_en),
                of.addr.eq(port.look_index),
                port.first.eq(of.data),
            ]
        return m


class LeakyRegisters(wiring.Component):
    """The neurons of a hidden layer above the first, in registers.

    Parameters
    ----------
    params : Params
    layer : int
        2 to ``depth - 1``.

    Members
    -------
    phase : ``In(PhaseSignature)``
        ``clear`` makes all neurons active; ``save`` keeps their activations as those of the free
        state, and ``restore`` goes back to them.
    dots : ``In(dots_layout)``
        Dot products with the layer below.
    activations : ``Out(ActivationSignature)``
    neurons : ``In(LeakySignature)``
    """

    def __init__(self, params: Params, layer: int):
        self._params = params
        self._layer = layer
        super().__init__({
            "phase": In(PhaseSignature()),
            "dots": In(dots_layout(params, layer)),
            "activations": Out(ActivationSignature(params.sizes[layer])),
            "neurons": In(LeakySignature(params, layer)),
        })

    def elaborate(self, platform):
        m = Module()
        p, n, port = self._params, self._params.sizes[self._layer], self.neurons
        shape, phase = p.synapses(self._layer), self.phase
        banks, groups = shape.banks, range(shape.slots)
        first, last, active = (
            self.activations.first, self.activations.last, self.activations.active,
        )  # fmt: skip

        def of(bits, group):
            return bits[group * banks : (group + 1) * banks]

        looked = [(port.last, last)] + [(port.first, first)] * p.machine.training
        with m.If(port.look_en):
            m.d.sync += [
                shown.eq(Array(of(bits, group) for group in groups)[port.look_index])
                for shown, bits in looked
            ]
        with m.If(port.below_en):
            for bank in range(banks):
                dots = [self.dots[row] for row in range(bank, n, banks)]
                m.d.sync += port.below[bank].eq(Array(dots)[port.below_index])

        was = Signal(banks)
        with m.Switch(port.write_index):
            for group in groups:
                with m.Case(group):
                    m.d.comb += was.eq(of(last, group))
                    with m.If(port.write_en):
                        m.d.sync += of(last, group).eq(port.write_bits)
                        if p.machine.training:
                            with m.If(port.write_first):
                                m.d.sync += of(first, group).eq(port.write_bits)
        with m.If(port.write_en):
            m.d.sync += active.eq(active + sum(port.write_bits) - sum(was))
        with m.If(phase.clear):
            m.d.sync += [last.eq((1 << n) - 1), active.eq(n)]
        if keeps_free(p):
            free, free_active = Signal(n), Signal.like(active, name="free_active")
            with m.If(phase.save):
                m.d.sync += [free.eq(last), free_active.eq(active)]
            with m.If(phase.restore):
                m.d.sync += [last.eq(free), active.eq(free_active)]
        return m
