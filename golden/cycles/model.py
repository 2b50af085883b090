"""The machine's clock, sample by sample."""

import numpy as np

from popflip.golden.cycles.latencies import SHARED_LATENCY, UPDATE_LATENCY
from popflip.golden.cycles.leaky import LeakyRun
from popflip.golden.cycles.overlap import OverlapRun
from popflip.golden.cycles.sample import SampleRun
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.description.params import Params
from popflip.golden.description.software_only import check_network
from popflip.golden.model import Relaxation

__all__ = ["CycleModel"]


class CycleModel:
    """The machine's clock, sample by sample.

    Parameters
    ----------
    params : Params
    batch : int, optional
        Samples between flips; the parameters' own if left out.

    Attributes
    ----------
    touched : bool
        The host wrote weights, latents or thresholds since the last flush, as it does before
        training begins: the next flush tests every row.
    restarts : int
        How often a sample exceeded its active bound so far.
    """

    def __init__(self, params: Params, batch: int | None = None):
        check_network(params)
        self.params = params
        self.batch = params.learning.batch if batch is None else batch
        self.touched = True
        self.restarts = 0
        self.pending = 0
        self._shapes = [params.synapses(layer) for layer in range(params.depth)]
        self._dirty = [np.zeros(s.rows, bool) for s in self._shapes]
        self._ahead: int | None = None  # when the drive of the next sample is over, if it began

    def sample(self, relaxation: Relaxation, i: int, last: bool = False) -> StageCycles:
        """Count the cycles of sample ``i`` of a batch, including the flush that it may end with.

        Samples are in the machine in time; what it waits for them is not counted.

        Parameters
        ----------
        relaxation : Relaxation
            With its history kept; with both nudged states if the sample was trained on.
        i : int
        last : bool
            No sample follows in this run. (It matters with ``machine.overlap`` only.)
        """
        run: SampleRun
        if self.params.machine.overlap:
            learns = bool(relaxation.plus)
            more = not last and not (learns and self.pending + 1 >= self.batch)
            run = OverlapRun(self.params, relaxation, i, self._ahead, more)
        elif self.params.dynamics.leaky:
            run = LeakyRun(self.params, relaxation, i)
        else:
            run = SampleRun(self.params, relaxation, i)
        run.relax()
        self.restarts += run.restarts
        if run.training:
            marks = self.batch > 1 or not self.params.immediate
            learn = run.learn(self._dirty if marks else None)
            run.spend("update", learn)
            self.pending += 1
            if self.pending >= self.batch:
                if marks or self.touched:
                    run.spend("update", self._flush())
                self.pending = 0
        # The last state waits for the readout, which runs beside the nudged phases.
        run.spend("update" if run.training else "free", max(1, run.readout_done - run.now + 1))
        if isinstance(run, OverlapRun):
            self._ahead = run.ahead()
        return StageCycles(**run.cycles)

    def flush(self) -> StageCycles:
        """Count the cycles of a flush by itself, as at the end of a run."""
        # One for the sequencer to find that there is no sample left.
        return StageCycles(update=1 + self._flush())

    def _flush(self) -> int:
        """Cycles of a flush, from its first."""
        if self.params.machine.shared_update:
            self.touched = False
            return 1 + sum(s.rows * s.row_cycles for s in self._shapes) + SHARED_LATENCY + 1
        longest = 0
        for shape, dirty in zip(self._shapes, self._dirty, strict=True):
            rows = np.arange(shape.rows) if self.touched else np.flatnonzero(dirty)
            tested = np.bincount(shape.slot(rows), minlength=shape.slots)
            longest = max(longest, int(np.maximum(1, tested * shape.row_cycles).sum()))
            dirty[:] = False
        self.touched = False
        self.pending = 0
        return 1 + longest + UPDATE_LATENCY + 2
