"""Scenarios in which a machine trains, predicts or is stopped, told by its host."""

import numpy as np

from popflip.cocotb_tests.cosim import differences, initial, train_golden
from popflip.cocotb_tests.stimulus import Stimulus
from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.description.layout import RESULTS
from popflip.golden.description.packing import (
    latents_to_bytes,
    pack_samples,
    weights_to_bytes,
)
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import (
    CRC_BYTES,
    HEADER,
    IDENTIFY_ANSWER,
    MAX_PAYLOAD,
    RUN,
    SAMPLE_BITS,
    STATUS_ANSWER,
    RunFlags,
    Verb,
)
from popflip.golden.model import Model
from popflip.rtl.identity import identity
from popflip.scripts.campaigns.scenarios.scenario import Scenario, draw

__all__ = [
    "infers",
    "stops",
    "stops_each",
    "stops_last",
    "trains",
    "trains_again",
    "trains_from_store",
    "trains_long",
    "trains_much",
    "trains_varied",
]

#: The first of some samples far into a store, and of some others: each bit is 0 once.
_FAR = 0b1010_0110_1100_0101_1010_0101
_AS_FAR = _FAR ^ 0xFF_FFFF


def _agree(params, words, expected):
    found = differences(params, words, expected)
    assert not found, "; ".join(found)
    for layer, raw in enumerate(words[-params.depth :]):
        kept = latents_to_bytes(params.synapses(layer), expected[f"latents{layer}"])
        assert (raw == kept).all(), f"latents{layer} that are nobody's"


def trains(params: Params, seed: int = 2, samples: int = 12, first: int | None = None) -> Scenario:
    """Identify the machine, train it from its slots, and read all back.

    If not told the first slot, begin with those of the last quarter; the last one is followed by
    slot 0.
    """
    stimulus = Stimulus(params)
    identify = stimulus.request(Verb.IDENTIFY)
    slots = params.machine.sample_slots
    samples = min(samples, slots)
    if first is None:
        first = slots - slots // 4
    learned = _learns(stimulus, params, seed, samples, internal=True, first=first)

    def judge(answers):
        assert answers[identify] == IDENTIFY_ANSWER.pack(identity(params), MAX_PAYLOAD)
        learned(answers)

    return Scenario(stimulus, judge)


def _source(params: Params, samples: int, first: int = 0) -> tuple[int, dict]:
    """Return how many samples there are room for, and where they come from.

    That is the store; a standalone machine has none, but slots.
    """
    if not params.standalone.lines:
        return samples, {"internal": False, "first": first}
    slots = params.machine.sample_slots
    return min(samples, slots), {"internal": True, "first": first % slots}


def trains_from_store(params: Params, seed: int = 3, samples: int = 25) -> Scenario:
    """Train from the store, and again with other settings: nothing is left of the first time.

    The second time its samples are at the far end of the store. (Or of the slots, if there is none;
    likewise in the scenarios that follow.)
    """
    stimulus = Stimulus(params)
    samples, how = _source(params, samples)
    learned = _learns(stimulus, params, seed, samples, **how)
    again, p = params, params.learning
    settings = {f"tau{layer}": tau + 1 for layer, tau in enumerate(p.tau)}
    if not params.machine.shared_update:
        again = params.replace(
            learning={"reset_on_flip": not p.reset_on_flip, "batch": 1 if p.batch > 1 else 3}
        )
        settings["options"] = int(again.learning.reset_on_flip)
    stimulus.set(clear=1, **settings)
    samples, how = _source(params, 2 * samples, _FAR)
    learned_again = _learns(stimulus, again, seed + 1, samples, more_tau=1, **how)

    def judge(answers):
        learned(answers)
        learned_again(answers)

    return Scenario(stimulus, judge)


def _learns(
    stimulus, params, seed, samples, *, distinct=None, more_tau=0, wide=False, nobodys=False, **how
):
    """Train in a stimulus; return what judges the answers.

    The seed is the next with which neurons differ and every layer flips. ``distinct`` samples come
    again and again. With ``nobodys`` a label is that of a class but for one bit more: no class's.
    """
    moved = False
    order = np.arange(samples) % (distinct or samples)
    low = (params.network.classes - 1).bit_length()
    more = 1 << low + order % (8 - low) if nobodys else 0
    while not moved:
        x, labels = (each[order] for each in draw(params, distinct or samples, seed))
        labels |= more
        model, trained = (_begin(params, seed, more_tau, wide) for _ in range(2))
        expected = train_golden(trained, x, labels)
        flips = [expected[f"flips{layer}"] for layer in range(params.depth)]
        moved = expected["changed"] > 0 and min(flips) > 0
        seed += 1
    reads = stimulus.train(model, x, labels, **how)
    return lambda answers: _agree(params, stimulus.words(answers, reads), expected)


def _begin(params: Params, seed: int, more_tau: int, wide: bool) -> Model:
    """Draw what to begin with.

    With ``wide``, latents are anywhere in their range, and the weights of a row much alike, so that
    many neurons are decided by their input.
    """
    model = initial(params, seed)
    if wide:
        rng = np.random.default_rng([seed, 2])
        weights, latents = [], []
        for layer, w in enumerate(model.weights):
            most = (1 << params.synapses(layer).latent_bits - 1) - 1
            weights.append(rng.random(w.shape) < rng.choice([0.03, 0.5, 0.97], (len(w), 1)))
            latents.append(rng.integers(-most, most + 1, w.shape, np.int16))
        model = Model(params, weights, latents, sign_seed=model.signs.state)
    model.tau = tuple(tau + more_tau for tau in model.tau)
    return model


def infers(params: Params, seed: int = 5, samples: int = 40) -> Scenario:
    """Predict samples of the store: no weight, latent or threshold moves."""
    stimulus = Stimulus(params)
    samples, how = _source(params, samples, _AS_FAR)
    x, labels = draw(params, samples, seed)
    model = initial(params, seed)
    reads = stimulus.train(model, x, labels, train=False, **how)
    relaxation = model.relax(x, keep_history=True)
    clock, cycles = CycleModel(params), StageCycles()
    for i in range(samples):
        cycles = cycles.plus(clock.sample(relaxation, i))
    expected = {
        "results": relaxation.prediction.tolist(),
        "samples": samples,
        "correct": int((relaxation.prediction == labels).sum()),
        "changed": 0,
        "pending": 0,
        "restarts": clock.restarts,
        "seed": model.signs.state,
        **{f"cycles_{stage}": count for stage, count in cycles._asdict().items()},
    }
    for layer in range(params.depth):
        expected |= {
            f"flips{layer}": 0,
            f"tau{layer}": model.tau[layer],
            f"weights{layer}": model.weights[layer],
            f"latents{layer}": model.latents[layer],
        }

    def judge(answers):
        _agree(params, stimulus.words(answers, reads), expected)
        assert len(set(expected["results"])) > 1

    return Scenario(stimulus, judge)


def stops(params: Params, seed: int = 6, samples: int = 400) -> Scenario:
    """Stop a run: what was learned until then is what golden learns from as many samples."""
    stimulus = Stimulus(params)
    samples, how = _source(params, samples)
    x, labels = draw(params, samples, seed)
    model = initial(params, seed)
    reads = stimulus.train(model, x, labels, stop=3000, **how)

    def judge(answers):
        words = stimulus.words(answers, reads)
        number = params.registers["samples_lo"].index
        done = int.from_bytes(words[0][number].tobytes(), "little")
        assert 0 < done < samples
        again = Model(params, model.weights, model.latents, model.signs.state)
        again.tau = model.tau
        _agree(params, words, train_golden(again, x[:done], labels[:done], flush=False))

    return Scenario(stimulus, judge)


def trains_long(params: Params, seed: int = 7, samples: int = 620) -> Scenario:
    """Train in a batch as long as the kept results twice over, and begin another.

    Latents begin anywhere.
    """
    stimulus = Stimulus(params)
    samples, how = _source(params, samples)
    if not params.machine.shared_update:
        params = params.replace(learning={"batch": samples - 23})
    return Scenario(stimulus, _learns(stimulus, params, seed, samples, wide=True, **how))


def trains_again(params: Params, seed: int = 9, samples: int = 301) -> Scenario:
    """Train with a few samples until they are known, and nudges change little.

    Then likewise with labels that no class has, in batches: once no output is active, nudges change
    nothing at all, and no row is marked at the end of a batch.
    """
    stimulus = Stimulus(params)
    samples, how = _source(params, samples)
    learned = _learns(stimulus, params, seed, samples, distinct=6, **how)
    if not params.machine.shared_update:
        params = params.replace(learning={"batch": 3})
    stimulus.set(clear=1)
    unlearned = _learns(stimulus, params, seed + 1, samples, distinct=6, nobodys=True, **how)

    def judge(answers):
        learned(answers)
        unlearned(answers)

    return Scenario(stimulus, judge)


def trains_much(params: Params, seed: int = 11, samples: int = 2500) -> Scenario:
    """Train with many samples: what is rare has its chance."""
    stimulus = Stimulus(params)
    return Scenario(stimulus, _learns(stimulus, params, seed, samples, internal=False))


def trains_varied(params: Params, seed: int = 12, parts: int = 24, samples: int = 60) -> Scenario:
    """Train many networks with a few samples each: sums and margins come to their ends.

    Every network has its own densities of weights and goes on with the latents of the one before.
    Every part has its own densities of samples, some of which are of no class.
    """
    stimulus, rng = Stimulus(params), np.random.default_rng(seed)
    model, learned = Model(params, _densities(params, rng)), []
    shapes = [params.synapses(layer) for layer in range(params.depth)]
    for layer, shape in enumerate(shapes):
        stimulus.write(f"latents{layer}", 0, latents_to_bytes(shape, model.latents[layer]))
    for part in range(parts):
        model = Model(params, _densities(params, rng), model.latents, seed + part)
        x, labels = _lit(params, rng, samples)
        for layer, shape in enumerate(shapes):
            stimulus.write(f"weights{layer}", 0, weights_to_bytes(shape, model.weights[layer]))
        stimulus.set(clear=1, seed=seed + part)
        stimulus.steps.append(("samples", pack_samples(params, x, labels), 0))
        stimulus.request(Verb.RUN, RUN.pack(RunFlags.TRAIN | RunFlags.FLUSH, 0, samples))
        stimulus.wait()
        learned.append((stimulus.read("registers"), train_golden(model, x, labels)))
    memories = [f"{kind}{layer}" for kind in ("weights", "latents") for layer in range(len(shapes))]
    regions = params.regions
    reads = [("results", stimulus.read("results", samples))]
    reads += [(name, stimulus.read(name)) for name in memories]

    def judge(answers):
        for numbers, expected in learned:
            [words] = stimulus.words(answers, [(regions["registers"], numbers)])
            got = params.registers.decode(words.copy().view("<u4")[:, 0].tolist())
            assert got == {name: expected.get(name, value) for name, value in got.items()}
        last = [("registers", learned[-1][0]), *reads]
        _agree(params, stimulus.words(answers, [(regions[name], n) for name, n in last]), expected)

    return Scenario(stimulus, judge)


def _densities(params: Params, rng) -> list[np.ndarray]:
    """Draw weights: as many of each sign in a row of the first layer, or a density for each."""
    weights = []
    for layer in range(params.depth):
        rows, width = params.synapses(layer).rows, params.synapses(layer).row_bits
        if layer == 0 and rng.random() < 0.5:
            order = rng.permuted(np.tile(np.arange(width), (rows, 1)), axis=1)
            weights.append(order < (width + 1) // 2)
        else:
            across = [(rows, 1), (1, width), (1, 1)][rng.integers(3)]
            weights.append(rng.random((rows, width)) < rng.random(across))
    return weights


def _lit(params: Params, rng, n: int):
    """Draw samples that are nearly empty, nearly full, or between; one in six of no class."""
    few = 10 ** rng.uniform(-1.5, -0.2, (n, 1))
    density = [few, 1 - few, rng.random((n, 1))][rng.integers(3)]
    labels = rng.integers(0, params.network.classes, n)
    labels = np.where(rng.random(n) < 1 / 6, rng.integers(0, 256, n), labels)
    return rng.random((n, params.n_in)) < density, labels


def stops_last(params: Params, seed: int = 13, samples: int = 12) -> Scenario:
    """Stop a run in the midst of its last sample, within a batch: its flips stay due."""
    stimulus = Stimulus(params)
    samples = min(samples, params.machine.sample_slots)
    if not params.machine.shared_update:
        params = params.replace(learning={"batch": samples + 1})
    x, labels = draw(params, samples, seed)
    model = initial(params, seed)
    expected, ends = {}, [0]
    for n in range(1, samples + 1):
        again = Model(params, model.weights, model.latents, model.signs.state)
        expected[n] = train_golden(again, x[:n], labels[:n], flush=False)
        ends.append(sum(expected[n][f"cycles_{stage}"] for stage in StageCycles._fields))
    # From the begin of a run until it is stopped it takes an answer, two bits' pause, and a frame;
    # in between there is silence. It ends in the middle of the longest sample that is late enough.
    least, divisor = 2 * 10 * (HEADER.size + CRC_BYTES + 2) + 2, params.machine.uart_divisor
    silences = {n: (ends[n - 1] + ends[n]) // 2 // divisor - least for n in expected}
    last = max((n for n in expected if silences[n] > 0), key=lambda n: ends[n] - ends[n - 1])
    how = {"internal": True, "stop": silences[last]}
    reads = stimulus.train(model, x[:last], labels[:last], **how)

    def judge(answers):
        _agree(params, stimulus.words(answers, reads), expected[last])

    return Scenario(stimulus, judge)


def stops_each(params: Params, seed: int = 8) -> Scenario:
    """Begin runs of every power of two of samples, and stop them.

    Each predicts sample after sample until then. Between them, and after them, nothing counts, and
    of what has been counted a clear leaves nothing.
    """
    stimulus = Stimulus(params)
    regions = params.regions
    room, how = _source(params, RESULTS)
    order = np.arange(RESULTS) % room
    x, labels = (each[order] for each in draw(params, room, seed))
    packed, flags = pack_samples(params, x[:room], labels[:room]), RunFlags(0)
    if how["internal"]:
        flags = RunFlags.INTERNAL
        stimulus.write("samples", 0, packed.reshape(-1, 1))
    else:
        stimulus.steps.append(("samples", packed, 0))
    model = initial(params, seed)
    for layer in range(params.depth):
        words = weights_to_bytes(params.synapses(layer), model.weights[layer])
        stimulus.write(f"weights{layer}", 0, words)
    running, rests = [], []
    stimulus.set(clear=1)
    for bit in range(6, SAMPLE_BITS):
        stimulus.request(Verb.RUN, RUN.pack(flags, 0, 1 << bit))
        running.append(stimulus.request(Verb.STATUS))
        stimulus.request(Verb.STOP)
        stimulus.wait()
        rests.append(stimulus.read("registers"))
    results = stimulus.read("results")
    rests.append(stimulus.read("registers"))
    stimulus.set(clear=1)
    rests += [stimulus.read("registers") for _ in range(2)]

    relaxation = model.relax(x, keep_history=True)
    clock = CycleModel(params)
    cycles = [clock.sample(relaxation, i) for i in range(RESULTS)]

    def judge(answers):
        for number in running:
            assert STATUS_ANSWER.unpack(answers[number])[0] == 1
        counted = []
        for numbers in rests:
            payload = b"".join(answers[i] for i in numbers)
            counted.append(params.registers.decode(np.frombuffer(payload, "<u4").tolist()))
        *stopped, still, cleared, nothing = counted
        known, before, most = StageCycles(), 0, 0
        correct = 0
        for values in stopped:
            done = values["samples"] - before
            assert 1 < done <= RESULTS
            before, most = values["samples"], max(most, done)
            correct += int((relaxation.prediction[:done] == labels[:done]).sum())
            for spent in cycles[:done]:
                known = known.plus(spent)
            assert values["correct"] == correct
            assert known == tuple(values[f"cycles_{stage}"] for stage in StageCycles._fields)
        [kept] = stimulus.words(answers, [(regions["results"], results)])
        assert kept[:most, 0].tolist() == relaxation.prediction[:most].tolist()
        assert still == stopped[-1]
        assert cleared == nothing == still | dict.fromkeys(params.registers.counters.names, 0)

    return Scenario(stimulus, judge)
