"""Engines by themselves, with the memories and neighbours that they cannot do without."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.params import Params
from popflip.rtl.layers.drive import DriveEngine, ItemLayout
from popflip.rtl.layers.neurons import ItemList, PlaceLayout, dots_layout
from popflip.rtl.layers.output import Nudge, OutputLayer, Readout
from popflip.rtl.layers.relax import RelaxEngine
from popflip.rtl.layers.sample_buffer import SampleBuffer
from popflip.rtl.layers.synapses import SynapseMemory, WriteSignature, synapse_ports
from popflip.rtl.layers.update import JobLayout, UpdateEngine
from popflip.rtl.primitives.popcount import PopcountTree

__all__ = [
    "UNITS",
    "ChangedLayout",
    "DriveUnit",
    "OutputUnit",
    "RelaxUnit",
    "SampleUnit",
    "UpdateUnit",
]


class SampleUnit(wiring.Component):
    """A sample buffer; ``drop`` is its ``release``, a word that Verilog keeps for itself."""

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(8)),
            "en": In(1),
            "drop": In(1),
            "restart": In(1),
            "next": In(1),
            "chunk": In(range(params.synapses(0).chunks)),
            "full": Out(1),
            "label": Out(8),
            "ready": Out(1),
            "x": Out(params.machine.row_lanes),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.sample = sample = SampleBuffer(self._params)
        connect(m, flipped(self.i), sample.i)
        m.d.comb += [
            sample.release.eq(self.drop),
            *(
                getattr(sample, name).eq(getattr(self, name))
                for name in ("en", "restart", "next", "chunk")
            ),
            *(
                getattr(self, name).eq(getattr(sample, name))
                for name in ("full", "label", "ready", "x")
            ),
        ]
        return m


class DriveUnit(wiring.Component):
    """A drive engine between its sample buffer and its weights."""

    def __init__(self, params: Params):
        self._params = params
        self._shape = s = params.synapses(0)
        super().__init__({
            "i": In(stream.Signature(8)),
            "drop": In(1),
            "weight_write": In(WriteSignature(s.weight_depth, s.word_bits, s.banks)),
            "start": In(1),
            "attempt": In(range(len(params.active_bounds))),
            "item": Out(ItemLayout(params)),
            "item_valid": Out(1),
            "idle": Out(1),
            "full": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.sample = sample = SampleBuffer(self._params)
        m.submodules.drive = drive = DriveEngine(self._params)
        m.submodules.memory = memory = SynapseMemory(self._shape, training=False)
        connect(m, flipped(self.i), sample.i)
        connect(m, flipped(self.weight_write), memory.weight_write)
        m.d.comb += [
            sample.release.eq(self.drop),
            sample.en.eq(drive.en),
            sample.restart.eq(drive.restart),
            sample.next.eq(drive.next),
            sample.chunk.eq(drive.chunk),
            drive.ready.eq(sample.ready),
            drive.x.eq(sample.x),
            drive.start.eq(self.start),
            drive.attempt.eq(self.attempt),
            memory.weight_read.en.eq(Mux(drive.w_en, ~0, 0)),
            memory.weight_read.address.eq(drive.w_address),
            drive.w_data.eq(memory.weight_read.data),
            self.item.eq(drive.item),
            self.item_valid.eq(drive.item_valid),
            self.idle.eq(drive.idle),
            self.full.eq(sample.full),
        ]
        if self._params.machine.serial_windows:
            m.d.comb += drive.ones.eq(sample.ones)
        return m


class ChangedLayout(data.StructLayout):
    """A neuron that differs between the ends."""

    def __init__(self, params: Params):
        super().__init__({"place": PlaceLayout(params, 1), "up": 1})


class RelaxUnit(wiring.Component):
    """A relaxation engine of layer 1, with its list of neurons and its weights."""

    def __init__(self, params: Params):
        self._params = params
        self._shape = s = params.synapses(1)
        n_upper = params.sizes[2]
        super().__init__({
            "weight_write": In(WriteSignature(s.weight_depth, s.word_bits, s.banks)),
            "clear": In(1),
            "item": In(ItemLayout(params)),
            "item_valid": In(1),
            "visit": In(1),
            "first_end": In(1),
            "upper": In(n_upper),
            "upper_active": In(range(n_upper + 1)),
            "walk": In(1),
            "upper_differs": In(1),
            "learning": In(1),
            "dots": Out(dots_layout(params, 2)),
            "toggled": Out(1),
            "idle": Out(1),
            "job": Out(stream.Signature(JobLayout(s))),
            "changed": Out(stream.Signature(ChangedLayout(params))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.items = items = ItemList(self._params)
        m.submodules.relax = relax = RelaxEngine(self._params, 1)
        m.submodules.memory = memory = SynapseMemory(self._shape, training=False)
        connect(m, relax.neurons, items.neurons)
        connect(m, flipped(self.weight_write), memory.weight_write)
        connect(m, relax.job, flipped(self.job))
        connect(m, relax.changed, flipped(self.changed))
        heaviside = self._params.dynamics.code == "heaviside"
        m.d.comb += [
            items.clear.eq(self.clear),
            items.item.eq(self.item),
            items.item_valid.eq(self.item_valid),
            relax.push.eq(self.item_valid & (self.item.active if heaviside else 1)),
            relax.push_index.eq(items.index),
            relax.push_up.eq(self.item.active),
            memory.weight_read.en.eq(relax.w_en),
            memory.weight_read.address.eq(relax.w_address),
            relax.w_data.eq(memory.weight_read.data),
            *(
                getattr(relax, name).eq(getattr(self, name))
                for name in (
                    "clear", "visit", "first_end", "upper", "upper_active", "walk",
                    "upper_differs", "learning",
                )
            ),
            self.dots.eq(relax.dots),
            self.toggled.eq(relax.toggled),
            self.idle.eq(relax.idle),
        ]  # fmt: skip
        return m


class OutputUnit(wiring.Component):
    """The output layer and its readout."""

    def __init__(self, params: Params):
        self._params = params
        n = params.n_out
        super().__init__({
            "clear": In(1),
            "update": In(1),
            "nudge": In(Nudge),
            "label": In(8),
            "save": In(1),
            "dots": In(dots_layout(params, params.depth)),
            "v_class": Out(params.network.copies * (params.dynamics.potential_bits + 1)),
            "last": Out(n),
            "active": Out(range(n + 1)),
            "idle": Out(1),
            "prediction": Out(8),
            "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.output = output = OutputLayer(self._params)
        m.submodules.readout = readout = Readout(self._params)
        m.d.comb += [
            *(
                getattr(output, name).eq(getattr(self, name))
                for name in ("clear", "update", "nudge", "label", "save", "dots")
            ),
            *(
                getattr(self, name).eq(getattr(output, name))
                for name in ("v_class", "last", "active", "idle")
            ),
            readout.start.eq(self.save),
            readout.v_class.eq(output.v_class),
            output.scan.eq(readout.scan),
            output.index.eq(readout.index),
            self.prediction.eq(readout.prediction),
            self.done.eq(readout.done),
        ]
        return m


class UpdateUnit(wiring.Component):
    """An update engine with its memories, whose ports are the bench's while ``load`` is high.

    ``plus_row`` and ``minus_row`` are the bits on the other side of the whole row.
    """

    def __init__(self, params: Params, layer: int = 0):
        self._shape = s = params.synapses(layer)
        self._code = params.dynamics.code
        super().__init__({
            "load": In(1),
            **{name: In(port) for name, port in synapse_ports(s).items()},
            "job": In(stream.Signature(JobLayout(s))),
            "plus_row": In(s.chunks * s.word_bits),
            "minus_row": In(s.chunks * s.word_bits),
            "immediate": In(1),
            "tau": In(s.latent_bits - 1),
            "reset_on_flip": In(1),
            "flush": In(1),
            "busy": Out(1),
            "flips": Out(range(s.latent_lanes + 1)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.update = update = UpdateEngine(self._shape, self._code)
        m.submodules.memory = memory = SynapseMemory(self._shape)
        connect(m, flipped(self.job), update.job)
        for name, signature in synapse_ports(self._shape).items():
            port = getattr(memory, name)
            for user in (getattr(update, name), getattr(self, name)):
                with m.If(self.load == (user is not getattr(update, name))):
                    for member in signature.members:
                        if signature.members[member].flow == Out:
                            m.d.comb += getattr(port, member).eq(getattr(user, member))
                if name.endswith("read"):
                    m.d.comb += user.data.eq(port.data)
        for name in ("plus", "minus"):
            row = Signal(self._shape.chunks * self._shape.word_bits, name=f"{name}_bits")
            m.d.comb += row.eq(getattr(self, f"{name}_row"))
            m.d.sync += getattr(update, name).eq(
                row.word_select(update.chunk, self._shape.word_bits)
            )
        m.d.comb += [
            *(
                getattr(update, name).eq(getattr(self, name))
                for name in ("immediate", "tau", "reset_on_flip", "flush")
            ),
            self.busy.eq(update.busy),
            self.flips.eq(update.flips),
        ]
        return m


#: Each engine by its name, made for some parameters.
UNITS = {
    "popcount": lambda params: PopcountTree(params.fan_in),
    "sample": SampleUnit,
    "drive": DriveUnit,
    "relax": RelaxUnit,
    "output": OutputUnit,
    "update": UpdateUnit,
}
