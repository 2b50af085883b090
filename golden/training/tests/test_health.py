"""Networks that learn nothing are told from those that do, with what to change."""

import re
from dataclasses import replace

import numpy as np
import pytest

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.description.presets import preset_names
from popflip.golden.engine.machine import FastMachine
from popflip.golden.model import Report
from popflip.golden.training import health
from popflip.golden.training.log import Log
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.trainer import Trainer

pytestmark = pytest.mark.timeout(600)  # the first use of the fast engine compiles it

#: An 8 x 8 network that learns; what follows are changes that a newcomer may make.
HEALTHY = {
    "network": {"image": [8, 8], "thresholds": [63, 127], "hidden": [64], "copies": 2},
    "dynamics": {"gains": [14, 12]},
    "learning": {"beta": 2, "tau": [8, 8]},
    "machine": {"row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1, 1]},
}
DEEP = {
    "network": HEALTHY["network"] | {"hidden": [64, 40]},
    "dynamics": {"gains": [14, 20, 12]},
    "learning": {"beta": 2, "tau": [8, 8, 8]},
    "machine": {"row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1, 1, 1]},
}


@pytest.fixture(scope="module")
def patterns():
    """Ten patterns of 8 x 8 pixels with noise."""
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 10, 1500, np.uint8)
    shapes = 200 * (rng.random((10, 8, 8)) < 0.35)
    images = np.where(rng.random((1500, 8, 8)) < 0.06, 200 - shapes[labels], shapes[labels])
    images = images.astype(np.uint8)
    return Dataset("patterns", images[:1200], labels[:1200], images[1200:], labels[1200:])


def said(params, data, epochs=1, machine=GoldenMachine):
    """Train, and return the warnings of each epoch."""
    trainer, found = Trainer(params, data, machine(params)), []
    trainer.run(epochs, on_epoch=lambda log: found.append(list(trainer.warnings)))
    return found


@pytest.mark.parametrize("kind", ["sweeps", "leaky"])
@pytest.mark.parametrize("tree", [HEALTHY, DEEP], ids=["shallow", "deep"])
def test_a_network_that_learns_is_left_alone(patterns, tree, kind):
    params = Params.build(tree).replace(dynamics={"kind": kind, "free_sweeps": 8})
    assert said(params, patterns, 2, FastMachine) == [[], []]


@pytest.mark.parametrize("preset", preset_names())
def test_no_preset_is_warned_of(preset):
    params = Params.load(preset)
    mnist = load("mnist", params=params)
    data = Dataset(
        "mnist",
        mnist.train_images[:3000], mnist.train_labels[:3000],
        mnist.test_images[:1000], mnist.test_labels[:1000],
    )  # fmt: skip
    assert said(params, data, 1, lambda params: FastMachine(params, 1)) == [[]]


@pytest.mark.parametrize(
    ("tree", "change", "cause"),
    [
        (
            HEALTHY,
            {"dynamics": {"gains": [3, 6]}},
            r"hidden layer 1 is silent \(0\.0 % of its neurons are active\): lower "
            r"dynamics\.threshold from 128 to about \d+, or raise dynamics\.gains\[0\] from 3 to "
            r"about \d+",
        ),
        (
            HEALTHY,
            {"dynamics": {"threshold": -500}},
            r"hidden layer 1 is saturated \(\d+\.\d % of its neurons are active\): raise "
            r"dynamics\.threshold from -500 to about \d+",
        ),
        (
            HEALTHY,
            {"dynamics": {"code": "sign", "threshold": 5000, "gains": [14, 3]}},
            r"hidden layer 1 is silent .*: lower dynamics\.threshold from 5000 to about -?\d+.*",
        ),
        (
            HEALTHY,
            {"dynamics": {"gains": [14, 2000]}},
            r"the outputs are saturated \(\d+\.\d % of them are active\): lower "
            r"dynamics\.gains\[1\], now 2000",
        ),
        (
            HEALTHY,
            {"dynamics": {"gains": [14, 1]}, "learning": {"tau": [120, 120]}},
            r"the outputs are silent \(their potentials reach \d+, and are active from 128 on\): "
            r"raise dynamics\.gains\[1\], now 1",
        ),
        (
            HEALTHY,
            {"dynamics": {"gains": [800, 12]}},
            r"no nudge moves a hidden neuron: raise dynamics\.feedback_gains, now \[12\], or "
            r"learning\.beta, now 2, or lower dynamics\.gains\[0\], now 800",
        ),
        (
            DEEP,
            {"dynamics": {"gains": [14, 1, 12]}},
            r"hidden layer 2 is silent \(0\.0 % of its neurons are active\): raise "
            r"dynamics\.gains\[1\], now 1",
        ),
    ],
)
def test_a_network_that_learns_nothing_is_warned_of_once(patterns, tree, change, cause):
    first, second = said(Params.build(tree).replace(**change), patterns, 2)
    (text,) = first
    before, _, after = text.partition(". Likely cause: ")
    assert before.startswith("the network does not learn as it should: ")
    advice = "; popflip calibrate chooses what suits the data"
    assert ("learning.beta" in cause and "feedback" not in cause) != after.endswith(advice)
    assert re.fullmatch(cause, after.removesuffix(advice)), after
    assert second == []


def test_the_advice_helps(patterns):
    params = Params.build(HEALTHY).replace(dynamics={"gains": [3, 12]})
    ((text,),) = said(params, patterns)
    gain = int(re.search(r"gains\[0\] from 3 to about (\d+)", text)[1])
    assert said(params.replace(dynamics={"gains": [gain, 12]}), patterns) == [[]]
    threshold = int(re.search(r"threshold from 128 to about (\d+)", text)[1])
    assert said(params.replace(dynamics={"threshold": threshold}), patterns) == [[]]


def log(samples, flips):
    return Log(1, samples, 90.0, 90.0, flips, 1.0, 1.0)


LABELS = np.arange(400) % 10
LEARNED, GUESSED = Report(400, 200), Report(400, 50)


def test_few_samples_are_no_symptom():
    params = Params.build(HEALTHY)
    assert health.symptoms(params, [log(health.SAMPLES - 1, [0, 0])], GUESSED, LABELS) == []
    assert len(health.symptoms(params, [log(health.SAMPLES, [0, 0])], GUESSED, LABELS)) == 2
    few = [log(health.SAMPLES - 1, [0, 0])]
    assert len(health.symptoms(params, few, GUESSED, LABELS, least=0)) == 2
    # A network that knows what it has seen, though nothing else yet, learns.
    knows = [replace(few[0], train_error=50.0, flips=[5, 5])]
    assert health.symptoms(params, knows, GUESSED, LABELS, least=0) == []
    enough = [replace(knows[0], samples=health.SAMPLES)]
    assert len(health.symptoms(params, enough, GUESSED, LABELS)) == 1


def test_few_samples_and_a_silent_layer_are(patterns):
    few = replace(
        patterns, train_images=patterns.train_images[:150], train_labels=patterns.train_labels[:150]
    )
    params = Params.build(HEALTHY)
    assert said(params, few, 2) == [[], []]
    dead = params.replace(dynamics={"gains": [3, 12]})
    trainer, found = Trainer(dead, few, GoldenMachine(dead)), []
    trainer.run(2, on_epoch=lambda log: found.append((len(trainer.warnings), trainer.ailing)))
    assert found == [(1, True), (0, True)]


def test_without_labels_all_classes_are_as_frequent():
    params = Params.build(HEALTHY)
    assert health.symptoms(params, [log(2000, [5, 5])], Report(400, 52), None)
    assert health.symptoms(params, [log(2000, [5, 5])], Report(400, 53), None) == []


def test_epochs_are_added_up():
    params = Params.build(HEALTHY)
    half = health.SAMPLES // 2
    logs = [log(half, [0, 5]), log(half, [0, 0])]
    assert health.symptoms(params, logs, LEARNED, LABELS) == [
        "no weight of layer 0 has flipped in 1,000 samples"
    ]
    assert health.symptoms(params, [log(half, [1, 5]), *logs], LEARNED, LABELS) == []


def test_a_high_flip_threshold_is_given_time():
    params = Params.build(HEALTHY).replace(learning={"tau": [8, 120]})
    assert health.symptoms(params, [log(1199, [5, 0])], LEARNED, LABELS) == []
    assert health.symptoms(params, [log(1200, [5, 0])], LEARNED, LABELS) == [
        "no weight of layer 1 has flipped in 1,200 samples"
    ]


def test_a_guess_is_that_of_the_most_frequent_class():
    params = Params.build(HEALTHY)
    logs = [log(2000, [5, 5])]
    # 40 of 400 are right by guessing always the same, and 12 more with luck.
    text = "predictions are no better than a guess (test error 87.0 %)"
    assert health.symptoms(params, logs, Report(400, 52), LABELS) == [text]
    assert health.symptoms(params, logs, Report(400, 53), LABELS) == []
    uneven = np.where(np.arange(400) < 300, 3, LABELS)
    assert health.symptoms(params, logs, Report(400, 300), uneven)


def test_what_is_wrong_again_is_said_again(patterns, monkeypatch):
    trainer = Trainer(Params.build(HEALTHY), patterns, GoldenMachine(Params.build(HEALTHY)))
    answers = iter([["a"], ["a"], [], ["b"], []])
    monkeypatch.setattr(health, "symptoms", lambda *_, **__: next(answers))
    trainer.history.append(log(health.SAMPLES, [0, 0]))
    found = [(len(trainer._examine(GUESSED)), trainer.ailing) for _ in range(5)]
    assert found == [(1, True), (0, True), (0, False), (1, True), (0, False)]
