"""The paper's rows, small enough for a test."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from popflip.golden.paper.images import Images
from popflip.golden.paper.systems import ROWS, Conv

# Modules that import PyTorch; the root's conftest says that they are left out.
if importlib.util.find_spec("torch") is None:
    collect_ignore = [
        "test_learning.py",
        "test_links.py",
        "test_network.py",
        "test_plain.py",
        "test_trainer.py",
    ]

#: Hidden layers keep this many neurons or channels.
SMALL = {4096: 40, 8192: 60, 32: 6, 64: 8, 128: 8, 256: 8, 512: 10}


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tests run side by side; threads of each would stand in each other's way."""
    try:
        import torch
    except ModuleNotFoundError:
        return
    torch.set_num_threads(1)


@pytest.fixture
def small():
    """Make a row of the paper with fewer neurons: ``small(name, copies=..., **changes)``."""

    def make(name, copies=None, **changes):
        row = ROWS[name]
        copies = copies or min(row.copies, 3)
        *hidden, output = row.layers
        layers = [
            replace(layer, channels=SMALL[layer.channels])
            if isinstance(layer, Conv)
            else replace(layer, neurons=SMALL[layer.neurons])
            for layer in hidden
        ]
        layers.append(replace(output, neurons=10 * copies))
        return replace(row, **{"layers": tuple(layers), "copies": copies, **changes})

    return make


@pytest.fixture(scope="session")
def blobs():
    """Images of MNIST's shape that are easy to tell apart: 320 to learn, 80 to test."""
    rng = np.random.default_rng(1)
    patterns = (rng.random((10, 7, 7)) < 0.2).repeat(4, 1).repeat(4, 2)

    def draw(n):
        labels = rng.integers(0, 10, n).astype(np.uint8)
        lit = patterns[labels] ^ (rng.random((n, 28, 28)) < 0.05)
        return (255 * lit).astype(np.uint8)[:, None], labels

    return Images("blobs", *draw(320), *draw(80))
