"""Functions of tensors that a GPU replays.

A step of a small network is over sooner than its dozen kernels are launched. Recorded as a CUDA
graph, a whole relaxation is launched at once.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch

__all__ = ["Recorded"]

#: Calls before a recording, in which libraries choose their algorithms and set up what they need.
WARM_UP = 2


@dataclass
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: list[torch.Tensor]
    results: object


class Recorded:
    """A function on a GPU, recorded at its first call with each shape of tensors, then replayed.

    Parameters
    ----------
    function : callable
        Of tensors, then of hashable values. It asks no tensor for its values, has no effect but
        its results, and what else it reads stays in place.
    """

    def __init__(self, function: Callable):
        self._function = function
        self._recordings: dict[Hashable, _Recording] = {}

    def __call__(self, *arguments):
        """Return what the function does; the next call with such arguments overwrites it."""
        tensors = [a for a in arguments if isinstance(a, torch.Tensor)]
        values = arguments[len(tensors) :]
        key = (*(t.shape for t in tensors), *values)
        if key not in self._recordings:
            self._recordings[key] = self._record(tensors, values)
        recording = self._recordings[key]
        for mine, given in zip(recording.inputs, tensors, strict=True):
            mine.copy_(given)
        recording.graph.replay()
        return recording.results

    def _record(self, tensors, values) -> _Recording:
        inputs = [tensor.clone() for tensor in tensors]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._function(*inputs, *values)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = self._function(*inputs, *values)
        return _Recording(graph, inputs, results)
