"""The update of one sample: neurons are scanned for contrasts, and their rows served.

Layers above the first are *scanned*: neuron after neuron, one per cycle, those with a contrast
waiting for their update engine. Rows of layer 0 follow from the scan of layer 1: each neuron that
differs is queued, and its window is fetched.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

from popflip.golden.cycles.latencies import QUEUE_LATENCY, SHARED_LATENCY, UPDATE_LATENCY
from popflip.golden.description.params import Params

__all__ = ["ContrastScan", "WindowFetch", "serve_each", "serve_shared"]


class ContrastScan(NamedTuple):
    """A scan of the neurons of a layer, some of which have a contrast.

    Attributes
    ----------
    rows : ndarray of int
        Rows of those that have one, in the order of the scan.
    at : ndarray of int
        The cycles in which the scan comes to them if it waits for nobody.
    differs : ndarray of bool
        Of which of them the neuron's own activation differs.
    length : int
        Cycles of the whole scan if it waits for nobody.
    """

    rows: np.ndarray
    at: np.ndarray
    differs: np.ndarray
    length: int

    def end(self, accepted):
        """When the scan is over, if its last needed row was accepted at ``accepted``."""
        return accepted + self.length - self.at[-1]


class WindowFetch:
    """The fetch of windows: from the window of one changed neuron to that of the next.

    Pooled windows that are fetched serially are sought: the rows of each begin to be fetched once
    the machine has come to its position.
    """

    def __init__(self, params: Params):
        self._params, first = params, params.first_layer
        self._ready, self._position, self._now = params.load_rows + 1, 0, 0
        self._seeks = first.pooled and params.machine.serial_windows
        self._filled = first.load_rows + first.step_rows  # it may move down

    def offer(self, pushed, row, free) -> int:
        """When the job of a neuron queued at ``pushed`` is valid.

        Its engine lets go of the present window at ``free``.
        """
        p, first = self._params, self._params.first_layer
        serial, height, wanted = p.machine.serial_windows, p.load_rows, first.position_of(row)
        now = max(pushed + QUEUE_LATENCY, self._now)
        if self._seeks:
            now += wanted - self._position
            self._position = wanted
            return max(now, free) + height + 1
        if self._position < wanted:
            if p.machine.shared_update or not serial:
                now = max(now, free)
            if not serial:
                now = max(now, self._ready)
        while self._position < wanted:
            self._position += 1
            if not serial and self._position % first.grid[1] == 0:
                now = max(now, self._filled)
                self._filled = now + first.step_rows
            now += 1
            if serial:
                # A window that was complete has the next one behind it; one that was not is
                # skipped, and the next begins.
                behind = self._ready + height
                self._ready = max(now, behind) if self._ready < now else now + height
        return max(now, self._ready)

    def accept(self, now):
        """See the job that was offered last accepted."""
        self._now = now + 1


def serve_each(params: Params, scans: dict[int, ContrastScan], dirty) -> int:
    """When the jobs of all layers are done if each layer has an update engine."""
    done, changed = 1, []
    for layer, scan in scans.items():
        # A needed row waits for the one before; the scan ends behind the last row.
        work = params.synapses(layer).row_cycles
        gaps = np.maximum(np.diff(scan.at), work)
        accepted = 2 + scan.at[0] + np.concatenate([[0], np.cumsum(gaps)])
        done = max(done, accepted[-1] + work + UPDATE_LATENCY + 1, scan.end(accepted[-1]))
        if layer == 1:
            differs = scan.differs
            changed = list(zip(accepted[differs], scan.rows[differs], strict=True))
    if dirty is not None:
        dirty[0][[params.first_layer.row_of(row) for _, row in changed]] = True
    fetch, free = WindowFetch(params), 0
    for pushed, row in changed:
        accepted = max(free, fetch.offer(pushed, row, free))
        fetch.accept(accepted)
        free = accepted + params.synapses(0).row_cycles
        done = max(done, accepted + params.synapses(0).row_words + UPDATE_LATENCY + 1)
    return int(done)


def serve_shared(params: Params, scans: dict[int, ContrastScan], dirty) -> int:
    """When the jobs of all layers are done if one engine takes them one after the other."""
    done, free, free_0 = 1, 0, 0
    fetch, changed = WindowFetch(params), deque[tuple[int, int]]()
    at = dict.fromkeys(scans, 0)  # of the needed rows, the one that is next
    valid = {layer: 2 + scan.at[0] for layer, scan in scans.items()}
    while valid:
        now = max(free, min(valid.values()))
        layer = max(l for l, since in valid.items() if since <= now)
        work = params.synapses(layer).row_cycles
        free = now + work
        done = max(done, free + SHARED_LATENCY + 1)
        del valid[layer]
        if layer:
            scan, k = scans[layer], at[layer]
            at[layer] += 1
            if k + 1 < len(scan.at):
                valid[layer] = now + scan.at[k + 1] - scan.at[k]
            else:
                done = max(done, scan.end(now))
            if layer == 1 and scan.differs[k]:
                changed.append((now, scan.rows[k]))
        else:
            free_0 = free
            fetch.accept(now)
        if 0 not in valid and changed:
            pushed, row = changed.popleft()
            valid[0] = fetch.offer(pushed, row, free_0)
    return int(done)
