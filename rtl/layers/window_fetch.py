"""Neurons of layer 1 that learn, brought together with the windows that they see."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.rtl.layers.neurons import PlaceLayout
from popflip.rtl.layers.update import JobLayout

__all__ = ["WindowFollower"]


class WindowFollower(wiring.Component):
    """Turn the changed neurons of layer 1 into jobs of weight layer 0's update engine.

    Neurons come in ascending order of their rows, so one scan of the sample serves them all: the
    follower moves the window on until it is the neuron's own, one position a cycle, and never
    while the update engine still reads the present one.

    With serial windows it moves on as soon as it knows the next neuron, and the window is fetched
    while the update engine still works: rows are one word each, which the engine reads two cycles
    after it has accepted the job, and the sample buffer shows it at least that long. (A shared
    update engine looks at the window until the end of a row.)

    Parameters
    ----------
    params : Params

    Members
    -------
    start : ``In(1)``
        A pulse begins a sample; the first window is being fetched.
    changed : ``In(stream)`` of ``{place, up}``
        Neurons that differ, and whether they are active at the plus end.
    restart, next : ``Out(1)``; ready : ``In(1)``
        The read side of :class:`popflip.rtl.layers.sample_buffer.SampleBuffer`.
    job : ``Out(stream)`` of :class:`popflip.rtl.layers.update.JobLayout`
    held : ``In(1)``
        The update engine still reads the present window.
    """

    def __init__(self, params: Params):
        self._params = params
        layout = data.StructLayout({"place": PlaceLayout(params, 1), "up": 1})
        super().__init__({
            "start": In(1),
            "changed": In(stream.Signature(layout)),
            "restart": Out(1),
            "next": Out(1),
            "ready": In(1),
            "held": In(1),
            "job": Out(stream.Signature(JobLayout(params.synapses(0)))),
        })

    def elaborate(self, platform):
        m = Module()
        changed, job, block = self.changed.payload, self.job.payload, self._params.block
        banked = self._params.synapses(0).banks > 1
        # Rows below this limit see the window, or one that has passed.
        limit = Signal(range(self._params.sizes[1] + 1), init=block)
        ahead = Signal()
        still = 1 if self._params.machine.serial_windows else self.ready
        m.d.comb += [
            self.restart.eq(self.start),
            ahead.eq(changed.place.row >= limit),
            self.next.eq(self.changed.valid & ahead & still & ~self.held),
            self.job.valid.eq(self.changed.valid & ~ahead & self.ready),
            self.changed.ready.eq(self.job.ready & ~ahead & self.ready),
            job.row.eq(changed.place.row),
            job.slot.eq(changed.place["slot" if banked else "row"]),
            job.bank.eq(changed.place.bank if banked else 0),
            job.plus.eq(changed.up),
            job.minus.eq(~changed.up),
        ]
        with m.If(self.start):
            m.d.sync += limit.eq(block)
        with m.Elif(self.next):
            m.d.sync += limit.eq(limit + block)
        return m
