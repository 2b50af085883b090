"""What a host and a machine say to each other, and what has to come of it.

A scene is a talk and its judgement. It is played over the pins of the generated top in a simulator,
or over those of a virtual board, which is much faster and also has a store of samples.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cobs import cobs

from popflip.boards.host.monitor import decode
from popflip.boards.peer import WHOLE, Peer
from popflip.cocotb_tests.cosim import differences, initial, train_golden
from popflip.cocotb_tests.talk import Talk
from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.flash_image import write_image
from popflip.golden.description.layout import RESULTS, Region
from popflip.golden.description.packing import (
    bits_to_bytes,
    latents_to_bytes,
    pack_samples,
    weights_to_bytes,
)
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import (
    CRC,
    CRC_BYTES,
    FILL,
    HEADER,
    IDENTIFY_ANSWER,
    MAX_PAYLOAD,
    READ,
    RUN,
    SAMPLE_BITS,
    STATUS_ANSWER,
    VERSION,
    WRITE,
    RunFlags,
    Status,
    Verb,
)
from popflip.golden.description.registers import StandaloneState
from popflip.golden.model import Model
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.standalone import StandaloneTrainer, image_of
from popflip.rtl.identity import identity

__all__ = [
    "Scene",
    "asks_bounds",
    "asks_long",
    "counts",
    "infers",
    "refuses",
    "stops",
    "stops_each",
    "trains",
    "trains_again",
    "trains_from_store",
    "trains_long",
    "trains_much",
    "trains_standalone",
    "trains_varied",
]


#: How the names of regions begin that hold what is written to them.
_STORED = ("weights", "latents", "samples")

#: The shortest frame: no byte is in it.
_NOTHING = b"\x01\0"


@dataclass(frozen=True)
class Scene:
    """A talk with its judgement.

    Parameters
    ----------
    talk : Talk
    judge : callable
        Takes the payloads of the answers; raises AssertionError if one is wrong.
    """

    talk: Talk
    judge: Callable[[list], None]


class _Judged:
    """Requests to a machine at rest, which answers each as its peer in software does.

    Parameters
    ----------
    params : Params
    """

    def __init__(self, params: Params):
        self.talk, self.peer = Talk(params), Peer(params, identity(params))
        self.regions = self.peer.regions
        self.good = self.bad = 0
        self._payloads: dict[int, bytes] = {}

    def send(self, line: bytes) -> None:
        """Send a frame, good or bad, with its zero."""
        verdict = self.peer.execute(line[:-1])
        whole = verdict.status in WHOLE
        self.good, self.bad = self.good + whole, self.bad + (not whole)
        payload = verdict.payload
        if verdict.verb == Verb.STATUS and payload is None:
            payload = STATUS_ANSWER.pack(0, self.good, self.bad)
        number = self.talk.ask(line, verdict.status, verdict.sequence)
        if payload is not None:
            self._payloads[number] = payload

    def ask(self, verb: int, payload: bytes = b"") -> None:
        """Send a request."""
        self.send(self.talk.frame(verb, payload))

    def check(self) -> None:
        """Read all that can be written, and the status."""
        for region in self.regions:
            if region.name.startswith(_STORED):
                most = MAX_PAYLOAD // region.word_bytes
                for at in range(0, region.depth, most):
                    self.ask(Verb.READ, READ.pack(region.index, at, min(most, region.depth - at)))
        for at in self.peer.settings:
            self.ask(Verb.READ, READ.pack(self.regions["registers"].index, at, 1))
        self.ask(Verb.STATUS)

    def scene(self) -> Scene:
        """Return the scene of all this."""

        def judge(answers):
            for number, payload in self._payloads.items():
                assert answers[number] == payload, f"answer {number}"

        return Scene(self.talk, judge)


def draw(params: Params, n: int, seed: int):
    """Draw input bits and labels of ``n`` samples, some nearly empty and some nearly full."""
    rng = np.random.default_rng(seed)
    x = rng.random((n, params.n_in)) < rng.random((n, 1))
    return x, rng.integers(0, params.network.classes, n)


def _agree(params, words, expected):
    found = differences(params, words, expected)
    assert not found, "; ".join(found)
    for layer, raw in enumerate(words[-params.depth :]):
        kept = latents_to_bytes(params.synapses(layer), expected[f"latents{layer}"])
        assert (raw == kept).all(), f"latents{layer} that are nobody's"


def trains(params: Params, seed: int = 2, samples: int = 12, first: int | None = None) -> Scene:
    """Identify the machine, train it from its slots, and read all back.

    If not told the first slot, begin with those of the last quarter; the last one is followed by
    slot 0.
    """
    talk = Talk(params)
    identify = talk.request(Verb.IDENTIFY)
    slots = params.machine.sample_slots
    samples = min(samples, slots)
    if first is None:
        first = slots - slots // 4
    learned = _learns(talk, params, seed, samples, internal=True, first=first)

    def judge(answers):
        assert answers[identify] == IDENTIFY_ANSWER.pack(identity(params), MAX_PAYLOAD)
        learned(answers)

    return Scene(talk, judge)


def _source(params: Params, samples: int, first: int = 0) -> tuple[int, dict]:
    """Return how many samples there are room for, and where they come from.

    That is the store; a machine that trains alone has none, but slots.
    """
    if not params.standalone.lines:
        return samples, {"internal": False, "first": first}
    slots = params.machine.sample_slots
    return min(samples, slots), {"internal": True, "first": first % slots}


def trains_from_store(params: Params, seed: int = 3, samples: int = 25) -> Scene:
    """Train from the store, and again with other settings: nothing is left of the first time.

    The second time its samples are at the far end of the store. (Or of the slots, if there is none;
    likewise in the scenes that follow.)
    """
    talk = Talk(params)
    samples, how = _source(params, samples)
    learned = _learns(talk, params, seed, samples, **how)
    again, p = params, params.learning
    settings = {f"tau{layer}": tau + 1 for layer, tau in enumerate(p.tau)}
    if not params.machine.shared_update:
        again = params.replace(
            learning={"reset_on_flip": not p.reset_on_flip, "batch": 1 if p.batch > 1 else 3}
        )
        settings["options"] = int(again.learning.reset_on_flip)
    talk.set(clear=1, **settings)
    samples, how = _source(params, 2 * samples, _FAR)
    learned_again = _learns(talk, again, seed + 1, samples, more_tau=1, **how)

    def judge(answers):
        learned(answers)
        learned_again(answers)

    return Scene(talk, judge)


#: The first of some samples far into a store, and of some others: each bit is 0 once.
_FAR = 0b1010_0110_1100_0101_1010_0101
_AS_FAR = _FAR ^ 0xFF_FFFF


def _learns(
    talk, params, seed, samples, *, distinct=None, more_tau=0, wide=False, nobodys=False, **how
):
    """Train in a talk; return what judges the answers.

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
    reads = talk.train(model, x, labels, **how)
    return lambda answers: _agree(params, talk.words(answers, reads), expected)


def _begin(params: Params, seed: int, more_tau: int, wide: bool) -> Model:
    """Draw what to begin with.

    With ``wide``, latents are anywhere in their range, and the weights of a row much alike, so that
    many neurons are decided by their input.
    """
    model = initial(params, seed)
    if wide:
        rng, most = np.random.default_rng([seed, 2]), (1 << params.learning.latent_bits - 1) - 1
        weights, latents = [], []
        for w in model.weights:
            weights.append(rng.random(w.shape) < rng.choice([0.03, 0.5, 0.97], (len(w), 1)))
            latents.append(rng.integers(-most, most + 1, w.shape, np.int16))
        model = Model(params, weights, latents, sign_seed=model.signs.state)
    model.tau = tuple(tau + more_tau for tau in model.tau)
    return model


def infers(params: Params, seed: int = 5, samples: int = 40) -> Scene:
    """Predict samples of the store: no weight, latent or threshold moves."""
    talk = Talk(params)
    samples, how = _source(params, samples, _AS_FAR)
    x, labels = draw(params, samples, seed)
    model = initial(params, seed)
    reads = talk.train(model, x, labels, train=False, **how)
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
        _agree(params, talk.words(answers, reads), expected)
        assert len(set(expected["results"])) > 1

    return Scene(talk, judge)


def stops(params: Params, seed: int = 6, samples: int = 400) -> Scene:
    """Stop a run: what was learned until then is what golden learns from as many samples."""
    talk = Talk(params)
    samples, how = _source(params, samples)
    x, labels = draw(params, samples, seed)
    model = initial(params, seed)
    reads = talk.train(model, x, labels, stop=True, **how)

    def judge(answers):
        words = talk.words(answers, reads)
        number = params.registers["samples_lo"].index
        done = int.from_bytes(words[0][number].tobytes(), "little")
        assert 0 < done < samples
        again = Model(params, model.weights, model.latents, model.signs.state)
        again.tau = model.tau
        _agree(params, words, train_golden(again, x[:done], labels[:done], flush=False))

    return Scene(talk, judge)


def trains_long(params: Params, seed: int = 7, samples: int = 620) -> Scene:
    """Train in a batch as long as the kept results twice over, and begin another.

    Latents begin anywhere.
    """
    talk = Talk(params)
    samples, how = _source(params, samples)
    if not params.machine.shared_update:
        params = params.replace(learning={"batch": samples - 23})
    return Scene(talk, _learns(talk, params, seed, samples, wide=True, **how))


def trains_again(params: Params, seed: int = 9, samples: int = 301) -> Scene:
    """Train with a few samples until they are known, and nudges change little.

    Then likewise with labels that no class has, in batches: once no output is active, nudges change
    nothing at all, and no row is marked at the end of a batch.
    """
    talk = Talk(params)
    samples, how = _source(params, samples)
    learned = _learns(talk, params, seed, samples, distinct=6, **how)
    if not params.machine.shared_update:
        params = params.replace(learning={"batch": 3})
    talk.set(clear=1)
    unlearned = _learns(talk, params, seed + 1, samples, distinct=6, nobodys=True, **how)

    def judge(answers):
        learned(answers)
        unlearned(answers)

    return Scene(talk, judge)


def trains_much(params: Params, seed: int = 11, samples: int = 2500) -> Scene:
    """Train with many samples: what is rare has its chance."""
    talk = Talk(params)
    return Scene(talk, _learns(talk, params, seed, samples, internal=False))


def trains_varied(params: Params, seed: int = 12, parts: int = 24, samples: int = 60) -> Scene:
    """Train many networks with a few samples each: sums and margins come to their ends.

    Every network has its own densities of weights and goes on with the latents of the one before.
    Every part has its own densities of samples, some of which are of no class.
    """
    talk, rng = Talk(params), np.random.default_rng(seed)
    model, learned = Model(params, _densities(params, rng)), []
    shapes = [params.synapses(layer) for layer in range(params.depth)]
    for layer, shape in enumerate(shapes):
        talk.write(f"latents{layer}", 0, latents_to_bytes(shape, model.latents[layer]))
    for part in range(parts):
        model = Model(params, _densities(params, rng), model.latents, seed + part)
        x, labels = _lit(params, rng, samples)
        for layer, shape in enumerate(shapes):
            talk.write(f"weights{layer}", 0, weights_to_bytes(shape, model.weights[layer]))
        talk.set(clear=1, seed=seed + part)
        talk.steps.append(("samples", pack_samples(params, x, labels), 0))
        talk.request(Verb.RUN, RUN.pack(RunFlags.TRAIN | RunFlags.FLUSH, 0, samples))
        talk.wait()
        learned.append((talk.read("registers"), train_golden(model, x, labels)))
    memories = [f"{kind}{layer}" for kind in ("weights", "latents") for layer in range(len(shapes))]
    regions = params.regions
    reads = [("results", talk.read("results", samples))]
    reads += [(name, talk.read(name)) for name in memories]

    def judge(answers):
        for numbers, expected in learned:
            [words] = talk.words(answers, [(regions["registers"], numbers)])
            got = params.registers.decode(words.copy().view("<u4")[:, 0].tolist())
            assert got == {name: expected.get(name, value) for name, value in got.items()}
        last = [("registers", learned[-1][0]), *reads]
        _agree(params, talk.words(answers, [(regions[name], n) for name, n in last]), expected)

    return Scene(talk, judge)


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


def counts(params: Params) -> Scene:
    """Send good and bad frames in turns, then so many bad ones that 13 bits of their count move."""
    judged = _Judged(params)
    for _ in range(260):
        judged.send(_NOTHING)
        judged.ask(Verb.STATUS)
    samples = judged.regions["samples"]
    most = min(MAX_PAYLOAD, samples.depth)
    talk = judged.talk
    while judged.bad < 1 << 12:
        # While a long answer leaves, what comes is dropped and counted, even if it is good.
        judged.ask(Verb.READ, READ.pack(samples.index, 0, most))
        n = max(0, most // len(_NOTHING) - 8)
        talk.steps[-1] = ("ask", talk.steps[-1][1] + n * _NOTHING + talk.frame(Verb.STATUS))
        judged.bad += n + 1
        judged.ask(Verb.STATUS)
    return judged.scene()


def stops_each(params: Params, seed: int = 8) -> Scene:
    """Begin runs of every power of two of samples, and stop them.

    Each predicts sample after sample until then. Between them, and after them, nothing counts, and
    of what has been counted a clear leaves nothing.
    """
    talk = Talk(params)
    regions = params.regions
    x, labels = draw(params, RESULTS, seed)
    talk.steps.append(("samples", pack_samples(params, x, labels), 0))
    model = initial(params, seed)
    for layer in range(params.depth):
        words = weights_to_bytes(params.synapses(layer), model.weights[layer])
        talk.write(f"weights{layer}", 0, words)
    running, rests = [], []
    talk.set(clear=1)
    for bit in range(6, SAMPLE_BITS):
        talk.request(Verb.RUN, RUN.pack(0, 0, 1 << bit))
        running.append(talk.request(Verb.STATUS))
        talk.request(Verb.STOP)
        talk.wait()
        rests.append(talk.read("registers"))
    results = talk.read("results")
    rests.append(talk.read("registers"))
    talk.set(clear=1)
    rests += [talk.read("registers") for _ in range(2)]

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
        [kept] = talk.words(answers, [(regions["results"], results)])
        assert kept[:most, 0].tolist() == relaxation.prediction[:most].tolist()
        assert still == stopped[-1]
        assert cleared == nothing == still | dict.fromkeys(params.registers.counters.names, 0)

    return Scene(talk, judge)


def draw_data(params: Params, seed: int = 4, samples: int = 13, tests: int = 5) -> Dataset:
    """Draw a data set, small enough to be learned alone in a moment."""
    rng = np.random.default_rng(seed)
    parts = []
    for n in (samples, tests):
        parts.append(rng.integers(0, 256, (n, *params.network.image), np.uint8))
        parts.append(rng.integers(0, params.network.classes, n))
    return Dataset("drawn", *parts)


def trains_standalone(params: Params, **how) -> Scene:
    """Listen to a machine that trains from its flash, and read its network in the end.

    ``how`` is the data set drawn (:func:`draw_data`).
    """
    data, epochs = draw_data(params, **how), params.standalone.epochs
    golden = GoldenMachine(params)
    trainer = StandaloneTrainer(params, data, golden)
    trainer.run(epochs)
    talk = Talk(params)
    image = write_image(params, *image_of(params, data))
    talk.steps.append(("flash", b"\xff" * params.standalone.flash_base + image))
    for _ in range(2 * epochs):
        talk.steps.append(("hear",))
        talk.expected.append((Status.REPORT, 0))
    regions = params.regions
    state, wanted = golden.read_state(), {}
    for layer in range(params.depth):
        shape = params.synapses(layer)
        for name, to_bytes, values in (
            ("weights", weights_to_bytes, state.weights),
            ("latents", latents_to_bytes, state.latents),
        ):
            region = regions[f"{name}{layer}"]
            number = talk.request(Verb.READ, READ.pack(region.index, 0, region.depth))
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

    return Scene(talk, judge)


def _kept(params: Params, region: Region, rng):
    """Draw words of a region, only bits that are kept: the last memory may hold fewer."""
    bits = rng.random((region.depth, 8 * region.word_bytes)) < 0.5
    widths = [region.width]
    if region.part:
        widths = params.synapses(int(region.name.removeprefix("weights"))).part_widths
    for address, word in enumerate(bits):
        word[widths[address // region.part if region.part else 0] :] = False
    return bits_to_bytes(bits)


def _settings(params: Params, rng) -> list[dict[str, int]]:
    """Draw values of the registers that keep what is written to them, and their complements."""
    kept = [r for r in params.registers if r.writable and not r.command]
    sizes = {register.name: register.bits for register in kept}
    values = {name: int(rng.integers(1 << bits)) for name, bits in sizes.items()}
    return [values, {name: value ^ (1 << sizes[name]) - 1 for name, value in values.items()}]


def refuses(params: Params, seed: int = 3) -> Scene:
    """Send bad frames of every kind: each is answered and counted, and changes nothing."""
    talk = Talk(params)
    rng = np.random.default_rng(seed)
    regions = params.regions
    names = [name for name in regions.names if name.startswith(_STORED)]
    written = {}
    for name in names:
        words = _kept(params, regions[name], rng)
        talk.write(name, 0, words)
        written[name] = words
    before = [talk.read(name) for name in names]
    reads = [(regions[name], numbers) for name, numbers in zip(names, before, strict=True)]
    settings = _settings(params, rng)
    registers = []
    for values in settings:
        talk.set(**values)
        registers.append(talk.read("registers"))

    target = regions["weights0"]
    write = WRITE.pack(target.index, 0) + bytes(target.word_bytes)
    good = talk.frame(Verb.WRITE, write)
    body = cobs.decode(good[:-1])
    bad = 0

    talk.ask(cobs.encode(body[:-1] + bytes([body[-1] ^ 1])) + b"\0", Status.BAD_CRC)
    talk.ask(cobs.encode(body[:-1]) + b"\0", Status.BAD_CRC)  # truncated
    talk.ask(cobs.encode(body[:4]) + b"\0", Status.BAD_FRAME)
    talk.ask(b"\x05\x01\0", Status.BAD_FRAME, sequence=0)  # broken COBS
    too_much = HEADER.pack(VERSION, 77, Verb.WRITE) + write + bytes(MAX_PAYLOAD)
    too_much += CRC.compute(too_much).to_bytes(2, "little")
    talk.ask(cobs.encode(too_much) + b"\0", Status.OVERSIZE, sequence=77)
    bad += 5
    for bit in range(8):
        other = HEADER.pack(VERSION ^ 1 << bit, 78, Verb.WRITE) + write
        other += CRC.compute(other).to_bytes(2, "little")
        talk.ask(cobs.encode(other) + b"\0", Status.BAD_VERSION, sequence=78)
        bad += 1
    for unknown in (99, *(Verb.WRITE | 1 << bit for bit in range(4, 8))):
        talk.request(unknown, write, Status.UNKNOWN_VERB)
    talk.request(Verb.WRITE, write[:4], Status.BAD_LENGTH)
    if target.word_bytes > 1:
        talk.request(Verb.WRITE, write + b"\0", Status.BAD_LENGTH)
    talk.request(Verb.READ, b"\0\0\0", Status.BAD_LENGTH)
    region = target.index
    for each in regions:
        talk.request(Verb.READ, READ.pack(each.index, each.depth, 1), Status.OUT_OF_RANGE)
        talk.request(Verb.READ, READ.pack(each.index, each.depth - 1, 2), Status.OUT_OF_RANGE)
    for verb, payload in (
        (Verb.READ, READ.pack(len(regions), 0, 1)),
        (Verb.READ, READ.pack(region, target.depth, 1)),
        (Verb.READ, READ.pack(region, 0, target.depth + 1)),
        (Verb.READ, READ.pack(region, 1 << 31, 1)),
        (Verb.WRITE, WRITE.pack(region, target.depth) + bytes(target.word_bytes)),
        (Verb.WRITE, WRITE.pack(region, target.depth - 1) + bytes(2 * target.word_bytes)),
        (Verb.FILL, FILL.pack(region, 1, target.depth) + bytes(target.word_bytes)),
        (Verb.FILL, FILL.pack(region, 0, (1 << 32) - 1) + bytes(target.word_bytes)),
        (Verb.RUN, RUN.pack(0, 0, 0)),
    ):
        talk.request(verb, payload, Status.OUT_OF_RANGE)

    samples = regions["samples"]
    if samples.depth > MAX_PAYLOAD:
        talk.request(Verb.READ, READ.pack(samples.index, 0, MAX_PAYLOAD))
        too_long = READ.pack(samples.index, 0, MAX_PAYLOAD + 1)
        talk.request(Verb.READ, too_long, Status.OUT_OF_RANGE)

    # The host vanishes in the middle of a frame; when it is back it closes what was open.
    for cut in (1, 4, len(good) - 3):
        talk.steps.append(("send", good[:cut]))
        talk.silence()
        # Its sequence number is known only if enough came to tell it from the checksum.
        known = good[2] if cut > HEADER.size + CRC_BYTES else 0
        talk.ask(b"\0" + talk.frame(Verb.STATUS), Status.BAD_FRAME, sequence=known)
        talk.ask(b"", Status.OK)
        bad += 1

    # Zeros between frames are none.
    talk.ask(b"\0\0\0" + talk.frame(Verb.STATUS))

    after = [talk.read(name) for name in names]
    filled = regions["latents0"]
    [word] = _kept(params, filled._replace(depth=1), rng)
    middle = FILL.pack(filled.index, 1, filled.depth - 2)
    talk.request(Verb.FILL, middle + word.tobytes())
    behind = talk.read("latents0")
    good = sum(answer is not None for answer in talk.expected) - bad + 1  # with that of the status
    status = talk.request(Verb.STATUS)
    # While a run waits for a sample that does not come, or is far from its end, its memories are
    # its own.
    talk.request(Verb.RUN, RUN.pack(RunFlags.TRAIN, 0, (1 << 24) - 1))
    talk.request(Verb.WRITE, write, Status.BUSY)
    talk.request(Verb.READ, READ.pack(region, 0, 1), Status.BUSY)
    talk.request(Verb.RUN, RUN.pack(RunFlags.TRAIN, 0, 1), Status.BUSY)
    waiting = talk.request(Verb.STATUS)
    waits = [talk.read("registers") for _ in range(2)]
    frame = HEADER.size + CRC_BYTES + 2
    bits = 10 * (len(waits[1]) * (2 * frame + READ.size) + regions["registers"].n_bytes)

    def judge(answers):
        for name, first, second in zip(names, before, after, strict=True):
            assert [answers[i] for i in first] == [answers[i] for i in second], name
        for (name, words), kept in zip(written.items(), talk.words(answers, reads), strict=True):
            # Between the parts of a region there is nothing.
            there = [regions[name].holds(address) for address in range(len(words))]
            assert (kept[there] == words[there]).all(), name
        [kept] = talk.words(answers, [(filled, behind)])
        assert (kept[1:-1] == word).all()
        assert (kept[[0, -1]] == written["latents0"][[0, -1]]).all()
        for values, numbers in zip(settings, registers, strict=True):
            [kept] = talk.words(answers, [(regions["registers"], numbers)])
            got = params.registers.decode(kept.copy().view("<u4")[:, 0].tolist())
            assert values.items() <= got.items()
        busy, *counted = STATUS_ANSWER.unpack(answers[status])
        assert (busy, counted) == (0, [good, bad])
        assert STATUS_ANSWER.unpack(answers[waiting])[0] == 1
        # Each cycle counts for some stage, about as many as the second answer took to come.
        first, second = (
            sum(count for name, count in values.items() if name.startswith("cycles_"))
            for values in (
                params.registers.decode(kept.copy().view("<u4")[:, 0].tolist())
                for kept in talk.words(answers, [(regions["registers"], each) for each in waits])
            )
        )
        cycles = params.machine.uart_divisor * bits
        assert 0.8 * cycles < second - first < 1.3 * cycles

    return Scene(talk, judge)


def asks_bounds(params: Params, seed: int = 10) -> Scene:
    """Ask for what is just there and what just is not: lengths, regions, words, runs."""
    judged, rng = _Judged(params), np.random.default_rng(seed)
    stored = [r for r in judged.regions if r.name.startswith(_STORED)]
    for region in stored:
        fill = FILL.pack(region.index, 0, region.depth)
        judged.ask(Verb.FILL, fill + rng.bytes(region.word_bytes))

    # One bit of a frame is another, or its end is missing.
    for bit in range(8 * (HEADER.size + CRC_BYTES)):
        body = bytearray(cobs.decode(judged.talk.frame(Verb.STOP)[:-1]))
        body[bit // 8] ^= 1 << bit % 8
        judged.send(cobs.encode(body) + b"\0")
    for size in range(HEADER.size + CRC_BYTES):
        judged.send(cobs.encode(body[:size]) + b"\0")
    for verb in Verb:
        for bit in range(Verb.STATUS.bit_length(), 8):
            judged.ask(verb ^ 1 << bit)
    judged.ask(0)

    # Every length, the longest first: what a short one should not write is not written over. All
    # ask for word 1, or, of RUN, for flags and samples that there are.
    layouts = {Verb.READ: READ, Verb.WRITE: WRITE, Verb.FILL: FILL, Verb.RUN: RUN}
    for verb in Verb:
        for region in stored if verb in (Verb.WRITE, Verb.FILL) else stored[:1]:
            arguments = b""
            if verb in layouts:
                arguments = layouts[verb].pack(region.index, 1, *[1] * (verb != Verb.WRITE))
            least = 0 if region == stored[0] else len(arguments)
            for size in range(len(arguments) + 2 * region.word_bytes + 1, least - 1, -1):
                if verb != Verb.RUN or size != RUN.size:
                    judged.ask(verb, (arguments + rng.bytes(size))[:size])

    for index in [*range(17), *(stored[0].index | 1 << bit for bit in range(4, 8))]:
        judged.ask(Verb.READ, READ.pack(index, 0, 1))
        judged.ask(Verb.FILL, FILL.pack(index, 0, 0) + b"\0")
    for region in judged.regions:
        end, most = region.depth, MAX_PAYLOAD // region.word_bytes
        for at, count in ((end, 0), (0, 0), (end - 1, 1), (end, 1), (0, end + 1), (0, most + 1)):
            judged.ask(Verb.READ, READ.pack(region.index, at, count))
    # One bit of an address or a count is another than in one that there is.
    for bit in range(32):
        region = stored[bit % len(stored)]
        at = int(rng.integers(region.depth))
        count = int(rng.integers(1, min(4, region.depth - at) + 1))
        word, other = rng.bytes(region.word_bytes), 1 << bit
        judged.ask(Verb.READ, READ.pack(region.index, at ^ other, count))
        judged.ask(Verb.WRITE, WRITE.pack(region.index, at ^ other) + count * word)
        judged.ask(Verb.FILL, FILL.pack(region.index, at ^ other, count) + word)
        judged.ask(Verb.FILL, FILL.pack(region.index, at, count ^ other) + word)
        if bit < 16:
            judged.ask(Verb.READ, READ.pack(region.index, at, count ^ other))
        if bit >= 24:
            judged.ask(Verb.RUN, RUN.pack(0, other, 1))
            judged.ask(Verb.RUN, RUN.pack(0, 0, 1 | other))
    for flag in (8, 16, 32, 64, 128):
        judged.ask(Verb.RUN, RUN.pack(flag, 0, 1))
    judged.check()
    return judged.scene()


def asks_long(params: Params, seed: int = 12) -> Scene:
    """Send and fetch bytes whose zeros are about as far apart as pieces of a frame may be long."""
    judged, rng = _Judged(params), np.random.default_rng(seed)
    samples = judged.regions["samples"]
    # A checksum follows the bytes; before the last of them may be a zero, as far from the first.
    sizes = [(size, None) for piece in (254, 508) for size in range(piece - 4, piece + 2)]
    sizes += [(270, zero) for zero in (252, 253, 254, 255)]
    for size, zero in sizes:
        if size <= samples.depth:
            data = rng.integers(1, 256, size, np.uint8)
            if zero is not None:
                data[zero] = 0
            judged.ask(Verb.WRITE, WRITE.pack(samples.index, 0) + data.tobytes())
            judged.ask(Verb.READ, READ.pack(samples.index, 0, size))
    judged.ask(Verb.STATUS)
    return judged.scene()
