"""Neurons of layer 1 that learn, brought together with the windows that they see."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.rtl.layers.neurons import PlaceLayout
from popflip.rtl.layers.pool import picked_window
from popflip.rtl.layers.ports import (
    JobLayout,
    PartnerSignature,
    WindowSignature,
    windows_turn,
)

__all__ = ["WindowFetch"]


class WindowFetch(wiring.Component):
    """Turn the changed neurons of layer 1 into jobs of weight layer 0's update engine.

    Neurons come in ascending order of their rows, so one scan of the sample serves them all: it
    moves the window on until it is the neuron's own, one position a cycle, and never
    while the update engine still reads the present one.

    With serial windows it moves on as soon as it knows the next neuron, and the window is fetched
    while the update engine still works: rows are one word each, which the engine reads two cycles
    after it has accepted the job, and the sample buffer shows it at least that long. (A shared
    update engine looks at the window until the end of a row.)

    Of a pooled neuron it picks the window that the neuron has seen. If windows are serial, each is
    sought once the one before is free: positions up to its own are passed without a fetch.

    Parameters
    ----------
    params : Params

    Members
    -------
    start : ``In(1)``
        A pulse begins a sample; the first window is being fetched.
    changed : ``In(stream)`` of ``{place, up}``
        Neurons that differ, and whether they are active in the plus state.
    windows : ``Out(WindowSignature)``
        With the chunk that the update engine asks for.
    job : ``Out(stream)`` of :class:`popflip.rtl.layers.ports.JobLayout`
    partners : ``In(PartnerSignature)``
        What the update engine sees: the present window, in both nudged states.
    """

    def __init__(self, params: Params):
        self._params = params
        shape = params.synapses(0)
        layout = data.StructLayout({"place": PlaceLayout(params, 1), "up": 1})
        super().__init__({
            "start": In(1),
            "changed": In(stream.Signature(layout)),
            "windows": Out(WindowSignature(params)),
            "job": Out(stream.Signature(JobLayout(shape))),
            "partners": In(PartnerSignature(shape, windows_turn(params))),
        })

    def elaborate(self, platform):
        m = Module()
        p, windows = self._params, self.windows
        changed, job = self.changed.payload, self.job.payload
        shared = p.first_layer.shared
        banked = p.synapses(0).banks > 1 or shared
        # Rows below this limit see the window, or one that has passed.
        limit = Signal(range(p.sizes[1] + 1), init=p.block)
        ahead = Signal()
        still, held = windows.ready, self.partners.held
        there, seen = windows.ready, windows.x
        if p.first_layer.pooled:
            there, seen = self._pick(m, ahead)
        if p.machine.serial_windows:
            still = 1
            held = held if p.machine.shared_update and not p.first_layer.pooled else 0
        m.d.comb += [
            windows.restart.eq(self.start),
            windows.chunk.eq(self.partners.chunk),
            ahead.eq(changed.place.row >= limit),
            windows.next.eq(self.changed.valid & ahead & still & ~held),
            self.job.valid.eq(self.changed.valid & ~ahead & there),
            self.changed.ready.eq(self.job.ready & ~ahead & there),
            job.row.eq(changed.place.row - (limit - p.block) if shared else changed.place.row),
            job.row_group.eq(changed.place["row_group" if banked else "row"]),
            job.bank.eq(changed.place.bank if banked else 0),
            job.plus.eq(changed.up),
            job.minus.eq(~changed.up),
            self.partners.plus.eq(seen),
            self.partners.minus.eq(seen),
        ]
        with m.If(self.start):
            m.d.sync += limit.eq(p.block)
        with m.Elif(windows.next):
            m.d.sync += limit.eq(limit + p.block)
        return m

    def _pick(self, m, ahead):
        """Pick windows; return whether that of the next neuron is there, and the one in hand."""
        p, windows, job = self._params, self.windows, self.job
        offset = self.changed.payload.place.offset
        m.d.comb += windows.picks.eq(1)
        if p.machine.serial_windows:
            sought = Signal()
            m.d.comb += [
                windows.pick.eq(offset),
                windows.seek.eq(self.changed.valid & ~ahead & ~sought & ~self.partners.held),
            ]
            with m.If(windows.seek):
                m.d.sync += sought.eq(1)
            with m.Elif(job.valid & job.ready | self.start):
                m.d.sync += sought.eq(0)
            return sought & windows.ready, windows.x
        # The engine reads a row's window behind the job, a shared one from the next cycle on.
        kept = Signal.like(offset, name="kept")
        with m.If(job.valid & job.ready):
            m.d.sync += kept.eq(offset)
        coming = ~self.partners.held if p.machine.shared_update else 0
        m.d.comb += windows.pick.eq(Mux(coming, offset.as_value(), kept.as_value()))
        return windows.ready, picked_window(m, p, windows)
