"""Arrays that kernels work on."""

import numpy as np
import pytest

from popflip.golden.description.params import Params
from popflip.golden.engine.layout import layout_of
from popflip.golden.engine.workspace import aligned_zeros, workspace_of


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int16, np.uint64])
def test_arrays_begin_with_a_cache_line(dtype):
    for n in range(1, 20):
        array = aligned_zeros((2, n), dtype)
        assert array.ctypes.data % 64 == 0
        assert array.dtype == dtype
        assert array.shape == (2, n)
        assert not array.any()


def test_each_thread_has_its_rows_and_a_place_for_the_free_state():
    params = Params.load("local-small")
    layout = layout_of(params)
    workspace = workspace_of(params, layout, 3)
    assert len(workspace.bits) == len(workspace.counts) == len(workspace.v) == 6
    assert workspace.raised.size == workspace.states.size == workspace.tables.size == 0
    assert workspace.nudged.shape[1:] == (2, layout.place[-1])


def test_only_the_leaky_dynamics_has_potentials_in_all_neurons():
    params = Params.load("local-small").replace(dynamics={"kind": "leaky"})
    workspace = workspace_of(params, layout_of(params), 1)
    assert workspace.states.size
    assert workspace.raised.size
