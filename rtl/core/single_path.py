"""A sample's way without overlap: it is driven, relaxes and learns before the next one."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.params import Params
from popflip.rtl.core.signatures import SampleSignature
from popflip.rtl.layers.drive import DriveEngine
from popflip.rtl.layers.neurons import WorkList, dots_layout
from popflip.rtl.layers.ports import (
    ActivationSignature,
    JobLayout,
    PartnerSignature,
    PhaseSignature,
    VisitSignature,
    share,
    windows_turn,
)
from popflip.rtl.layers.relax import RelaxEngine
from popflip.rtl.layers.sample_buffer import SampleBuffer
from popflip.rtl.layers.synapses import ReadSignature
from popflip.rtl.layers.window_fetch import WindowFetch
from popflip.rtl.leaky.engine import LeakyEngine
from popflip.rtl.leaky.neurons import LeakyMemory

__all__ = ["SinglePath", "path_members"]


def path_members(params: Params) -> dict:
    """Members of a path, with overlap or without."""
    shapes = [params.synapses(layer) for layer in range(2)]
    weights = [Out(ReadSignature(s.weight_depth, s.word_bits, s.banks)) for s in shapes]
    return {
        "i": In(stream.Signature(8)),
        "last": Out(1),
        "label": Out(8),
        "sample": In(SampleSignature(params)),
        "phase": In(PhaseSignature()),
        "visit": In(VisitSignature()),
        "upper": In(ActivationSignature(params.sizes[2])),
        "dots": Out(dots_layout(params, 2)),
        "drive_weights": weights[0],
        "weights": weights[1],
        "window_job": Out(stream.Signature(JobLayout(shapes[0]))),
        "job": Out(stream.Signature(JobLayout(shapes[1]))),
        "partners": In(PartnerSignature(shapes[0], windows_turn(params))),
        "changed": Out(1),
    }


class SinglePath(wiring.Component):
    """What a sample goes through up to layer 1: buffer, drive, relaxation, contrast scan.

    Parameters
    ----------
    params : Params

    Members
    -------
    i, last : as of :class:`popflip.rtl.layers.sample_buffer.SampleBuffer`
    sample : ``In(SampleSignature)``, label : ``Out(8)``
        The sample in hand, or the next if there is none.
    phase : ``In(PhaseSignature)``
    visit : ``In(VisitSignature)``
        ``idle`` also means that no contribution and no contrast scan is under way.
    upper : ``In(ActivationSignature)``
        Of layer 2.
    dots : ``Out(dots_layout)``
        Dot products of layer 2 with layer 1.
    drive_weights, weights : ``Out(ReadSignature)``
        Of weight layers 0 and 1, all banks.
    window_job, job : ``Out(stream)`` of :class:`popflip.rtl.layers.ports.JobLayout`
        Rows of weight layers 0 and 1 to update.
    partners : ``In(PartnerSignature)``
        What the update engine of layer 0 sees.
    changed : ``Out(1)``
        A neuron that differs between the nudged states was passed on (a pulse each).
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__(path_members(params))

    def elaborate(self, platform):
        m = Module()
        p = self._params
        m.submodules.sample = sample = SampleBuffer(p)
        m.submodules.drive = drive = DriveEngine(p)
        if p.dynamics.leaky:
            m.submodules.items = items = LeakyMemory(p)
            m.submodules.relax = relax = LeakyEngine(p, 1)
        else:
            m.submodules.items = items = WorkList(p)
            m.submodules.relax = relax = RelaxEngine(p, 1)
        connect(m, flipped(self.i), sample.i)
        connect(m, drive.weights, flipped(self.drive_weights))
        connect(m, relax.weights, flipped(self.weights))
        connect(m, relax.neurons, items.neurons)
        listed = []
        if p.dynamics.leaky:
            connect(m, drive.drive, items.drive)
            connect(m, flipped(self.phase), relax.phase)
        else:
            connect(m, items.contribution, relax.contribution)
            connect(m, flipped(self.phase), relax.phase, items.phase)
            listed = [items.item.eq(drive.item), items.item_valid.eq(drive.item_valid)]
        connect(m, flipped(self.visit), relax.visit)
        connect(m, flipped(self.upper), relax.upper)
        connect(m, relax.job, flipped(self.job))
        m.d.comb += [
            self.last.eq(sample.last),
            self.label.eq(sample.label),
            self.sample.full.eq(sample.full),
            self.sample.driven.eq(drive.idle),
            sample.release.eq(self.sample.release),
            sample.en.eq(drive.en),
            drive.start.eq(self.phase.clear),
            drive.attempt.eq(self.sample.attempt),
            *listed,
            self.dots.eq(relax.dots),
        ]
        if not p.machine.training:
            connect(m, drive.windows, sample.windows)
            return m

        m.submodules.window_fetch = fetch = WindowFetch(p)
        connect(m, relax.changed, fetch.changed)
        connect(m, fetch.job, flipped(self.window_job))
        connect(m, flipped(self.partners), fetch.partners)
        learns = self.phase.scan | self.phase.learning
        share(m, sample.windows, (None, drive.windows), (learns, fetch.windows))
        m.d.comb += [
            fetch.start.eq(self.phase.scan),
            self.changed.eq(relax.changed.valid & relax.changed.ready),
        ]
        if windows_turn(p):
            m.d.comb += sample.turn.eq(self.partners.turn)
        return m
