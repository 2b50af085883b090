"""Engines by themselves, with the memories and neighbours that they cannot do without."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.params import Params
from popflip.rtl.layers.drive import DriveEngine, ItemLayout, MarginSignature
from popflip.rtl.layers.neurons import PlaceLayout, WorkList, dots_layout
from popflip.rtl.layers.output import OutputLayer, Readout
from popflip.rtl.layers.ports import JobLayout, Nudge, share
from popflip.rtl.layers.relax import RelaxEngine
from popflip.rtl.layers.sample_buffer import SampleBuffer
from popflip.rtl.layers.synapses import SynapseMemory, WriteSignature, synapse_ports
from popflip.rtl.layers.update import UpdateEngine
from popflip.rtl.leaky.engine import LeakyEngine
from popflip.rtl.leaky.neurons import LeakyMemory
from popflip.rtl.primitives.popcount import PopcountTree

__all__ = [
    "UNITS",
    "ChangedLayout",
    "DriveUnit",
    "LeakyUnit",
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
            "x": Out(params.machine.row_lanes * params.machine.pool_lanes),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.sample = sample = SampleBuffer(self._params)
        connect(m, flipped(self.i), sample.i)
        m.d.comb += [
            sample.release.eq(self.drop),
            sample.en.eq(self.en),
            sample.windows.restart.eq(self.restart),
            sample.windows.next.eq(self.next),
            sample.windows.chunk.eq(self.chunk),
            self.full.eq(sample.full),
            self.label.eq(sample.label),
            self.ready.eq(sample.windows.ready),
            self.x.eq(sample.windows.x),
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
        connect(m, drive.windows, sample.windows)
        connect(m, drive.weights, memory.weight_read)
        m.d.comb += [
            sample.release.eq(self.drop),
            sample.en.eq(drive.en),
            drive.start.eq(self.start),
            drive.attempt.eq(self.attempt),
            self.item.eq(drive.item),
            self.item_valid.eq(drive.item_valid),
            self.idle.eq(drive.idle),
            self.full.eq(sample.full),
        ]
        return m


class ChangedLayout(data.StructLayout):
    """A neuron that differs between the nudged states."""

    def __init__(self, params: Params):
        super().__init__({"place": PlaceLayout(params, 1), "up": 1})


class RelaxUnit(wiring.Component):
    """A relaxation engine of layer 1, with its work list and its weights."""

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
            "first_state": In(1),
            "upper": In(n_upper),
            "upper_active": In(range(n_upper + 1)),
            "upper_first": In(n_upper),
            "scan": In(1),
            "learning": In(1),
            "dots": Out(dots_layout(params, 2)),
            "toggled": Out(1),
            "idle": Out(1),
            "job": Out(stream.Signature(JobLayout(s))),
            "changed": Out(stream.Signature(ChangedLayout(params))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.items = items = WorkList(self._params)
        m.submodules.relax = relax = RelaxEngine(self._params, 1)
        m.submodules.memory = memory = SynapseMemory(self._shape, training=False)
        connect(m, relax.neurons, items.neurons)
        connect(m, flipped(self.weight_write), memory.weight_write)
        connect(m, relax.job, flipped(self.job))
        connect(m, relax.changed, flipped(self.changed))
        connect(m, items.contribution, relax.contribution)
        connect(m, relax.weights, memory.weight_read)
        for phase in (items.phase, relax.phase):
            m.d.comb += phase.clear.eq(self.clear)
        m.d.comb += [
            items.item.eq(self.item),
            items.item_valid.eq(self.item_valid),
            relax.visit.start.eq(self.visit),
            relax.phase.first_state.eq(self.first_state),
            relax.phase.scan.eq(self.scan),
            relax.phase.learning.eq(self.learning),
            relax.upper.first.eq(self.upper_first),
            relax.upper.last.eq(self.upper),
            relax.upper.active.eq(self.upper_active),
            self.dots.eq(relax.dots),
            self.toggled.eq(relax.visit.toggled),
            self.idle.eq(relax.visit.idle),
        ]
        return m


class LeakyUnit(wiring.Component):
    """A leaky engine of layer 1, with its neurons and its weights."""

    def __init__(self, params: Params):
        self._params = params
        self._shape = s = params.synapses(1)
        n_upper = params.sizes[2]
        super().__init__({
            "weight_write": In(WriteSignature(s.weight_depth, s.word_bits, s.banks)),
            "drive": In(MarginSignature(params)),
            "clear": In(1),
            "save": In(1),
            "restore": In(1),
            "nudge": In(Nudge),
            "first_state": In(1),
            "visit": In(1),
            "upper": In(n_upper),
            "upper_active": In(range(n_upper + 1)),
            "upper_first": In(n_upper),
            "scan": In(1),
            "dots": Out(dots_layout(params, 2)),
            "toggled": Out(1),
            "idle": Out(1),
            "job": Out(stream.Signature(JobLayout(s))),
            "changed": Out(stream.Signature(ChangedLayout(params))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.neurons = neurons = LeakyMemory(self._params)
        m.submodules.relax = relax = LeakyEngine(self._params, 1)
        m.submodules.memory = memory = SynapseMemory(self._shape, training=False)
        connect(m, relax.neurons, neurons.neurons)
        connect(m, flipped(self.drive), neurons.drive)
        connect(m, flipped(self.weight_write), memory.weight_write)
        connect(m, relax.job, flipped(self.job))
        connect(m, relax.changed, flipped(self.changed))
        connect(m, relax.weights, memory.weight_read)
        m.d.comb += [
            relax.phase.clear.eq(self.clear),
            relax.phase.save.eq(self.save),
            relax.phase.restore.eq(self.restore),
            relax.phase.nudge.eq(self.nudge),
            relax.phase.first_state.eq(self.first_state),
            relax.phase.scan.eq(self.scan),
            relax.visit.start.eq(self.visit),
            relax.upper.first.eq(self.upper_first),
            relax.upper.last.eq(self.upper),
            relax.upper.active.eq(self.upper_active),
            self.dots.eq(relax.dots),
            self.toggled.eq(relax.visit.toggled),
            self.idle.eq(relax.visit.idle),
        ]
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
        connect(m, readout.potentials, output.potentials)
        m.d.comb += [
            output.phase.clear.eq(self.clear),
            output.phase.nudge.eq(self.nudge),
            output.phase.save.eq(self.save),
            output.step.update.eq(self.update),
            output.label.eq(self.label),
            output.dots.eq(self.dots),
            readout.start.eq(self.save),
            self.v_class.eq(output.potentials.v_class),
            self.last.eq(output.activations.last),
            self.active.eq(output.activations.active),
            self.idle.eq(output.step.idle),
            self.prediction.eq(readout.prediction),
            self.done.eq(readout.done),
        ]
        return m


class UpdateUnit(wiring.Component):
    """An update engine with its memories, whose ports are the bench's while ``load`` is high.

    ``plus_row`` and ``minus_row`` are the bits of the whole row's partners.
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
        learner, partners = update.learner, update.learner.partners
        connect(m, flipped(self.job), learner.job)
        for port, engine, bench in (
            (memory.weight_read, learner.weights.read, self.weight_read),
            (memory.weight_write, learner.weights.write, self.weight_write),
            (memory.latent_read, update.latent_read, self.latent_read),
            (memory.latent_write, update.latent_write, self.latent_write),
        ):
            share(m, port, (None, engine), (self.load, flipped(bench)))
        for bits, row in ((partners.plus, self.plus_row), (partners.minus, self.minus_row)):
            m.d.sync += bits.eq(row.word_select(partners.chunk, self._shape.word_bits))
        m.d.comb += [
            learner.tau.eq(self.tau),
            update.immediate.eq(self.immediate),
            update.reset_on_flip.eq(self.reset_on_flip),
            update.control.flush.eq(self.flush),
            self.busy.eq(update.control.busy),
            self.flips.eq(learner.flips),
        ]
        return m


#: Each engine by its name, made for some parameters.
UNITS = {
    "popcount": lambda params: PopcountTree(params.fan_in),
    "sample": SampleUnit,
    "drive": DriveUnit,
    "relax": RelaxUnit,
    "leaky": LeakyUnit,
    "output": OutputUnit,
    "update": UpdateUnit,
}
