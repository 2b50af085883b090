import os

import numpy as np
import pytest

from popflip.boards.virtual.board import VirtualBoard
from popflip.boards.virtual.tests.echo_top import DIVISOR, SAMPLE_BYTES, Top
from popflip.rtl.verilog import convert


@pytest.fixture(scope="session")
def text():
    return convert(Top(), "top")


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder for built models, one for all workers of a run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    return folder / "models"


@pytest.fixture
def board(text, models):
    with VirtualBoard(text, divisor=DIVISOR, sample_bytes=SAMPLE_BYTES, folder=models) as board:
        yield board


@pytest.fixture
def samples():
    return np.random.default_rng(2).integers(0, 256, (64, SAMPLE_BYTES), np.uint8)
