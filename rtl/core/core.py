"""The trainer core: its engines, memories, sequencer and registers, joined."""

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.params import Params
from popflip.rtl.core.counters import Counters
from popflip.rtl.core.hidden_layer import HiddenLayer
from popflip.rtl.core.host_port import HostPort
from popflip.rtl.core.memory_ports import MemoryPorts, SharedLatentPorts
from popflip.rtl.core.overlap_path import OverlapPath
from popflip.rtl.core.registers import HostRegisters
from popflip.rtl.core.results import Results
from popflip.rtl.core.sample_feeder import SampleFeeder
from popflip.rtl.core.sequencer import Sequencer
from popflip.rtl.core.single_path import SinglePath
from popflip.rtl.core.upper_partners import UpperPartners
from popflip.rtl.interface import (
    HostSignature,
    PredictionSignature,
    StoreSignature,
    host_word_bits,
)
from popflip.rtl.layers.output import OutputLayer, Readout
from popflip.rtl.layers.ports import windows_turn
from popflip.rtl.layers.shared_update import SharedUpdateEngine
from popflip.rtl.layers.synapses import SharedLatents, SynapseMemory
from popflip.rtl.layers.update import UpdateEngine
from popflip.rtl.leaky.sequencer import LeakySequencer

__all__ = ["TrainerCore"]


class TrainerCore(wiring.Component):
    """Train on samples, or predict them, one at a time.

    :mod:`popflip.golden.cycles` predicts the exact cycles of each sample.

    Parameters
    ----------
    params : Params
    predictions : bool
        Whether it tells each prediction.

    Members
    -------
    host : ``In(HostSignature)``
        Access to registers and memories, and runs.
    store : ``Out(StoreSignature)``
        The sample store.
    prediction : ``Out(PredictionSignature)``
        If it tells them.
    note : ``In(32)``
        Only in a standalone machine: what register ``standalone`` reads as.
    finished : ``Out``
        Likewise: the low bits of counter ``samples``.

    Raises
    ------
    InputError
        From :func:`popflip.rtl.interface.check_hardware`.
    """

    def __init__(self, params: Params, predictions: bool = False):
        self._params, self._predictions = params, predictions
        super().__init__(self.members(params, predictions))

    @staticmethod
    def members(params: Params, predictions: bool = False) -> dict:
        """Members of such a core."""
        members = {"host": In(HostSignature(params)), "store": Out(StoreSignature())}
        if params.standalone.lines:
            members |= {"note": In(32), "finished": Out(max(11, params.standalone.order_bits))}
        if predictions:
            members["prediction"] = Out(PredictionSignature(params))
        return members

    def elaborate(self, platform):
        m = Module()
        p = self._params
        m.submodules.sequencer = sequencer = (LeakySequencer if p.dynamics.leaky else Sequencer)(p)
        m.submodules.host = host = HostPort(p)
        m.submodules.registers = registers = HostRegisters(p)
        m.submodules.counters = counters = Counters(p)
        m.submodules.results = results = Results(host_word_bits(p))
        m.submodules.feeder = feeder = SampleFeeder(p)
        m.submodules.path = path = OverlapPath(p) if p.machine.overlap else SinglePath(p)
        m.submodules.output = output = OutputLayer(p)
        m.submodules.readout = readout = Readout(p, self._predictions)
        layers = [path]
        for layer in range(2, p.depth):
            m.submodules[f"hidden{layer}"] = hidden = HiddenLayer(p, layer)
            layers.append(hidden)

        # Samples come in, predictions go out.
        connect(m, flipped(self.store), feeder.store)
        connect(m, sequencer.feed, feeder.feed)
        connect(m, feeder.o, path.i)
        connect(m, sequencer.sample, path.sample)
        connect(m, readout.potentials, output.potentials)
        m.d.comb += [
            feeder.last.eq(path.last),
            output.label.eq(path.label),
            readout.start.eq(sequencer.phase.save),
            sequencer.predicted.eq(readout.done),
        ]

        # Each layer hears the one below, and is seen by it.
        uppers = [*layers[1:], output]
        learners, updates = self._learn(m, sequencer, registers, layers, uppers)
        for below, above in zip(layers, uppers, strict=True):
            dots = above.dots if above is output else above.lower_dots
            m.d.comb += dots.eq(below.dots)
        for visit, engine in zip(sequencer.visits, layers, strict=True):
            connect(m, visit, engine.visit)
        connect(m, sequencer.output, output.step)
        m.d.comb += sequencer.active.eq(uppers[0].activations.active)

        self._join_memories(m, host, registers, layers, learners, updates)
        self._join_host(m, sequencer, host, registers, results, feeder)
        self._count(m, sequencer, registers, counters, path, readout, learners)
        connect(m, registers.counters, counters.look)
        m.d.comb += [
            results.write.eq(sequencer.finish),
            results.number.eq(sequencer.number),
            results.prediction.eq(readout.prediction),
            registers.finish.eq(sequencer.finish),
            registers.prediction.eq(readout.prediction),
        ]
        if self._predictions:
            m.d.comb += [
                self.prediction.valid.eq(sequencer.finish),
                self.prediction.label.eq(readout.prediction),
                self.prediction.margin.eq(readout.margin),
            ]
        return m

    def _learn(self, m, sequencer, registers, layers, uppers):
        """Join the update engines with the layers; return what each layer sees, and the engines."""
        p = self._params
        shapes = [p.synapses(layer) for layer in range(p.depth)]
        code = p.dynamics.code
        listeners = [*layers, uppers[-1]]
        watchers: list[list] = [[] for _ in layers]
        learners: list = []
        updates: list = []
        if p.machine.training and p.machine.shared_update:
            m.submodules.update = update = SharedUpdateEngine(shapes, code, windows_turn(p))
            updates, learners = [update], [*update.learners]
        elif p.machine.training:
            for layer, shape in enumerate(shapes):
                m.submodules[f"update{layer}"] = update = UpdateEngine(shape, code)
                updates.append(update)
                learners += update.learners
                m.d.comb += [
                    update.immediate.eq(registers.immediate),
                    update.reset_on_flip.eq(registers.reset_on_flip),
                ]
        for control, update in zip(sequencer.updates, updates, strict=True):
            connect(m, control, update.control)
        for layer, learner in enumerate(learners):
            m.d.comb += learner.tau.eq(registers.taus[layer])
            if layer == 0:
                connect(m, layers[0].window_job, learner.job)
                connect(m, learner.partners, layers[0].partners)
                continue
            connect(m, layers[layer - 1].job, learner.job)
            partners = UpperPartners(shapes[layer], p.sizes[layer + 1])
            m.submodules[f"partners{layer}"] = partners
            connect(m, learner.partners, partners.partners)
            listeners.append(partners)
            watchers[layer - 1].append(partners)
        connect(m, sequencer.phase, *(listener.phase for listener in listeners))
        for below, above, others in zip(layers, uppers, watchers, strict=True):
            connect(m, above.activations, below.upper, *(other.upper for other in others))
        return learners, updates

    def _join_memories(self, m, host, registers, layers, learners, updates):
        """Join each memory with the engines that use it, and the host."""
        p = self._params
        shapes = [p.synapses(layer) for layer in range(p.depth)]
        readers = [layers[0].drive_weights, *(layer.weights for layer in layers)]
        width = host_word_bits(p)
        machine = p.machine
        for layer, (shape, reader) in enumerate(zip(shapes, readers, strict=True)):
            m.submodules[f"memory{layer}"] = memory = SynapseMemory(shape, machine.training)
            ports = MemoryPorts(shape, width, machine.training, machine.overlap)
            m.submodules[f"ports{layer}"] = ports
            connect(m, reader, ports.reader)
            connect(m, host.weights[layer], ports.host_weights)
            connect(m, ports.weight_read, memory.weight_read)
            connect(m, ports.weight_write, memory.weight_write)
            if machine.training:
                connect(m, learners[layer].weights, ports.learner)
            if machine.training and not machine.shared_update:
                connect(m, host.latents[layer], ports.host_latents)
                connect(m, updates[layer].latent_read, ports.learner_read)
                connect(m, updates[layer].latent_write, ports.learner_write)
                m.d.comb += updates[layer].idle_address.eq(ports.idle_address)
                connect(m, ports.latent_read, memory.latent_read)
                connect(m, ports.latent_write, memory.latent_write)
        if machine.training and machine.shared_update:
            m.submodules.latents = latents = SharedLatents(shapes)
            m.submodules.latent_ports = ports = SharedLatentPorts(shapes, width)
            connect(m, updates[0].latent_read, ports.learner_read)
            connect(m, updates[0].latent_write, ports.learner_write)
            connect(m, ports.read, latents.read)
            connect(m, ports.write, latents.write)
            for ours, theirs in zip(host.latents, ports.host, strict=True):
                connect(m, ours, theirs)
        if machine.training:
            writes = Cat(region.write for region in (*host.weights, *host.latents))
            m.d.comb += [update.touch.eq(registers.touch | writes.any()) for update in updates]

    def _join_host(self, m, sequencer, host, registers, results, feeder):
        """Join the host with everything that it asks for."""
        connect(m, flipped(self.host.command), host.command)
        connect(m, host.reply, flipped(self.host.reply))
        connect(m, flipped(self.host.run), sequencer.run)
        connect(m, host.registers, registers.host)
        connect(m, host.samples, feeder.slots)
        connect(m, host.results, results.host)
        m.d.comb += [
            self.host.busy.eq(sequencer.busy),
            sequencer.stop.eq(self.host.stop),
            host.busy.eq(sequencer.busy),
            host.defer.eq(registers.defer),
            host.deferred.eq(registers.deferred),
            registers.pending.eq(sequencer.pending),
            registers.draw.eq(sequencer.draw),
            sequencer.sign.eq(registers.sign),
            sequencer.batch.eq(registers.batch),
            sequencer.immediate.eq(registers.immediate),
            sequencer.begin_batch.eq(registers.begin_batch),
        ]

    def _count(self, m, sequencer, registers, counters, path, readout, learners):
        """Join the counters with what they count."""
        m.d.comb += [
            counters.stage.eq(sequencer.stage),
            counters.finish.eq(sequencer.finish),
            counters.correct.eq(readout.prediction == path.label),
            counters.changed.eq(path.changed),
            counters.restarted.eq(sequencer.restarted),
            *(
                flips.eq(learner.flips)
                for flips, learner in zip(counters.flips, learners, strict=False)
            ),
        ]
        if self._params.standalone.lines:
            m.d.comb += [registers.note.eq(self.note), self.finished.eq(counters.finished)]
