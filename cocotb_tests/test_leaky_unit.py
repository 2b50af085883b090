"""The Verilog of a leaky engine by itself against the golden model's steps."""

import numpy as np
import pytest

from popflip.cocotb_tests.test_units import CONFIGS, Script, field, number_of, signed
from popflip.cocotb_tests.units import ChangedLayout
from popflip.golden.description.packing import weights_to_bytes
from popflip.golden.model import Model
from popflip.rtl.layers.drive import MarginSignature
from popflip.rtl.layers.neurons import dots_layout
from popflip.rtl.layers.ports import JobLayout, Nudge

SLOW = pytest.mark.slow


def write_margins(script, params, margins):
    """Write what each neuron receives from the input, a group at a time."""
    shape = params.synapses(0)
    layout = MarginSignature(params).members["margins"].shape
    width, rows = layout.elem_shape.width, np.arange(params.sizes[1])
    for slot in range(shape.slots):
        word = 0
        for row in rows[shape.slot(rows) == slot]:
            word |= (int(margins[row]) & (1 << width) - 1) << width * int(shape.bank(row))
        script.cycle(drive_en=1, drive_index=slot, drive_margins=word)


@pytest.mark.parametrize(
    ("simulator", "name"),
    [
        ("icarus", "local"),
        ("icarus", "dense-sign"),
        pytest.param("verilator", "local", marks=SLOW),
        pytest.param("verilator", "dense-sign", marks=SLOW),
    ],
)
def test_leaky(simulator, name):
    params = CONFIGS[name].replace(dynamics={"kind": "leaky"})
    p, shape, rng = params.dynamics, params.synapses(1), np.random.default_rng(9)
    n, n_upper = params.sizes[1:3]
    model = Model.initial(params, 6)
    signs = np.where(model.weights[1], 1, -1)
    below = model.drive(rng.random((1, params.n_in)) < 0.4)[0] + p.hidden_threshold
    uppers = rng.random((7, n_upper)) < 0.5

    script = Script(
        "leaky", params, "dots", "toggled", "idle", "job_valid", "job_payload",
        "changed_valid", "changed_payload", shape=shape,
    )  # fmt: skip
    script.write("weight_write", weights_to_bytes(shape, model.weights[1]))
    script.set(job_ready=1, changed_ready=1, first_state=1)
    write_margins(script, params, below)
    script.cycle(clear=1)
    wait = 2 * n * shape.chunks + 40
    s, a = np.full(n, p.v_max), np.ones(n, bool)
    marks, wanted, states = [script.hold(2)], [], {}
    for step, upper in enumerate(uppers):
        if step == 3:
            states["free"] = s, a
            script.cycle(save=1)
            script.set(nudge=Nudge.PLUS.value)
        if step == 5:
            states["plus"] = s, a
            script.cycle(restore=1)
            script.set(nudge=Nudge.MINUS.value, first_state=0)
            s, a = states["free"]
        script.set(upper=number_of(upper), upper_active=int(upper.sum()))
        script.cycle(visit=1, wait=wait)
        marks.append(script.hold(0))
        feedback = params.feedback_gain(1) * (signs @ model.value(upper))
        moved = np.clip((s + below + feedback) >> 1, 0, p.v_max)
        wanted.append(((model.value(a) @ signs).tolist(), bool((moved != s).any())))
        s, a = moved, moved >= p.output_threshold
    plus, minus = states["plus"][1], a
    script.set(upper_first=number_of(uppers[4]))
    script.cycle(scan=1, wait=wait)
    got = script.play(simulator)

    size = dots_layout(params, 2).elem_shape.width
    for before, mark, (dots, moved) in zip(marks, marks[1:], wanted, strict=False):
        assert got["idle"][mark] == 1
        assert dots == [
            signed(got["dots"][mark] >> size * i & (1 << size) - 1, size) for i in range(n_upper)
        ]
        assert any(got["toggled"][before:mark]) == moved
    differs = plus != minus
    assert (uppers[4] != uppers[6]).any()
    rows = np.flatnonzero(differs | plus | minus | (p.code == "sign"))
    job, changed = JobLayout(shape), ChangedLayout(params)
    jobs = [v for v, valid in zip(got["job_payload"], got["job_valid"], strict=True) if valid]
    assert [field(job, value, "row") for value in jobs] == rows.tolist()
    assert [field(job, value, "bank") for value in jobs] == shape.bank(rows).tolist()
    assert [field(job, value, "row_group") for value in jobs] == shape.slot(rows).tolist()
    assert [field(job, value, "plus") for value in jobs] == plus[rows].tolist()
    assert [field(job, value, "minus") for value in jobs] == minus[rows].tolist()
    told = zip(got["changed_payload"], got["changed_valid"], strict=True)
    ups = [field(changed, value, "up") for value, valid in told if valid]
    assert ups == plus[differs].tolist()
    assert differs.any()
