"""What the machine knows of hidden neurons: a work list of layer 1, registers of later layers."""

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.layers.drive import ItemLayout
from popflip.rtl.layers.ports import (
    ActivationSignature,
    ContributionSignature,
    PhaseSignature,
)
from popflip.rtl.primitives.arithmetic import times

__all__ = ["HiddenRegisters", "NeuronSignature", "PlaceLayout", "WorkList", "dots_layout"]


class PlaceLayout(data.StructLayout):
    """Where the synapses of a hidden neuron are: ``row``, and maybe ``row_group`` and ``bank``.

    In one bank each row is a row group of its own; only layer 1 can have more. If it is pooled,
    ``offset`` says which window the neuron sees.
    """

    def __init__(self, params: Params, layer: int):
        if layer == 1:
            item = ItemLayout(params)
            one = params.synapses(0).banks == 1 and not params.first_layer.shared
            names = ["row"] if one else ["row", "row_group", "bank"]
            names += ["offset"] if params.first_layer.pooled else []
            super().__init__({name: item[name].shape for name in names})
        else:
            super().__init__({"row": range(params.sizes[layer])})


def dots_layout(params: Params, layer: int) -> data.ArrayLayout:
    """The counters of layer ``layer``: one signed dot product per neuron."""
    return data.ArrayLayout(signed(ceil_log2(params.sizes[layer - 1] + 1) + 1), params.sizes[layer])


class NeuronSignature(wiring.Signature):
    """The neurons of one hidden layer, from the side of the relaxation engine.

    Neurons have an *index* below ``capacity``. What an enable asks for is there one cycle later
    and holds until the next.

    Members
    -------
    place_en, place_index : ``Out``; place : ``In(PlaceLayout)``
        Where the neuron's synapses are.
    look_en, look_index : ``Out``; margin, first, last : ``In``
        Its potential without feedback minus its threshold; its activation in the first of the
        contrasted states, and its latest.
    write_en, write_index, write_bit, write_first : ``Out``
        A new activation; ``write_first`` copies it to the first state too.
    free : ``In(n)``
        Activation bits of the free state; for layers above the first.
    count, decided : ``In``
        Neurons 0 to ``count - 1`` are visited; ``decided`` more, down from ``capacity - 1``, are
        known to keep their activation.
    """

    def __init__(self, params: Params, layer: int):
        n = params.sizes[layer]
        super().__init__({
            "place_en": Out(1),
            "place_index": Out(range(n)),
            "place": In(PlaceLayout(params, layer)),
            "look_en": Out(1),
            "look_index": Out(range(n)),
            "margin": In(ItemLayout(params)["margin"].shape),
            "first": In(1),
            "last": In(1),
            "write_en": Out(1),
            "write_index": Out(range(n)),
            "write_bit": Out(1),
            "write_first": Out(1),
            "free": In(n),
            "count": In(range(n + 1)),
            "decided": In(range(n + 1)),
        })


class WorkList(wiring.Component):
    """The work list of a machine without overlap: the neurons of layer 1 that matter to the sample.

    Undecided ones are listed from index 0 upwards, decided ones from the last index downwards, in
    the order in which they arrive.

    Parameters
    ----------
    params : Params

    Members
    -------
    phase : ``In(PhaseSignature)``
        ``clear`` empties the list.
    item, item_valid : ``In``
        A neuron to list (:class:`popflip.rtl.layers.drive.ItemLayout`).
    contribution : ``Out(ContributionSignature)``
        That neuron's, in the same cycle, with the index that it gets.
    neurons : ``In(NeuronSignature)``
    """

    def __init__(self, params: Params):
        self._params = params
        self._n = n = params.sizes[1]
        super().__init__({
            "phase": In(PhaseSignature()),
            "item": In(ItemLayout(params)),
            "item_valid": In(1),
            "contribution": Out(ContributionSignature(n)),
            "neurons": In(NeuronSignature(params, 1)),
        })

    def elaborate(self, platform):
        m = Module()
        n, port = self._n, self.neurons
        state_layout = data.StructLayout({
            "margin": ItemLayout(self._params)["margin"].shape, "first": 1, "last": 1,
        })  # fmt: skip
        place_layout = PlaceLayout(self._params, 1)
        m.submodules.places = places = Memory(shape=place_layout, depth=n, init=[])
        m.submodules.states = states = Memory(shape=state_layout, depth=n, init=[])

        index = self.contribution.index
        counts = self.item.active if self._params.dynamics.code == "heaviside" else 1
        m.d.comb += [
            index.eq(Mux(self.item.undecided, port.count, n - 1 - port.decided)),
            self.contribution.valid.eq(self.item_valid & counts),
            self.contribution.up.eq(self.item.active),
        ]
        with m.If(self.phase.clear):
            m.d.sync += [port.count.eq(0), port.decided.eq(0)]
        with m.Elif(self.item_valid):
            with m.If(self.item.undecided):
                m.d.sync += port.count.eq(port.count + 1)
            with m.Else():
                m.d.sync += port.decided.eq(port.decided + 1)

        place_write, place_read = places.write_port(), places.read_port()
        m.d.comb += [
            place_write.en.eq(self.item_valid),
            place_write.addr.eq(index),
            *(place_write.data[name].eq(self.item[name]) for name, _ in place_layout),
            place_read.en.eq(port.place_en),
            place_read.addr.eq(port.place_index),
            port.place.eq(place_read.data),
        ]

        # A visit writes back what it read one and two cycles before: the margin stays.
        state_write, state_read = states.write_port(), states.read_port()
        margin, first = Signal.like(port.margin), Signal()
        m.d.sync += [margin.eq(port.margin), first.eq(port.first)]
        m.d.comb += [
            state_read.en.eq(port.look_en),
            state_read.addr.eq(port.look_index),
            port.margin.eq(state_read.data.margin),
            port.first.eq(state_read.data.first),
            port.last.eq(state_read.data.last),
        ]
        with m.If(self.item_valid):
            m.d.comb += [
                state_write.en.eq(1),
                state_write.addr.eq(index),
                state_write.data.margin.eq(self.item.margin),
                state_write.data.first.eq(self.item.active),
                state_write.data.last.eq(self.item.active),
            ]
        with m.Else():
            m.d.comb += [
                state_write.en.eq(port.write_en),
                state_write.addr.eq(port.write_index),
                state_write.data.margin.eq(margin),
                state_write.data.first.eq(Mux(port.write_first, port.write_bit, first)),
                state_write.data.last.eq(port.write_bit),
            ]
        return m


class HiddenRegisters(wiring.Component):
    """The neurons of a hidden layer above the first: all of them, in registers.

    Parameters
    ----------
    params : Params
    layer : int
        2 to ``depth - 1``.

    Members
    -------
    phase : ``In(PhaseSignature)``
        ``clear`` silences all neurons, ``save`` keeps the activations as those of the free state.
    dots : ``In(dots_layout)``
        Dot products with the layer below.
    activations : ``Out(ActivationSignature)``
    contribution : ``Out(ContributionSignature)``
        With the ``sign`` code silent neurons count -1: after ``clear`` they all do so, one by one.
    neurons : ``In(NeuronSignature)``
    """

    def __init__(self, params: Params, layer: int):
        self._params = params
        self._layer = layer
        n = params.sizes[layer]
        super().__init__({
            "phase": In(PhaseSignature()),
            "dots": In(dots_layout(params, layer)),
            "activations": Out(ActivationSignature(n)),
            "contribution": Out(ContributionSignature(n)),
            "neurons": In(NeuronSignature(params, layer)),
        })

    def elaborate(self, platform):
        m = Module()
        dynamics, n, port = self._params.dynamics, self._params.sizes[self._layer], self.neurons
        m.d.comb += [port.count.eq(n), port.decided.eq(0)]
        with m.If(port.place_en):
            m.d.sync += port.place.row.eq(port.place_index)

        first, last, active = (
            self.activations.first, self.activations.last, self.activations.active,
        )  # fmt: skip
        dots = Array(self.dots[i] for i in range(n))
        bits = Array(last[i] for i in range(n))
        firsts = Array(first[i] for i in range(n))
        with m.If(port.look_en):
            m.d.sync += [
                port.margin.eq(
                    times(dots[port.look_index], dynamics.gains[self._layer - 1])
                    - dynamics.hidden_threshold
                ),
                port.first.eq(firsts[port.look_index]),
                port.last.eq(bits[port.look_index]),
            ]
        with m.If(self.phase.clear):
            m.d.sync += [first.eq(0), last.eq(0), active.eq(0)]
        with m.Elif(port.write_en):
            m.d.sync += bits[port.write_index].eq(port.write_bit)
            with m.If(port.write_first):
                m.d.sync += firsts[port.write_index].eq(port.write_bit)
            before = bits[port.write_index]
            with m.If(port.write_bit & ~before):
                m.d.sync += active.eq(active + 1)
            with m.Elif(~port.write_bit & before):
                m.d.sync += active.eq(active - 1)
        with m.If(self.phase.save):
            m.d.sync += port.free.eq(last)

        if dynamics.code == "sign":
            seed, seeding = Signal(range(n)), Signal()
            with m.If(self.phase.clear):
                m.d.sync += [seed.eq(0), seeding.eq(1)]
            with m.Elif(seeding):
                m.d.sync += seed.eq(seed + 1)
                with m.If(seed == n - 1):
                    m.d.sync += seeding.eq(0)
            m.d.comb += [self.contribution.valid.eq(seeding), self.contribution.index.eq(seed)]
        return m
