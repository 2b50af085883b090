"""``popflip ablate rules``: learning rules that the machine does not know."""

import json
import re

import numpy as np
import pytest

from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.training.state import initial_state
from popflip.scripts.verbs.explore.ablate.rule_model import Rule, RuleMachine, RuleModel
from popflip.scripts.verbs.explore.ablate.rules import BASE, VARIANTS, Variant, run_rules
from popflip.scripts.verbs.explore.ablate.trainings import Study

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("default_signals")]

#: Small, and of a kind that rules are tried with.
NETWORK = {
    "network": {
        "image": [8, 8], "thresholds": [85, 170], "first": "local", "window": 4, "stride": 2,
        "features": 6, "copies": 3,
    },
    "dynamics": {"gains": [20, 10], "feedback_gains": [30], "threshold": 64},
    "learning": {"batch": 8, "latent_bits": 16, "tau": [3, 3], "beta": 6},
}  # fmt: skip


def network(**changes):
    return Params.build(NETWORK).replace(**changes)


def pair(params, rule=None, seed=1):
    state = initial_state(params, seed)
    rest = state.weights, state.latents, state.sign_state
    return Model(params, *rest), RuleModel(params, rule or Rule(), *rest)


def batches(params, n=8, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield rng.random((params.learning.batch, params.n_in)) < 0.3, rng.integers(0, 10, 8)


def test_the_machines_rule_is_the_golden_model():
    params = network()
    golden, model = pair(params)
    flips = 0
    for x, labels in batches(params):
        report, relaxed = golden.train(x, labels)
        mine, found = model.train(x, labels)
        assert (mine.flips, mine.changed, mine.correct) == (
            report.flips, report.changed, report.correct,
        )  # fmt: skip
        assert (found.prediction == relaxed.prediction).all()
        for a, b in zip(
            golden.latents + golden.weights, model.latents + model.weights, strict=True
        ):
            assert (a == b).all()
        flips += sum(report.flips)
    assert flips > 100


def expected(golden, params, x, labels, pairs):
    """Contrast of a batch by the golden model's nudged states, one synapse at a time."""
    windows, block = params.first_layer.windows, params.first_layer.block
    totals = [np.zeros(w.shape, int) for w in golden.weights]
    for plus, minus in pairs:
        for i in range(len(x)):
            for neuron in range(params.sizes[1]):
                seen = x[i, windows[neuron // block]]
                totals[0][neuron] += (int(plus[0][i, neuron]) - int(minus[0][i, neuron])) * seen
                for j in range(params.n_out):
                    totals[1][neuron, j] += int(plus[0][i, neuron] & plus[1][i, j])
                    totals[1][neuron, j] -= int(minus[0][i, neuron] & minus[1][i, j])
    return totals


def nudged(golden, free, drive, labels, beta, pulled=None):
    """Golden's states of one nudge, of outputs that are pulled."""
    params = golden.params
    target = np.arange(params.n_out) // params.network.copies == labels[:, None]
    goal = np.where(target, params.dynamics.v_max, 0)
    pulled = np.ones_like(target) if pulled is None else pulled

    def nudge(v):
        return beta * (goal - v) * pulled

    return golden._phase(free, drive, params.learning.nudged_sweeps, nudge, None).a


@pytest.mark.parametrize("name", ["strengths", "negative", "rival"])
def test_rules_of_nudging_add_the_contrasts_of_their_states(name):
    params = network(learning={"tau": [1000, 1000]})
    rule = {
        "strengths": Rule(strengths=(3, 9)), "negative": Rule(negative=True),
        "rival": Rule(rival=True),
    }[name]  # fmt: skip
    golden, model = pair(params, rule)
    (x, labels), *_ = batches(params, 1)
    relaxed = golden.relax(x)
    free, drive = relaxed.free, relaxed.drive
    if name == "strengths":
        pairs = [[nudged(golden, free, drive, labels, s * b) for s in (1, -1)] for b in (3, 9)]
    elif name == "negative":
        pairs = [(free.a, nudged(golden, free, drive, labels, -6))]
    else:
        votes = free.v.reshape(8, 10, 3).sum(-1)
        votes[np.arange(8), labels] = -1
        rivals = votes.argmax(-1)
        classes = np.arange(30) // 3
        pulled = (classes == labels[:, None]) | (classes == rivals[:, None])
        assert (pulled.sum(1) == 6).all()
        pairs = [[nudged(golden, free, drive, labels, b, pulled) for b in (6, -6)]]
    model.train(x, labels)
    for mine, wanted in zip(model.latents, expected(golden, params, x, labels, pairs), strict=True):
        assert (mine == wanted).all()
        assert wanted.any()


def test_random_feedback_reaches_hidden_neurons_alone():
    golden, model = pair(network(), Rule(random_feedback=True))
    (x, _), *_ = batches(golden.params, 1)
    relaxed = golden.relax(x)
    a, drive = relaxed.free.a, relaxed.drive
    above = model.value(a[1]) @ model._feedback.T
    assert (model._hidden(1, a, drive) == drive + 30 * above).all()
    assert (model._below(2, a, None) == golden._below(2, a, None)).all()
    assert set(np.unique(model._feedback)) == {-1, 1}
    before = model._feedback.copy()
    for x, labels in batches(golden.params):
        model.train(x, labels)
    assert (model._feedback == before).all()


def test_thresholds_learn_what_their_neurons_contrast():
    params = network(learning={"tau": [1000, 1000]})
    golden, model = pair(params, Rule(threshold_step=4))
    (x, labels), *_ = batches(params, 1)
    relaxed = golden.relax(x, labels)
    differ = relaxed.plus[0].astype(int) - relaxed.minus[0]
    assert differ.sum(0).any()
    model.train(x, labels)
    assert (model.look(x)[0] - golden.look(x)[0] == 4 * differ.sum(0)).all()


def test_copies_have_their_own_gains():
    golden, model = pair(network(), Rule(copy_gains=(1, 2, 5)))
    (x, _), *_ = batches(golden.params, 1)
    relaxed = golden.relax(x)
    a, drive = relaxed.free.a, relaxed.drive
    gains = np.tile([1, 2, 5], 10)
    assert (model._below(2, a, None) == gains * golden._below(2, a, None)).all()
    above = (a[1] * gains) @ golden._signed[1].T
    assert (model._hidden(1, a, drive) == drive + 30 * above).all()


def test_output_latents_have_their_own_width():
    params = network(learning={"latent_bits": 3})
    machine = RuleMachine(params, Rule(output_latent_bits=10, output_tau=5))
    machine.set_tau((2, 3))
    for x, labels in batches(params, 40):
        machine.load(x, labels)
        machine.train(0, 8, flush=True)
    hidden, output = machine.read_state().latents
    assert abs(hidden).max() == 3
    assert 15 < abs(output).max() < 100
    assert machine._model.tau == (2, 15)


@pytest.mark.parametrize(
    ("changes", "rule", "message"),
    [
        ({"network": {"pool": 2}}, Rule(), "one hidden layer of own windows"),
        ({"learning": {"nudging": "random-sign"}}, Rule(), "centered nudging"),
        ({}, Rule(copy_gains=(1, 2)), "copy_gains must have 3 numbers, one for each copy, not 2"),
    ],
)
def test_other_networks_are_refused(changes, rule, message):
    with pytest.raises(ValueError, match=message):
        pair(network(**changes), rule)


def test_every_variant_has_a_network():
    for variant in VARIANTS:
        pair(variant.params(BASE), variant.rule)


def test_rules_make_a_page_and_go_on(folder, tmp_path):
    base = network(network={"classes": 10}, learning={"beta": 4})
    variants = (Variant("machine", "own"), Variant("rival", "two", Rule(rival=True)))
    asked = str(folder), tmp_path / "work", tmp_path / "page.md"
    report = run_rules(Study(*asked, 1, 2, workers=2), base, variants)
    text = (tmp_path / "page.md").read_text()
    for row in report["reports"]:
        assert f"| {row['error']:.2f} ± {row['spread']:.2f} |" in text
        assert row["error"] < 60
    # Another call trains nothing that was trained; what is missing it trains to the same.
    path = tmp_path / "work" / "rival-seed2.json"
    before = json.loads(path.read_text())
    path.unlink()
    others = {p: p.stat().st_mtime_ns for p in (tmp_path / "work").iterdir()}
    assert run_rules(Study(*asked, 1, 2, workers=1), base, variants) == report
    assert json.loads(path.read_text()) == before
    assert {p: p.stat().st_mtime_ns for p in others} == others
    with pytest.raises(ValueError, match=r"machine-seed1\.json is of other settings; name another"):
        run_rules(Study(*asked, 2, 2), base, variants)
    for text in ("[]", "5", "null", '{"error": "x", "train_error": 1}', before["data"]):
        path.write_text(text)
        with pytest.raises(
            ValueError, match=r"rival-seed2\.json(: | has no )results of a training"
        ):
            run_rules(Study(*asked, 1, 2), base, variants)
    path.write_text(json.dumps({**before, "data": "others"}))
    with pytest.raises(ValueError, match=r"rival-seed2\.json is of other data; name another"):
        run_rules(Study(*asked, 1, 2), base, variants)
    (tmp_path / "page").mkdir()
    with pytest.raises(ValueError, match="page must be a file, not the folder"):
        run_rules(Study(asked[0], asked[1], tmp_path / "page", 1, 2), base, variants)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], r"network\.image must be 8 x 8 for \S+, not 28 x 28"),
        (["--workers", "4096"], r"workers must be 1 to \d+, as many as .* threads, not 4096"),
        (["--epochs", "0"], r"epochs must be at least 1, not 0"),
        (["--seeds", "0"], r"seeds must be at least 1, not 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(popflip, folder, tmp_path, options, line):
    paths = ["--data", folder, "--out", tmp_path / "work", "--page", tmp_path / "page.md"]
    status, out, err = popflip("ablate", "rules", *paths, *options)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"popflip: {line}\n", err), err
    assert not (tmp_path / "work").exists()
