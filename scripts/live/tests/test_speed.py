"""What the page costs: time of the board's process for each sample, beside popflip train."""

import time

import psutil
import pytest

from popflip.boards.host.machine import virtual_machine
from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.training.trainer import Trainer
from popflip.scripts.live.exhibit import Exhibit
from popflip.scripts.live.exhibition import Exhibition
from popflip.scripts.training.runs.reports import State

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SAMPLES = 2000

#: How much slower learning through the page may be.
MOST = 1.15


def spent(process):
    times = process.cpu_times()
    return times.user + times.system


def trained(params, data):
    """Processor time of popflip train's loop for each sample, on the virtual board."""
    machine = virtual_machine(params)
    try:
        trainer = Trainer(params, data, machine, samples=SAMPLES, test_samples=200)
        began = spent(psutil.Process())
        trainer.run(epochs=1)
        return (spent(psutil.Process()) - began) / SAMPLES
    finally:
        machine.transport.close()


def shown(params, data, folder):
    """Likewise of a run on show, with golden beside it and a test by the way."""
    exhibit = Exhibit(params, source=str(folder), samples=SAMPLES, test_samples=200)
    with Exhibition([exhibit], data):
        while exhibit.report.state is State.OPENING:
            time.sleep(0.1)
        process = psutil.Process(exhibit.run._process.pid)
        began = spent(process)
        exhibit.start(SAMPLES).result(600)
        while exhibit.report.total.samples < SAMPLES:
            time.sleep(0.05)
        exhibit.test(200).result(600)
        while exhibit.report.state is not State.PAUSED:
            time.sleep(0.05)
        assert exhibit.proof.equal
        return (spent(process) - began) / SAMPLES


def test_learning_on_show_takes_little_longer_than_training(folder):
    params, data = Params.load(folder / "tiny.toml"), load(folder)
    plain = trained(params, data)
    page = shown(params, data, folder)
    print(f"\n{1e3 * plain:.3f} ms a sample, on show {1e3 * page:.3f} ms: {page / plain:.3f} times")
    assert page <= MOST * plain
