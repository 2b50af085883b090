"""The scenario of a standalone machine, from the data set in its flash."""

import numpy as np

from popflip.boards.host.monitor import decode
from popflip.cocotb_tests.stimulus import Stimulus
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.flash_image import write_image
from popflip.golden.description.packing import latents_to_bytes, weights_to_bytes
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import READ, Status, Verb
from popflip.golden.description.registers import StandaloneState
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.standalone import StandaloneTrainer, image_of
from popflip.scripts.campaigns.scenarios.scenario import Scenario

__all__ = ["draw_data", "trains_standalone"]


def draw_data(params: Params, seed: int = 4, samples: int = 13, tests: int = 5) -> Dataset:
    """Draw a data set, small enough to be learned alone in a moment."""
    rng = np.random.default_rng(seed)
    parts = []
    for n in (samples, tests):
        parts.append(rng.integers(0, 256, (n, *params.network.image), np.uint8))
        parts.append(rng.integers(0, params.network.classes, n))
    return Dataset("drawn", *parts)


def trains_standalone(params: Params, **how) -> Scenario:
    """Listen to a machine that trains from its flash, and read its network in the end.

    ``how`` is the data set drawn (:func:`draw_data`).
    """
    data, epochs = draw_data(params, **how), params.standalone.epochs
    golden = GoldenMachine(params)
    trainer = StandaloneTrainer(params, data, golden)
    trainer.run(epochs)
    stimulus = Stimulus(params)
    image = write_image(params, *image_of(params, data))
    stimulus.steps.append(("flash", b"\xff" * params.standalone.flash_base + image))
    for _ in range(2 * epochs):
        stimulus.steps.append(("hear",))
        stimulus.expected.append((Status.REPORT, 0))
    regions = params.regions
    state, wanted = golden.read_state(), {}
    for layer in range(params.depth):
        shape = params.synapses(layer)
        for name, to_bytes, values in (
            ("weights", weights_to_bytes, state.weights),
            ("latents", latents_to_bytes, state.latents),
        ):
            region = regions[f"{name}{layer}"]
            number = stimulus.request(Verb.READ, READ.pack(region.index, 0, region.depth))
            wanted[number] = to_bytes(shape, values[layer]).tobytes()

    def judge(answers):
        for number, payload in wanted.items():
            assert answers[number] == payload
        reports = [decode(params, payload) for payload in answers[: 2 * epochs]]
        for trained, tested, log in zip(reports[::2], reports[1::2], trainer.history, strict=True):
            assert (trained.state, tested.state) == (
                StandaloneState.TRAINING,
                StandaloneState.TESTING,
            )
            assert round(trained.report.error, 4) == log.train_error
            assert round(tested.report.error, 4) == log.test_error
            assert trained.report.flips == log.flips
            assert trained.tau == tuple(log.tau)
        assert sum(trainer.history[0].flips) > 0

    return Scenario(stimulus, judge)
