"""The rows: complete, and with the paper's numbers. None of it needs PyTorch."""

from dataclasses import replace

import pytest

from popflip.golden.paper.integer import integer_params
from popflip.golden.paper.systems import ROWS, Conv, Dense, find_row


def test_every_system_of_the_paper_is_there():
    real = {
        f"{net}-{how}"
        for net in ("fc1", "fc2", "conv", "cifar")
        for how in ("float", "binary", "learned", "bptt")
    }
    binary = {f"full-{net}{how}" for net in ("fc1", "fc2", "conv") for how in ("", "-learned")}
    variants = ("doubled", "held", "integer", "integer-centered", "integer-held", "integer-doubled")
    ours = {f"full-fc1-{how}" for how in variants}
    assert {name for name, row in ROWS.items() if row.size == "full"} == real | binary | ours
    assert all(name == row.name for name, row in ROWS.items())


def test_every_claim_has_a_small_row():
    real = {
        f"{net}-{how}"
        for net in ("fc1-small", "fc2-small", "conv-small", "conv-medium", "cifar-small")
        for how in ("float", "binary", "learned")
    }
    binary = {
        f"full-{net}-small{how}" for net in ("fc1", "fc2", "conv") for how in ("", "-learned")
    }
    ours = {f"full-fc1-small-{how}" for how in ("doubled", "held")}
    assert {name for name, row in ROWS.items() if row.size == "small"} == real | binary | ours


def test_small_rows_say_what_they_change():
    for row in ROWS.values():
        assert bool(row.changed) == (row.size == "small")
    assert ROWS["fc2-small-learned"].changed == (
        "784-512-512-10 for 784-4096-4096-10; T 50 for 250: to save time; "
        "20 epochs for 50: to end within hours"
    )
    # Nothing else: but for the rates of real weights, which the paper does not give.
    said = {
        "layers", "copies", "free_steps", "nudged_steps", "epochs", "weight_lr", "alpha_factors",
        "tau", "bias_lr",
    }  # fmt: skip
    for name, row in ROWS.items():
        if row.size == "small":
            full = ROWS[name.replace("-small", "").replace("-medium", "")].describe()
            changed = {key for key, value in row.describe().items() if value != full[key]}
            assert changed <= said


@pytest.mark.parametrize(
    ("name", "network", "pooled"),
    [
        ("fc1-binary", "784-4096-10", []),
        ("fc2-binary", "784-4096-4096-10", []),
        ("conv-binary", "conv 1-32-64-10", [14, 7]),
        ("cifar-binary", "conv 3-64-128-256-256-10", [16, 8, 4, 2]),
        ("full-fc1", "784-8192-100", []),
        ("full-fc2", "784-8192-8192-6000", []),
        ("full-conv", "conv 1-256-512-700", [8, 2]),
        ("full-conv-small", "conv 1-32-64-200", [8, 2]),
    ],
)
def test_shapes(name, network, pooled):
    row = ROWS[name]
    assert row.network == network
    assert [shape[1] for shape in row.shapes[1:] if len(shape) == 3] == pooled
    assert row.shapes[-1] == (10 * row.copies,)


def test_tables_that_go_from_output_to_input_are_turned_round():
    assert ROWS["fc1-binary"].gamma == (1e-4, 1e-5)
    assert ROWS["fc2-binary"].bias_lr == (0.1, 0.05, 0.025)
    assert ROWS["cifar-learned"].alpha_lr == (1e-2, 1e-2, 1e-2, 1e-2, 1e-4)
    assert ROWS["full-fc1"].tau == (2e-7, 2.5e-7)
    assert ROWS["full-conv"].tau == (2e-7, 8e-8, 8e-8)
    assert ROWS["full-conv-learned"].alpha_lr == (1e-3, 1e-3, 1e-5)


def test_references_are_the_same_kind_of_network_with_real_weights():
    for row in ROWS.values():
        if row.reference:
            reference = ROWS[row.reference]
            assert reference.weights == "real"
            assert (reference.data, reference.convolutional) == (row.data, row.convolutional)
            assert reference.size == row.size
            assert len(reference.layers) == len(row.layers)
        assert bool(row.claim) == bool(row.reference)


def test_a_value_for_each_layer():
    message = "tau must have 2 entries, not 3"
    with pytest.raises(ValueError, match=f"^{message}$"):
        replace(ROWS["fc1-binary"], tau=(1.0, 2.0, 3.0))


def test_no_bptt_with_learned_scaling():
    message = "alpha_lr must be empty for method bptt"
    with pytest.raises(ValueError, match=f"^{message}$"):
        replace(ROWS["fc1-learned"], method="bptt")


def test_unknown_rows_are_refused():
    with pytest.raises(ValueError, match=r"^row must be one of fc1-float, .*, not 'fc3'$"):
        find_row("fc3")
    assert find_row("conv-bptt") is ROWS["conv-bptt"]


def test_the_integer_row_has_the_thresholds_and_scales_of_the_paper():
    params = integer_params(ROWS["full-fc1-integer"])
    assert params.sizes == (784, 8192, 100)
    assert params.dynamics.kind == "leaky"
    # 16 and 12.8 contrasts; the latter of pixels, white being 255.
    assert params.learning.tau == (round(12.8 * 255), 16)
    v_max = params.dynamics.v_max
    both = integer_params(ROWS["full-fc1-integer-centered"])
    assert both.learning.tau == (2 * params.learning.tau[0], 32)
    assert both.learning.nudging == "centered"
    below, above = params.dynamics.gains
    assert below / 256 / v_max == pytest.approx(0.0179 / 255, rel=2e-3)
    assert above / v_max == pytest.approx(0.0055, rel=2e-3)
    assert integer_params(ROWS["full-fc1-integer-held"]).learning.hold_nudge
    doubled = integer_params(ROWS["full-fc1-integer-doubled"]).dynamics.gains
    assert doubled[0] / below == pytest.approx(2, rel=1e-2)
    assert doubled[1] == above


def test_a_row_says_what_decides_its_results():
    row = ROWS["full-fc2-small-learned"]
    assert "scaling factors times 4, 1 and 2, tau times 8, 20 and 50: its second" in row.changed
    assert "tau times 8, 20 and 50: " in row.changed
    assert row.method_name == "binary weights and activations, raised and learned scaling, EP"
    doubled = ROWS["full-fc1-small-doubled"]
    assert doubled.method_name == "binary weights and activations, doubled scaling, EP"
    told = ROWS["fc1-binary"].describe()
    assert told["tau"] == (5e-7, 5e-7)
    assert not {"name", "claim", "reference", "size", "changed"} & set(told)
    assert ROWS["fc1-bptt"].method_name == "binary weights, fixed scaling, BPTT"
    assert isinstance(ROWS["conv-binary"].layers[0], Conv)
    assert isinstance(ROWS["conv-binary"].layers[-1], Dense)
