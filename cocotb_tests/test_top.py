"""The whole machine's Verilog, through the pins of its serial line."""

import numpy as np
import pytest
from cobs import cobs

from popflip.boards.alone import decode
from popflip.cocotb_tests.cosim import (
    build_design,
    differences,
    initial,
    train_golden,
)
from popflip.cocotb_tests.simulators import SIMULATORS
from popflip.cocotb_tests.talk import Talk
from popflip.golden.alone import AloneTrainer, image_of
from popflip.golden.data import Dataset
from popflip.golden.image import write_image
from popflip.golden.packing import latents_to_bytes, memory_map, weights_to_bytes
from popflip.golden.params import Params
from popflip.golden.protocol import (
    CRC,
    CRC_BYTES,
    FILL,
    HEADER,
    IDENTIFY_ANSWER,
    MAX_PAYLOAD,
    READ,
    RUN,
    STATUS_ANSWER,
    VERSION,
    WRITE,
    RunFlags,
    Status,
    Verb,
)
from popflip.golden.registers import AloneState
from popflip.golden.trainer import GoldenMachine
from popflip.rtl.top import identity

# As small as can be: a byte takes 40 cycles.
PARAMS = Params.build({
    "network": {"image": [4, 4], "hidden": [7], "classes": 3},
    "dynamics": {"gains": [60, 90]},
    "learning": {"tau": [2, 1], "beta": 3, "latent_bits": 4},
    "machine": {
        "row_lanes": 9, "neuron_lanes": 2, "relax_lanes": 2, "latent_lanes": [5, 2],
        "uart_divisor": 4, "sample_slots": 6,
    },
})  # fmt: skip
REGIONS = {region.name: region for region in memory_map(PARAMS)}

pytestmark = pytest.mark.parametrize("simulator", SIMULATORS)


def test_trains_over_its_pins(simulator):
    rng = np.random.default_rng(1)
    n = PARAMS.machine.sample_slots
    x, labels = rng.random((n, PARAMS.n_in)) < 0.5, rng.integers(0, 3, n)
    model = initial(PARAMS, 2)
    talk = Talk(PARAMS)
    identify = talk.request(Verb.IDENTIFY)
    reads = talk.train(model, x, labels)
    answers = talk.play(build_design(PARAMS, simulator, "top"))
    assert answers[identify] == IDENTIFY_ANSWER.pack(identity(PARAMS), MAX_PAYLOAD)
    expected = train_golden(model, x, labels)
    assert differences(PARAMS, talk.words(answers, reads), expected) == []
    assert expected["changed"] > 0
    assert expected["flips0"] > 0
    assert expected["flips1"] > 0


def test_trains_alone_from_its_flash(simulator):
    params = PARAMS.replace(
        network={"first": "local", "window": 3, "stride": 1, "features": 2, "hidden": []},
        learning={"shift": 1, "batch": 2},
        machine={"row_lanes": 9, "relax_lanes": 3, "latent_lanes": [3, 3]},
        alone={"flash": "quad", "order_bits": 4, "epochs": 2, "flash_base": 8192},
    )
    rng = np.random.default_rng(4)
    parts = []
    for n in (13, 5):
        parts += [rng.integers(0, 256, (n, 4, 4), np.uint8), rng.integers(0, 3, n)]
    data = Dataset("drawn", *parts)
    golden = GoldenMachine(params)
    trainer = AloneTrainer(params, data, golden)
    trainer.run(2)

    talk = Talk(params)
    image = write_image(params, *image_of(params, data))
    talk.steps.append(("flash", b"\xff" * params.alone.flash_base + image))
    for _ in range(4):
        talk.steps.append(("hear",))
        talk.expected.append((Status.REPORT, 0))
    regions = {region.name: region for region in memory_map(params)}
    state = golden.read_state()
    wanted = {}
    for layer in range(params.depth):
        shape = params.synapses(layer)
        for name, to_bytes, values in (
            ("weights", weights_to_bytes, state.weights),
            ("latents", latents_to_bytes, state.latents),
        ):
            region = regions[f"{name}{layer}"]
            number = talk.request(Verb.READ, READ.pack(region.index, 0, region.depth))
            wanted[number] = to_bytes(shape, values[layer]).tobytes()
    answers = talk.play(build_design(params, simulator, "top"))
    for number, payload in wanted.items():
        assert answers[number] == payload
    reports = [decode(params, payload) for payload in answers[:4]]
    for trained, tested, log in zip(reports[::2], reports[1::2], trainer.history, strict=True):
        assert (trained.state, tested.state) == (AloneState.TRAINING, AloneState.TESTING)
        assert round(trained.report.error, 4) == log.train_error
        assert round(tested.report.error, 4) == log.test_error
        assert trained.report.flips == log.flips
    assert sum(trainer.history[0].flips) > 0


def test_bad_frames_change_nothing(simulator):
    talk = Talk(PARAMS)
    rng = np.random.default_rng(3)
    names = [name for name in REGIONS if name.startswith(("weights", "latents", "samples"))]
    for name in names:
        # Only bits that are kept: the top of a word's last byte may be beyond its width.
        region = REGIONS[name]
        words = rng.integers(0, 256, (region.depth, region.word_bytes), np.uint8)
        words[:, -1] &= 0xFF >> -region.width % 8
        talk.write(name, 0, words)
    before = [talk.read(name) for name in names]

    target = REGIONS["weights0"]
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
    other = HEADER.pack(VERSION + 1, 78, Verb.WRITE) + write
    other += CRC.compute(other).to_bytes(2, "little")
    talk.ask(cobs.encode(other) + b"\0", Status.BAD_VERSION, sequence=78)
    bad += 6
    talk.request(99, write, Status.UNKNOWN_VERB)
    talk.request(Verb.WRITE, write + b"\0" * (target.word_bytes > 1), Status.BAD_LENGTH)
    talk.request(Verb.READ, b"\0\0\0", Status.BAD_LENGTH)
    region = target.index
    for verb, payload in (
        (Verb.READ, READ.pack(len(REGIONS), 0, 1)),
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

    # The host vanishes in the middle of a frame; when it is back it closes what was open.
    for cut in (1, 4, len(good) - 3):
        talk.steps.append(("send", good[:cut]))
        talk.silence()
        # Its sequence number is known only if enough came to tell it from the checksum.
        known = good[2] if cut > HEADER.size + CRC_BYTES else 0
        talk.ask(b"\0" + talk.frame(Verb.STATUS), Status.BAD_FRAME, sequence=known)
        talk.ask(b"", Status.OK)
        bad += 1

    after = [talk.read(name) for name in names]
    status = talk.request(Verb.STATUS)
    # While a run waits for a sample that does not come, its memories are its own.
    talk.request(Verb.RUN, RUN.pack(RunFlags.TRAIN, 0, 1))
    talk.request(Verb.WRITE, write, Status.BUSY)
    talk.request(Verb.READ, READ.pack(region, 0, 1), Status.BUSY)
    talk.request(Verb.RUN, RUN.pack(RunFlags.TRAIN, 0, 1), Status.BUSY)
    waiting = talk.request(Verb.STATUS)

    answers = talk.play(build_design(PARAMS, simulator, "top"))
    for name, first, second in zip(names, before, after, strict=True):
        assert [answers[i] for i in first] == [answers[i] for i in second], name
    busy, _, counted = STATUS_ANSWER.unpack(answers[status])
    assert (busy, counted) == (0, bad)
    assert STATUS_ANSWER.unpack(answers[waiting])[0] == 1
