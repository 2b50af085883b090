"""Each engine's Verilog by itself against the golden model."""

import numpy as np
import pytest

from popflip.cocotb_tests.simulators import build, play
from popflip.cocotb_tests.units import UNITS, ChangedLayout
from popflip.golden.cycles.latencies import tree_latency
from popflip.golden.description.packing import (
    latents_from_bytes,
    latents_to_bytes,
    pack_samples,
    weights_from_bytes,
    weights_to_bytes,
)
from popflip.golden.description.params import Params
from popflip.golden.model import Model, State
from popflip.golden.plasticity import accumulate, contrast, flip
from popflip.rtl.layers.drive import ItemLayout
from popflip.rtl.layers.neurons import dots_layout
from popflip.rtl.layers.ports import JobLayout, Nudge
from popflip.rtl.verilog import convert

CONFIGS = {
    "local": Params.build({
        "network": {
            "image": [6, 5], "first": "local", "window": 3, "stride": 2, "features": 5,
            "classes": 3, "copies": 3,
        },
        "dynamics": {"gains": [90, 40]},
        "learning": {"tau": [2, 1], "beta": 3, "latent_bits": 4},
        "machine": {
            "row_lanes": 4, "neuron_lanes": 2, "relax_lanes": 4, "latent_lanes": [3, 3],
        },
    }),
    "serial": Params.build({
        "network": {
            "image": [6, 5], "thresholds": [60, 160], "first": "local", "window": 3, "stride": 1,
            "features": 2, "classes": 3, "copies": 3,
        },
        "dynamics": {"gains": [60, 40]},
        "learning": {"tau": [2, 1], "beta": 3, "latent_bits": 4},
        "machine": {
            "row_lanes": 18, "serial_windows": True, "relax_lanes": 4, "latent_lanes": [5, 3],
        },
    }),
    "pool": Params.build({
        "network": {
            "image": [6, 5], "first": "local", "window": 3, "stride": 2, "features": 5,
            "classes": 3, "copies": 3, "pool": [2, 3],
        },
        "dynamics": {"gains": [90, 40]},
        "learning": {"tau": [2, 1], "beta": 3, "latent_bits": 4},
        "machine": {
            "row_lanes": 4, "neuron_lanes": 2, "pool_lanes": 3, "relax_lanes": 4,
            "latent_lanes": [3, 3],
        },
    }),
    "dense-sign": Params.build({
        "network": {"image": [5, 5], "thresholds": [60, 160], "hidden": [11], "classes": 4},
        "dynamics": {"gains": [30, 40], "code": "sign"},
        "learning": {"tau": [2, 2], "beta": 3, "reset_on_flip": True},
        "machine": {
            "row_lanes": 21, "neuron_lanes": 3, "relax_lanes": 3, "latent_lanes": [8, 2],
        },
    }),
}  # fmt: skip

# Verilator takes seconds for each design; whole machines run in it among the fast tests.
pytestmark = pytest.mark.parametrize(
    ("simulator", "params"),
    [
        pytest.param("icarus", CONFIGS["local"], id="icarus-local"),
        pytest.param("icarus", CONFIGS["serial"], id="icarus-serial"),
        pytest.param("icarus", CONFIGS["pool"], id="icarus-pool"),
        pytest.param("icarus", CONFIGS["dense-sign"], id="icarus-dense-sign"),
        *(
            pytest.param("verilator", CONFIGS[name], id=f"verilator-{name}", marks=pytest.mark.slow)
            for name in ("local", "dense-sign")
        ),
    ],
)


class Script:
    """Inputs cycle by cycle, and what they bring."""

    def __init__(self, name, params, *outputs, shape=None):
        self.name, self.params, self.outputs, self.shape = name, params, outputs, shape
        self.cycles = [{}]

    def cycle(self, wait=0, **inputs):
        """Drive inputs for one cycle, then 0, for ``wait`` more; return the cycle's number."""
        self.cycles[-1].update(inputs)
        self.cycles.append(dict.fromkeys(inputs, 0))
        self.hold(wait)
        return len(self.cycles) - 2 - wait

    def set(self, **inputs):
        """Drive inputs from this cycle on."""
        self.cycles[-1].update(inputs)

    def hold(self, cycles):
        """Let cycles pass; return the number of the next."""
        self.cycles += [{} for _ in range(cycles)]
        return len(self.cycles) - 1

    def write(self, port, words):
        bits = self.shape.part_bits if port.startswith("weight") else 32
        for place, word in enumerate(words):
            bank, address = divmod(place, 1 << bits)
            self.cycle(**{
                f"{port}_en": 1 << bank,
                f"{port}_address": address,
                f"{port}_data": number(word) << bank * self.shape.word_bits,
            })

    def read(self, port, depth):
        """Read a memory; return the number of the cycle that its first word is there in."""
        first = len(self.cycles)
        banks = self.shape.banks if port.startswith("weight") else 1
        for address in range(depth):
            self.cycle(**{f"{port}_en": (1 << banks) - 1, f"{port}_address": address})
        return first

    def play(self, simulator):
        """Return each output's values, cycle by cycle."""
        name = f"{self.name}_unit"  # `output` is a word that Verilog keeps for itself
        design = build(simulator, name, convert(UNITS[self.name](self.params), name))
        rows = play(design, "tb_unit", [self.outputs, *self.cycles])
        return {name: [row[i] for row in rows] for i, name in enumerate(self.outputs)}


def number(word):
    return int.from_bytes(bytes(word), "little")


def to_bytes(values, size):
    return np.array([list(value.to_bytes(size, "little")) for value in values], np.uint8)


def bits_of(value, n):
    return np.array([value >> i & 1 for i in range(n)], bool)


def number_of(bits):
    return sum(1 << i for i, bit in enumerate(bits) if bit)


def pack(layout, **values):
    return sum(
        (int(value) & (1 << layout[name].width) - 1) << layout[name].offset
        for name, value in values.items()
    )


def field(layout, value, name):
    return value >> layout[name].offset & (1 << layout[name].width) - 1


def signed(value, width):
    return value - (value >> (width - 1) << width)


def test_popcount(simulator, params):
    rng = np.random.default_rng(1)
    script = Script("popcount", params, "o")
    words, counts, shown = rng.random((60, params.fan_in)) < 0.6, [], []
    for word in words:
        script.cycle(i=number_of(word), en=1)
        if rng.random() < 0.3:  # the pipeline holds
            script.hold(3)
        shown.append(script.hold(0))
    counts = script.play(simulator)["o"]
    latency = tree_latency(params.fan_in)
    for i in range(len(words) - latency):
        assert counts[shown[i + latency - 1]] == words[i].sum(), f"word {i}"


def test_sample(simulator, params):
    rng = np.random.default_rng(2)
    x = rng.random((3, params.n_in)) < 0.5
    labels = rng.integers(0, params.network.classes, 3)
    chunks, first = params.synapses(0).chunks, params.first_layer
    script, seen = Script("sample", params, "x", "ready", "full", "label"), []
    script.set(en=1)
    for sample, packed in enumerate(pack_samples(params, x, labels)):
        for byte in packed:
            script.cycle(i_valid=1, i_payload=int(byte))
        script.cycle(restart=1, wait=first.load_rows)
        for position in range(params.positions):
            for look in range(params.looks):
                for chunk in range(chunks):
                    if chunks > 1:  # else the port has no bits
                        script.set(chunk=chunk)
                    seen.append((sample, position, look, chunk, script.hold(1)))
                script.cycle(next=1, wait=max(first.step_rows, first.load_rows))
        script.cycle(drop=1)
    got = script.play(simulator)
    windows, lanes = x[:, first.pooled_windows], params.machine.row_lanes
    down, across = first.moves_inside
    for sample, position, look, chunk, cycle in seen:
        assert got["ready"][cycle] == got["full"][cycle] == 1
        assert got["label"][cycle] == labels[sample]
        line, column = divmod(position, first.grid[1])
        for lane in range(params.machine.pool_lanes):
            offset = look * params.machine.pool_lanes + lane
            moves = divmod(offset, first.pool[1])
            if moves[0] not in down[line] or moves[1] not in across[column]:
                continue  # outside of the image
            expected = windows[sample, offset, position, chunk * lanes : (chunk + 1) * lanes]
            shown = got["x"][cycle] >> lane * lanes & (1 << lanes) - 1
            assert shown == number_of(expected), (sample, position, offset, chunk)


def test_drive(simulator, params):
    rng = np.random.default_rng(3)
    x = rng.random((3, params.n_in)) < 0.4
    labels = rng.integers(0, params.network.classes, 3)
    model, shape, layout = Model.initial(params, 4), params.synapses(0), ItemLayout(params)
    script = Script("drive", params, "item", "item_valid", "idle", shape=shape)
    script.write("weight_write", weights_to_bytes(shape, model.weights[0]))
    begins = []
    for packed in pack_samples(params, x, labels):
        for byte in packed:
            script.cycle(i_valid=1, i_payload=int(byte))
        script.hold(2)
        begins.append(script.cycle(start=1, wait=60 + 2 * params.looks * shape.rows * shape.chunks))
        script.cycle(drop=1, wait=2)
    got = script.play(simulator)
    reach = params.feedback_gain(1) * params.active_bounds[0]
    drives, offsets = model.look(x)
    for drive, offset, begin, end in zip(drives, offsets, begins, [*begins[1:], None], strict=True):
        undecided, active = (drive >= -reach) & (drive < reach), drive >= 0
        there = undecided | active | (params.dynamics.code == "sign")
        valid = np.array(got["item_valid"][begin:end], bool)
        items = np.array(got["item"][begin:end], object)[valid]
        rows = np.flatnonzero(there)
        assert [field(layout, item, "row") for item in items] == list(rows)
        assert [field(layout, item, "bank") for item in items] == [shape.bank(r) for r in rows]
        assert [field(layout, item, "row_group") for item in items] == [shape.slot(r) for r in rows]
        assert [field(layout, item, "active") for item in items] == list(active[rows])
        assert [field(layout, item, "undecided") for item in items] == list(undecided[rows])
        width = layout["margin"].width
        margins = [signed(field(layout, item, "margin"), width) for item in items]
        assert margins == list(drive[rows])
        if not params.first_layer.pooled:
            continue
        place = layout["offset"].shape
        for item, row in zip(items, rows, strict=True):
            # Of windows that are moved back inside, the same one has several offsets.
            found = field(layout, item, "offset")
            moved = [field(place, found, name) for name in ("down", "across")]
            number = moved[0] * params.first_layer.pool[1] + moved[1]
            seen, wanted = (params.first_layer.input_bits(row, o) for o in (number, offset[row]))
            assert np.array_equal(seen, wanted), row


def test_relax(simulator, params):
    rng = np.random.default_rng(5)
    model, shape, code = Model.initial(params, 6), params.synapses(1), params.dynamics.code
    n, n_upper = params.sizes[1:3]
    item, job, changed = ItemLayout(params), JobLayout(shape), ChangedLayout(params)
    [margin] = model.drive(rng.random((1, params.n_in)) < 0.4)
    a = margin >= 0
    listed = a | (rng.random(n) < 0.7) | (code == "sign")
    undecided = listed & (rng.random(n) < 0.8)
    uppers = rng.random((2, n_upper)) < 0.5
    signs = np.where(model.weights[1], 1, -1)

    script = Script(
        "relax", params, "dots", "toggled", "idle", "job_valid", "job_payload",
        "changed_valid", "changed_payload", shape=shape,
    )  # fmt: skip
    script.write("weight_write", weights_to_bytes(shape, model.weights[1]))
    script.set(job_ready=1, changed_ready=1)
    script.cycle(clear=1)
    for row in np.flatnonzero(listed):
        payload = pack(item, row=row, margin=margin[row], undecided=undecided[row], active=a[row])
        script.cycle(item_valid=1, item=payload)
    wait = 2 * n * shape.chunks + 40
    marks, states = [script.hold(wait)], [a]
    for number_, upper in enumerate(uppers):
        script.set(upper=number_of(upper), upper_active=int(upper.sum()), first_state=number_ == 0)
        script.cycle(visit=1, wait=wait)
        marks.append(script.hold(0))
        feedback = params.feedback_gain(1) * (signs @ model.value(upper))
        states.append(np.where(undecided, margin + feedback >= 0, states[-1]))
    script.set(learning=1, upper_first=number_of(uppers[0]))
    script.cycle(scan=1, wait=wait)
    got = script.play(simulator)

    _, plus, minus = states
    assert (plus != minus).any()
    size = dots_layout(params, 2).elem_shape.width
    before = a
    for mark, state, upto in zip(marks, states, [0, *marks], strict=False):
        assert got["idle"][mark] == 1
        dots = [
            signed(got["dots"][mark] >> size * i & (1 << size) - 1, size) for i in range(n_upper)
        ]
        assert dots == (model.value(state) @ signs).tolist()
        assert sum(got["toggled"][upto:mark]) == (state != before).sum()
        before = state
    learned = slice(marks[-1], None)
    rows = np.concatenate([np.flatnonzero(undecided), np.flatnonzero(listed & ~undecided)])
    rows = rows[(plus | minus | (code == "sign"))[rows]]
    jobs = [p for p, v in zip(got["job_payload"], got["job_valid"], strict=True) if v]
    assert [field(job, value, "row") for value in jobs] == list(rows)
    assert [field(job, value, "plus") for value in jobs] == list(plus[rows])
    assert [field(job, value, "minus") for value in jobs] == list(minus[rows])
    differ = rows[(plus != minus)[rows]]
    moved = [
        payload
        for payload, valid in zip(got["changed_payload"], got["changed_valid"], strict=True)
        if valid
    ]
    place = changed["place"].shape
    assert [field(place, field(changed, m, "place"), "row") for m in moved] == list(differ)
    assert [field(changed, m, "up") for m in moved] == list(plus[differ])
    assert sum(v for v in got["job_valid"][learned]) == len(rows)


def test_output(simulator, params):
    rng = np.random.default_rng(7)
    model, depth, beta = Model.initial(params, 8), params.depth, params.learning.beta
    layout, n = dots_layout(params, depth), params.n_out
    width, v_max = params.dynamics.potential_bits + 1, params.dynamics.v_max
    script = Script("output", params, "v_class", "last", "active", "idle", "prediction", "done")
    script.cycle(clear=1)
    state, expected = model.start(1), []
    wait = params.synapses(depth - 1).chunks + 8
    for step in range(30):
        a = rng.random((1, params.sizes[depth - 1])) < 0.4
        dots = model._below(depth, [a], None)[0] // params.dynamics.gains[-1]
        kind, label = list(Nudge)[step % 3], int(rng.integers(params.network.classes))
        goal = np.where(np.arange(n) // params.network.copies == label, v_max, 0)
        sign = {Nudge.NONE: 0, Nudge.PLUS: 1, Nudge.MINUS: -1}[kind]
        state = State([a, state.a[-1]], state.v)
        v = model._output(state, lambda v, s=sign, g=goal: s * beta * (g - v))
        state = State([a, v >= v_max // 2], v)
        size = layout.elem_shape.width
        payload = sum((int(dot) & (1 << size) - 1) << size * i for i, dot in enumerate(dots))
        script.set(dots=payload, nudge=kind.value, label=label)
        script.cycle(update=1, wait=wait)
        shown = script.cycle(save=1, wait=params.network.classes + 4) + 1
        votes = v.reshape(params.network.classes, -1).sum(-1)
        expected.append((script.hold(0), shown, v[0].tolist(), state.a[-1][0], votes.argmax()))
    got = script.play(simulator)
    for cycle, shown, v, active, prediction in expected:
        classes = got["v_class"][shown : shown + params.network.classes]
        each = range(params.network.copies)
        assert [c >> width * i & (1 << width) - 1 for c in classes for i in each] == v
        assert got["last"][cycle] == number_of(active)
        assert got["active"][cycle] == active.sum()
        assert got["idle"][cycle] == got["done"][cycle] == 1
        assert got["prediction"][cycle] == prediction
    assert len({str(v) for _, _, v, _, _ in expected}) > 20


def test_update(simulator, params):
    rng = np.random.default_rng(9)
    shape, code, tau = params.synapses(0), params.dynamics.code, params.learning.tau[0]
    reset = params.learning.reset_on_flip
    size = shape.rows, shape.row_bits
    weights = rng.random(size) < 0.5
    latents = rng.integers(1 - tau, tau, size, np.int16)
    job = JobLayout(shape)
    script = Script(
        "update", params, "busy", "flips", "weight_read_data", "latent_read_data",
        shape=shape,
    )  # fmt: skip
    script.set(load=1, tau=tau, reset_on_flip=reset)
    script.write("weight_write", weights_to_bytes(shape, weights))
    script.write("latent_write", latents_to_bytes(shape, latents))
    script.set(load=0)
    work, flips = shape.chunks * shape.steps, 0
    for immediate in (1, 0, 1):
        script.set(immediate=immediate)
        for row in rng.permutation(shape.rows)[: shape.rows // 2 + 1]:
            plus, minus = rng.random(2) < 0.5
            bits = rng.random((2, shape.row_bits)) < 0.5
            payload = pack(
                job,
                row=row,
                row_group=shape.slot(row),
                bank=shape.bank(row),
                plus=plus,
                minus=minus,
            )
            script.set(plus_row=number_of(bits[0]), minus_row=number_of(bits[1]))
            script.cycle(job_valid=1, job_payload=payload, wait=work + 8)
            c = contrast(code, plus, bits[0], minus, bits[1])
            latents[row] = accumulate(latents[row], c, params.learning.latent_max)
            if immediate:
                weights[row], latents[row], count = flip(weights[row], latents[row], tau, reset)
                flips += count
        if not immediate:
            script.cycle(flush=1, wait=shape.rows * work + 12)
            weights, latents, count = flip(weights, latents, tau, reset)
            flips += count
    script.set(load=1)
    first = {
        "weight_read": script.read("weight_read", shape.weight_depth),
        "latent_read": script.read("latent_read", shape.latent_depth),
    }
    got = script.play(simulator)
    assert sum(got["flips"]) == flips > 0

    def words(port, depth, width):
        values = got[f"{port}_data"][first[port] : first[port] + depth]
        return to_bytes(values, -(-width // 8))

    start = first["weight_read"]
    read = np.zeros_like(weights_to_bytes(shape, weights))
    for bank in range(shape.banks):
        here = [
            word >> bank * shape.word_bits & (1 << shape.word_bits) - 1
            for word in got["weight_read_data"][start : start + shape.weight_depth]
        ]
        place = bank << shape.part_bits
        read[place : place + len(here)] = to_bytes(here, read.shape[1])
    assert np.array_equal(weights_from_bytes(shape, read), weights)
    read = words("latent_read", shape.latent_depth, shape.latent_lanes * shape.latent_bits)
    assert np.array_equal(latents_from_bytes(shape, read), latents)
