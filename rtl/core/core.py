"""The trainer core: engines, memories, and the sequencer that leads a sample through them."""

from typing import Any, NamedTuple

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from popflip.golden.description.lfsr import TAPS
from popflip.golden.description.packing import RESULTS, memory_map
from popflip.golden.description.params import Params
from popflip.golden.description.registers import counter_map, register_map
from popflip.rtl.core.sample_feeder import SampleFeeder
from popflip.rtl.interface import HostSignature, RunLayout, StoreSignature
from popflip.rtl.layers.drive import DriveEngine
from popflip.rtl.layers.neurons import HiddenRegisters, ItemList
from popflip.rtl.layers.output import Nudge, OutputLayer, Readout
from popflip.rtl.layers.overlap import OverlapPath
from popflip.rtl.layers.relax import RelaxEngine, Visit
from popflip.rtl.layers.sample_buffer import SampleBuffer
from popflip.rtl.layers.shared_update import SharedUpdateEngine
from popflip.rtl.layers.synapses import SharedLatents, SynapseMemory, hint, shared_latent_address
from popflip.rtl.layers.update import UpdateEngine
from popflip.rtl.layers.window_fetch import WindowFollower
from popflip.rtl.primitives.counters import CounterBank

__all__ = ["TrainerCore"]


class Stage(enum.Enum, shape=3):
    """What a cycle is spent on, for the cycle counters."""

    IDLE = 0
    WAIT = 1
    DRIVE = 2
    FREE = 3
    NUDGED = 4
    UPDATE = 5


class Phase(enum.Enum, shape=2):
    """Phase of the relaxation."""

    FREE = 0
    FIRST = 1  # the nudged phase, or the first of two
    SECOND = 2


class TrainerCore(wiring.Component):
    """Train on samples, or predict them, one at a time.

    :mod:`popflip.golden.cycles` predicts the exact cycles of each sample.

    Parameters
    ----------
    params : Params
        With ``sweeps`` dynamics.

    Members
    -------
    host : ``In(HostSignature)``
        Access to registers and memories, and runs.
    store : ``Out(StoreSignature)``
        The sample store.
    note : ``In(32)``
        Only in a machine that trains alone: what register ``standalone`` reads as.
    finished : ``Out``
        Likewise: the low bits of counter ``samples``.

    Raises
    ------
    ValueError
        From :func:`popflip.rtl.interface.check_hardware`.
    """

    def __init__(self, params: Params):
        self._params = params
        members = {"host": In(HostSignature(params)), "store": Out(StoreSignature())}
        if params.standalone.lines:
            members |= {"note": In(32), "finished": Out(max(11, params.standalone.order_bits))}
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        p = self._params
        depth, training = p.depth, p.machine.training
        hidden = range(1, depth)

        # Parts ------------------------------------------------------------------------------
        m.submodules.feeder = feeder = SampleFeeder(p)
        overlap = p.machine.overlap
        if overlap:
            m.submodules.path = path = OverlapPath(p)
            sample = path
        else:
            m.submodules.sample = sample = SampleBuffer(p)
            m.submodules.drive = drive = DriveEngine(p)
            m.submodules.items = items = ItemList(p)
        m.submodules.output = output = OutputLayer(p)
        m.submodules.readout = readout = Readout(p)
        memories, relax, registers, updates, learners = [], {}, {}, [], []
        shapes = [p.synapses(layer) for layer in range(depth)]
        shared = p.machine.shared_update
        for layer, shape in enumerate(shapes):
            m.submodules[f"memory{layer}"] = memory = SynapseMemory(shape, training)
            memories.append(memory)
            if training and not shared:
                m.submodules[f"update{layer}"] = update = UpdateEngine(shape, p.dynamics.code)
                updates.append(update)
                learners.append(_Learner.of_own_engine(update))
        if training and shared:
            m.submodules.latents = all_latents = SharedLatents(shapes)
            m.submodules.update = update = SharedUpdateEngine(
                shapes, p.dynamics.code, turning=p.machine.serial_windows
            )
            updates.append(update)
            learners = [_Learner.of_shared_engine(update, layer) for layer in range(depth)]
        for layer in hidden:
            if overlap:
                relax[layer] = path
                continue
            m.submodules[f"relax{layer}"] = relax[layer] = RelaxEngine(p, layer)
            if layer > 1:
                m.submodules[f"hidden{layer}"] = registers[layer] = HiddenRegisters(p, layer)

        # Settings and counters --------------------------------------------------------------
        batch = Const(1, 16) if shared else Signal(16, init=p.learning.batch)
        reset_on_flip = Signal(init=p.learning.reset_on_flip)
        taus = [
            Signal(p.learning.latent_bits - 1, name=f"tau{i}", init=tau)
            for i, tau in enumerate(p.learning.tau)
        ]
        lfsr = Signal(32, init=1)
        pending = Signal(16)
        prediction = Signal(8)
        immediate = batch <= 1

        # Sequencer --------------------------------------------------------------------------
        run, number, stopping = Signal(RunLayout()), Signal(8), Signal()
        stage, phase, nudge = Signal(Stage), Signal(Phase), Signal(Nudge)
        first_end, learning, closing = Signal(), Signal(), Signal()
        attempt = Signal(range(len(p.active_bounds)))
        minus_only = Signal()
        sweeps = Signal(range(max(p.dynamics.free_sweeps, p.learning.nudged_sweeps) + 1))
        stale = Signal(depth)  # bit l: hidden layer l has to be visited
        clear, begin_odd, begin_even, restore = Signal(), Signal(), Signal(), Signal()
        save, start_learning, start_flush, finish = Signal(), Signal(), Signal(), Signal()
        restarted = Signal()
        # The next sample belongs to the same batch: it may be driven beside this one.
        more, claimed = Signal(), Signal()

        train = run.train if training else Const(0)
        engines_idle = Cat(*(engine.idle for engine in relax.values()), output.idle).all()
        updates_idle = ~Cat(*(update.busy for update in updates)).any()
        untested = Cat(*(update.stale for update in updates)).any()
        # If the last hidden layer changed after the outputs heard it, the layer below it is stale.
        quiet = ~stale.any() & ~output.moved & ~output.toggled
        upper = {l: registers.get(l + 1, output) for l in hidden}
        # The last bound is all of layer 2, which nothing exceeds.
        exceeded = Signal()
        with m.Switch(attempt):
            for i, bound in enumerate(p.active_bounds[:-1]):
                with m.Case(i):
                    m.d.comb += exceeded.eq(upper[1].active > bound)
        kept_layers = [l for l in hidden if l % 2 == 0]
        centered = p.learning.nudging == "centered"

        driven = path.driven if overlap else drive.idle

        # No sample is to come, and none waits.
        over = feeder.over & ~sample.full

        # A sample begins to relax.
        with m.If(clear):
            m.d.sync += [
                phase.eq(Phase.FREE),
                nudge.eq(Nudge.NONE),
                first_end.eq(1),
                sweeps.eq(p.dynamics.free_sweeps),
                stale.eq(sum(1 << l for l in hidden[1:])),
                stale[1].eq(p.dynamics.code == "sign" or p.awake),
                more.eq(~train | (pending + 1 < batch)),
            ]

        m.d.comb += self.host.busy.eq(1)
        with m.FSM(name="sequencer"):
            with m.State("Idle"):
                m.d.comb += [self.host.busy.eq(0), self.host.run.ready.eq(1)]
                with m.If(self.host.run.valid):
                    m.d.comb += feeder.start.eq(1)
                    m.d.sync += [
                        run.eq(self.host.run.payload),
                        number.eq(0),
                        stopping.eq(0),
                        closing.eq(0),
                        more.eq(0),
                    ]
                    m.next = "Next sample"

            with m.State("Next sample"):
                with m.If(over & run.flush & train & (pending != 0) & ~stopping):
                    m.d.sync += closing.eq(1)
                    m.d.comb += stage.eq(Stage.UPDATE)
                    m.next = "Flush"
                with m.Elif(over | stopping):
                    m.next = "Drain"
                with m.Elif(sample.full):
                    m.d.comb += stage.eq(Stage.DRIVE)
                    m.d.sync += attempt.eq(0)
                    if training and p.learning.nudging == "random-sign":
                        with m.If(train & (pending == 0)):
                            m.d.sync += [
                                minus_only.eq(lfsr[0]),
                                lfsr.eq(Cat(lfsr[1:], Cat(lfsr[t] for t in TAPS).xor())),
                            ]
                    m.next = "Clear"
                    if overlap:
                        with m.If(path.ahead):
                            m.next = "Drive"
                        with m.Elif(more):
                            # Its drive begins in this cycle.
                            m.d.comb += stage.eq(Stage.WAIT)
                            m.next = "Next sample"
                with m.Else():
                    m.d.comb += stage.eq(Stage.WAIT)

            with m.State("Clear"):
                m.d.comb += [stage.eq(Stage.DRIVE), claimed.eq(1)]
                if overlap:
                    m.d.comb += path.start.eq(driven)
                    with m.If(driven):
                        m.next = "Drive"
                else:
                    m.d.comb += clear.eq(1)
                    m.next = "Drive"

            with m.State("Drive"):
                m.d.comb += [stage.eq(Stage.DRIVE), claimed.eq(1)]
                if overlap:
                    m.d.comb += [path.waits.eq(1), clear.eq(driven & engines_idle)]
                    with m.If(path.late):
                        m.d.comb += stage.eq(Stage.WAIT)
                with m.If(driven & engines_idle):
                    m.next = "Odd half"

            with m.State("Odd half"):
                _relaxing(m, stage, phase)
                with m.If(stale[1] & exceeded):
                    # Too many neurons above are active for the skip: begin again with more.
                    m.d.comb += restarted.eq(1)
                    m.d.sync += attempt.eq(attempt + 1)
                    m.next = "Clear"
                with m.Else():
                    m.d.comb += begin_odd.eq(1)
                    m.next = "Odd settling"
                    if depth % 2 == 0:
                        with m.If(~Cat(stale[l] for l in hidden if l % 2).any()):
                            m.next = "Even half"

            with m.State("Odd settling"):
                _relaxing(m, stage, phase)
                with m.If(engines_idle):
                    m.next = "Even half"

            with m.State("Even half"):
                _relaxing(m, stage, phase)
                m.d.comb += begin_even.eq(1)
                m.next = "Even settling"

            with m.State("Even settling"):
                _relaxing(m, stage, phase)
                with m.If(engines_idle):
                    m.d.sync += sweeps.eq(sweeps - 1)
                    m.next = "Odd half"
                    with m.If((sweeps == 1) | quiet):
                        m.next = "Phase end"

            with m.State("Phase end"):
                _relaxing(m, stage, phase)
                m.d.sync += sweeps.eq(p.learning.nudged_sweeps)
                m.next = "Odd half"
                with m.Switch(phase):
                    with m.Case(Phase.FREE):
                        m.d.comb += save.eq(1)
                        m.d.sync += [
                            phase.eq(Phase.FIRST),
                            nudge.eq(Mux(minus_only, Nudge.MINUS, Nudge.PLUS)),
                            first_end.eq(centered),
                        ]
                        with m.If(~train):
                            m.next = "Finish"
                    with m.Case(Phase.FIRST):
                        if centered:
                            m.d.comb += restore.eq(1)
                            m.d.sync += [
                                phase.eq(Phase.SECOND),
                                nudge.eq(Nudge.MINUS),
                                first_end.eq(0),
                            ]
                            with m.If(output.last != output.free):
                                m.d.sync += stale[depth - 1].eq(1)
                            if kept_layers:
                                m.next = "Restore"
                        else:
                            m.next = "Learn"
                    with m.Default():
                        m.next = "Learn"

            if kept_layers:
                with m.State("Restore"):
                    _relaxing(m, stage, phase)
                    m.d.comb += [relax[l].visit.eq(1) for l in kept_layers]
                    m.next = "Restoring"

                with m.State("Restoring"):
                    _relaxing(m, stage, phase)
                    m.d.comb += [relax[l].kind.eq(Visit.RESTORE) for l in kept_layers]
                    with m.If(engines_idle):
                        m.next = "Odd half"

            with m.State("Learn"):
                m.d.comb += [stage.eq(Stage.UPDATE), start_learning.eq(1)]
                m.d.sync += learning.eq(1)
                m.next = "Learning"

            with m.State("Learning"):
                m.d.comb += stage.eq(Stage.UPDATE)
                with m.If(engines_idle & updates_idle):
                    m.d.sync += [learning.eq(0), pending.eq(pending + 1)]
                    m.next = "Finish"
                    with m.If(1 if shared else pending + 1 >= batch):
                        m.d.sync += pending.eq(0)
                        with m.If(~immediate | untested):
                            m.next = "Flush"

            with m.State("Flush"):
                m.d.comb += [stage.eq(Stage.UPDATE), start_flush.eq(1)]
                m.d.sync += pending.eq(0)
                m.next = "Flushing"

            with m.State("Flushing"):
                m.d.comb += stage.eq(Stage.UPDATE)
                with m.If(updates_idle):
                    m.next = "Finish"
                    with m.If(closing):
                        m.next = "Drain"

            with m.State("Finish"):
                m.d.comb += stage.eq(Mux(train, Stage.UPDATE, Stage.FREE))
                with m.If(readout.done):
                    m.d.comb += finish.eq(1)
                    m.d.sync += [
                        number.eq(number + 1),
                        prediction.eq(readout.prediction),
                    ]
                    m.next = "Next sample"

            with m.State("Drain"):
                # After a stop, samples that were fetched ahead are dropped.
                m.d.comb += feeder.stop.eq(1)
                with m.If(feeder.idle & ~sample.full):
                    m.next = "Idle"

        with m.If(self.host.stop):
            m.d.sync += stopping.eq(1)
        m.d.comb += sample.release.eq(finish | sample.full & feeder.stop & driven)

        # A layer is visited again once a neighbour has changed.
        for layer, engine in relax.items():
            begin = begin_odd if layer % 2 else begin_even
            with m.If(begin & stale[layer]):
                m.d.comb += engine.visit.eq(1)
                m.d.sync += stale[layer].eq(0)
        begin_output = begin_odd if depth % 2 else begin_even
        m.d.comb += output.update.eq(begin_output)
        for layer, engine in {} if overlap else relax.items():
            with m.If(engine.toggled):
                if layer > 1:
                    m.d.sync += stale[layer - 1].eq(1)
                if layer + 1 < depth:
                    m.d.sync += stale[layer + 1].eq(1)
                # Restored, it is no longer what its neighbours, which are not, would make of it.
                with m.If(engine.kind == Visit.RESTORE):
                    m.d.sync += stale[layer].eq(1)
        # The output's verdict is out when it is idle again.
        was_updating = Signal()
        m.d.sync += was_updating.eq(~output.idle)
        with m.If(was_updating & output.idle & output.toggled):
            m.d.sync += stale[depth - 1].eq(1)

        # Relaxation -------------------------------------------------------------------------
        if overlap:
            m.d.comb += [
                path.attempt.eq(attempt),
                path.lead.eq(more & ~claimed),
                path.take.eq(clear),
            ]
        else:
            m.d.comb += [
                drive.start.eq(clear),
                drive.attempt.eq(attempt),
                items.clear.eq(clear),
                items.item.eq(drive.item),
                items.item_valid.eq(drive.item_valid),
            ]
        m.d.comb += [
            output.clear.eq(clear),
            output.nudge.eq(nudge),
            output.label.eq(sample.label),
            output.first_end.eq(first_end),
            output.save.eq(save),
            output.restore.eq(restore),
            output.dots.eq(relax[depth - 1].dots),
            readout.start.eq(save),
            readout.v_class.eq(output.v_class),
            output.scan.eq(readout.scan),
            output.index.eq(readout.index),
        ]
        for layer, engine in relax.items():
            m.d.comb += [
                engine.first_end.eq(first_end),
                engine.upper.eq(upper[layer].last),
                engine.upper_active.eq(upper[layer].active),
                engine.walk.eq(start_learning),
                engine.upper_differs.eq(upper[layer].first != upper[layer].last),
                engine.swap.eq(swap := _swap(p, minus_only)),
            ]
            if overlap:
                continue
            m.d.comb += [engine.clear.eq(clear), engine.learning.eq(learning)]
            if layer == 1:
                connect(m, engine.neurons, items.neurons)
                m.d.comb += [
                    engine.push.eq(
                        drive.item_valid
                        & (drive.item.active if p.dynamics.code == "heaviside" else 1)
                    ),
                    engine.push_index.eq(items.index),
                    engine.push_up.eq(drive.item.active),
                ]
            else:
                connect(m, engine.neurons, registers[layer].neurons)
                m.d.comb += [
                    engine.free.eq(registers[layer].free),
                    registers[layer].clear.eq(clear),
                    registers[layer].save.eq(save),
                    registers[layer].dots.eq(relax[layer - 1].dots),
                ]
                if p.dynamics.code == "sign":
                    # Silent neurons count -1 in this code: seed the counters above with them.
                    seed, seeding = Signal(range(p.sizes[layer])), Signal()
                    with m.If(clear):
                        m.d.sync += [seed.eq(0), seeding.eq(1)]
                    with m.Elif(seeding):
                        m.d.sync += seed.eq(seed + 1)
                        with m.If(seed == p.sizes[layer] - 1):
                            m.d.sync += seeding.eq(0)
                    m.d.comb += [engine.push.eq(seeding), engine.push_index.eq(seed)]

        # The sample -------------------------------------------------------------------------
        connect(m, feeder.o, sample.i)
        connect(m, flipped(self.store), feeder.store)
        m.d.comb += [feeder.run.eq(self.host.run.payload), feeder.last.eq(sample.last)]
        if not overlap:
            m.d.comb += [
                sample.en.eq(drive.en),
                sample.restart.eq(drive.restart),
                sample.next.eq(drive.next),
                sample.chunk.eq(drive.chunk),
                drive.ready.eq(sample.ready),
                drive.x.eq(sample.x),
            ]
        if p.machine.serial_windows:
            m.d.comb += drive.ones.eq(sample.ones)

        # Learning ---------------------------------------------------------------------------
        touch = Signal()
        if training:
            m.d.comb += [learners[0].plus.eq(sample.x), learners[0].minus.eq(sample.x)]
            if overlap:
                connect(m, path.job0, learners[0].job)
                m.d.comb += [
                    path.chunk.eq(learners[0].chunk),
                    path.held.eq(~learners[0].job.ready),
                ]
                changed = path.changed
            else:
                m.submodules.follower = follower = WindowFollower(p)
                connect(m, relax[1].changed, follower.changed)
                connect(m, follower.job, learners[0].job)
                m.d.comb += [follower.start.eq(start_learning), follower.ready.eq(sample.ready)]
                if shared:
                    m.d.comb += follower.held.eq(updates[0].at0)
                    if p.machine.serial_windows:
                        m.d.comb += sample.turn.eq(updates[0].turn)
                elif not p.machine.serial_windows:
                    m.d.comb += follower.held.eq(~learners[0].job.ready)
                with m.If(start_learning | learning):
                    m.d.comb += [
                        sample.restart.eq(follower.restart),
                        sample.next.eq(follower.next),
                        sample.chunk.eq(learners[0].chunk),
                    ]
                changed = relax[1].changed.valid & relax[1].changed.ready
            for layer in hidden:
                learner, shape = learners[layer], shapes[layer]
                connect(m, path.job1 if overlap else relax[layer].job, learner.job)
                above = upper[layer]
                for name, end in (("plus", swap), ("minus", ~swap)):
                    bits = Signal(shape.chunks * shape.word_bits, name=f"{name}{layer}")
                    m.d.comb += bits.eq(Mux(end, above.last, above.first))
                    side = getattr(learner, name)
                    if shared:
                        m.d.comb += side.eq(bits)
                    else:
                        m.d.sync += side.eq(bits.word_select(learner.chunk, shape.word_bits))
            for learner, tau in zip(learners, taus, strict=True):
                m.d.comb += learner.tau.eq(tau)
            for update in updates:
                m.d.comb += [update.flush.eq(start_flush), update.touch.eq(touch)]
                if not shared:
                    m.d.comb += [
                        update.immediate.eq(immediate),
                        update.reset_on_flip.eq(reset_on_flip),
                    ]

        # Memory ports: the engine whose turn it is, or the host while the core is idle. ------
        # Which memory a command of the host means is known a cycle later, lest the link and every
        # memory port be parts of one long path: the way to block RAMs all over the device is long
        # enough. All else about it stays that long.
        regions = {region.name: region for region in memory_map(p)}
        command = self.host.command.p
        accepted = self.host.command.valid & self.host.command.ready
        asking = Signal()
        m.d.sync += asking.eq(accepted)
        # At any time, and at rest only.
        asked, reads, writes = (
            {name: Signal(name=f"{kind}_{name}") for name in regions}
            for kind in ("ask", "read", "write")
        )
        for name, region in regions.items():
            chosen = accepted & (command.region == region.index)
            m.d.sync += [
                asked[name].eq(chosen),
                reads[name].eq(chosen & ~command.write & ~self.host.busy),
                writes[name].eq(chosen & command.write & ~self.host.busy),
            ]
        host_write = command.write
        replies = {}
        if training and shared:
            _lend(m, updates[0], all_latents.read, all_latents.write)
        for layer, memory in enumerate(memories):
            port, weights, latents = memory.weight_read, f"weights{layer}", f"latents{layer}"
            if overlap:
                user, own = path, f"w{layer}"
            else:
                user, own = (relax[layer] if layer else drive), "w"
            m.d.comb += [
                port.en.eq(Mux(getattr(user, f"{own}_en"), ~0, 0)),
                port.address.eq(getattr(user, f"{own}_address")),
                getattr(user, f"{own}_data").eq(port.data),
            ]
            if training:
                learner = learners[layer]
                m.d.comb += [
                    learner.weight_read.data.eq(port.data),
                    memory.weight_write.en.eq(learner.weight_write.en),
                    memory.weight_write.address.eq(learner.weight_write.address),
                    memory.weight_write.data.eq(learner.weight_write.data),
                ]
                # While it issues latents, nobody else reads weights; unless the next sample is
                # driven: then the engine tests none, and reads none.
                at_work = learner.weight_read.en.any() if overlap else learner.engine.latent_read.en
                with m.If(at_work):
                    m.d.comb += [
                        port.en.eq(learner.weight_read.en),
                        port.address.eq(learner.weight_read.address),
                    ]
                bits = shapes[layer].latent_part_bits
                if shared:
                    latent_ports = all_latents.read, all_latents.write
                    place = shared_latent_address(shapes, layer, command.address)
                else:
                    latent_ports = memory.latent_read, memory.latent_write
                    place = command.address[:bits]
                    _lend(m, learner.engine, *latent_ports)
                replies[latents] = _host_port(
                    m, reads[latents], writes[latents], place, command.address[bits:],
                    command.data, *latent_ports, shapes[layer].latent_part_widths,
                )  # fmt: skip
                with m.If(writes[weights] | writes[latents]):
                    m.d.comb += touch.eq(1)
            # A part of the region is one slice of one bank.
            bits = shapes[layer].part_bits
            replies[weights] = _host_port(
                m, reads[weights], writes[weights], command.address[:bits],
                command.address[bits:], command.data,
                port, memory.weight_write, shapes[layer].part_widths,
            )  # fmt: skip

        m.submodules.results = results = Memory(
            shape=8, depth=RESULTS, init=[], attrs=hint(RESULTS)
        )
        write, read = results.write_port(), results.read_port()
        m.d.comb += [
            write.en.eq(finish),
            write.addr.eq(number),
            write.data.eq(readout.prediction),
            read.en.eq(asked["results"]),
            read.addr.eq(command.address),
            feeder.slots_write.en.eq(asked["samples"] & host_write),
            feeder.slots_write.address.eq(command.address),
            feeder.slots_write.data.eq(command.data),
            feeder.slots_read.en.eq(asked["samples"]),
            feeder.slots_read.address.eq(command.address),
        ]
        replies["results"] = read.data
        replies["samples"] = feeder.slots_read.data

        # Counters ---------------------------------------------------------------------------
        if training:
            flips = {f"flips{layer}": learner.flips for layer, learner in enumerate(learners)}
        else:
            changed, flips = Const(0, 1), {f"flips{layer}": Const(0, 1) for layer in range(depth)}
        events = {
            "samples": finish,
            "correct": finish & (readout.prediction == sample.label),
            "changed": changed,
            "restarts": restarted,
            **flips,
            "cycles_drive": stage == Stage.DRIVE,
            "cycles_free": stage == Stage.FREE,
            "cycles_nudged": stage == Stage.NUDGED,
            "cycles_update": stage == Stage.UPDATE,
            "cycles_wait": stage == Stage.WAIT,
        }
        most = {
            name: shapes[int(name[5:])].latent_lanes if name in flips and training else 1
            for name in counter_map(p)
        }
        m.submodules.counters = counters = CounterBank(list(most.values()))
        for i, name in enumerate(most):
            m.d.comb += getattr(counters, f"step{i}").eq(events[name])

        # Registers --------------------------------------------------------------------------
        values = {
            "batch": batch,
            "options": reset_on_flip,
            "seed": lfsr,
            "prediction": prediction,
            "pending": pending,
            **{f"tau{layer}": tau for layer, tau in enumerate(taus)},
        }
        if p.standalone.lines:
            values["standalone"] = self.note
            # Of its own: the bank's sums are not at hand.
            with m.If(counters.clear):
                m.d.sync += self.finished.eq(0)
            with m.Elif(finish):
                m.d.sync += self.finished.eq(self.finished + 1)
        register = Signal(32)
        table = register_map(p)
        first_counter = next(entry.index for entry in table if entry.name.endswith("_lo"))
        address = command.address[: ceil_log2(len(table))]  # The link sees to it that this is all.
        of_counter = address >= first_counter
        with m.Switch(address):
            for entry in table[:first_counter]:
                with m.Case(entry.index):
                    m.d.sync += register.eq(values.get(entry.name, 0))
                    with m.If(asked["registers"] & host_write):
                        if entry.name == "clear":
                            m.d.comb += counters.clear.eq(1)
                        elif entry.writable and entry.name != "standalone":
                            m.d.sync += values[entry.name].eq(command.data)
                        if entry.name.startswith("tau"):
                            m.d.comb += touch.eq(1)
                        if entry.name == "batch" and entry.writable:
                            # Begin a batch: an earlier host may have left one half done. What it
                            # marked for the flush must not be forgotten.
                            m.d.comb += touch.eq(1)
                            m.d.sync += pending.eq(0)
        replies["registers"] = Mux(counters.valid, counters.data, register)

        # A counter answers later than the rest.
        look = asked["registers"] & ~host_write & of_counter
        m.d.comb += [
            counters.look.eq(look),
            counters.word.eq(address - first_counter),
            self.host.command.ready.eq(1),
        ]
        answered = Signal()
        m.d.sync += [
            answered.eq(asking & ~host_write & ~look),
            self.host.reply.valid.eq(answered | counters.valid),
        ]
        with m.Switch(command.region):
            for name, region in regions.items():
                with m.Case(region.index):
                    m.d.sync += self.host.reply.payload.eq(replies[name])
        return m


def _swap(params: Params, minus_only):
    """Whether the first end of the contrast is its minus end (see :class:`RelaxEngine`)."""
    if params.learning.nudging == "centered":
        return Signal(name="never_swapped")
    return ~minus_only


def _relaxing(m, stage, phase):
    """Count this cycle for the free or the nudged phases."""
    m.d.comb += stage.eq(Mux(phase == Phase.FREE, Stage.FREE, Stage.NUDGED))


class _Learner(NamedTuple):
    """What one weight layer sees of an update engine, and the engine."""

    engine: Any
    job: Any
    chunk: Any
    plus: Any
    minus: Any
    tau: Any
    flips: Any
    weight_read: Any
    weight_write: Any

    @classmethod
    def of_own_engine(cls, engine: UpdateEngine) -> "_Learner":
        return cls(engine, *(getattr(engine, name) for name in cls._fields[1:]))

    @classmethod
    def of_shared_engine(cls, engine: SharedUpdateEngine, layer: int) -> "_Learner":
        # Its rows are one chunk.
        ports = {n: getattr(engine, f"{n}{layer}") for n in cls._fields[1:] if n != "chunk"}
        return cls(engine=engine, chunk=Const(0), **ports)


def _lend(m, engine, read, write):
    """Give an update engine the ports of a latent memory."""
    m.d.comb += [
        engine.latent_read.data.eq(read.data),
        read.en.eq(engine.latent_read.en),
        read.address.eq(engine.latent_read.address),
        write.en.eq(engine.latent_write.en),
        write.address.eq(engine.latent_write.address),
        write.data.eq(engine.latent_write.data),
    ]


def _host_port(m, reads, writes, address, number, data, read, write, widths):
    """Give the host a memory's ports for the cycle in which it means part ``number`` of a word.

    Return that part of what is read.
    """
    number = number[: ceil_log2(len(widths))]
    parts = Cat(number == i for i in range(len(widths)))
    with m.If(reads):
        m.d.comb += [read.en.eq(~0), read.address.eq(address)]
    with m.If(writes):
        m.d.comb += [
            write.en.eq(parts),
            write.address.eq(address),
            write.data.eq(Cat(data[:width] for width in widths)),
        ]
    low, found = 0, []
    for width in widths:
        found.append(read.data[low : low + width])
        low += width
    return found[0] if len(found) == 1 else Array(found)[number]
