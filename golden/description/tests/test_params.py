"""Parameters: what presets describe, what derives from it, and what is rejected in which words."""

import json
import re

import pytest
from pydantic import ValidationError

from popflip.golden.description.params import Params, ParamsError
from popflip.golden.description.presets import preset_names

PRESETS = [
    "dense-wide",
    "ecp5-25f",
    "ecp5-25f-leaky",
    "ecp5-25f-pooled",
    "ecp5-45f",
    "ecp5-45f-pooled",
    "ecp5-85f",
    "ecp5-85f-fashion",
    "ecp5-85f-fast",
    "ecp5-85f-leaky",
    "ecp5-85f-pooled",
    "gw1nr-9",
    "gw2ar-18",
    "gw2ar-18-pooled",
    "ice40hx8k",
    "ice40hx8k-pooled",
    "ice40up5k",
    "ice40up5k-pooled",
    "local-large-wide",
    "local-medium",
    "local-medium-sign",
    "local-small",
]


def local():
    """490 hidden neurons with a window of 100 bits, 40 outputs."""
    return Params.load("local-small")


def dense():
    """784-512-100."""
    return Params.load("dense-wide")


# Presets ----------------------------------------------------------------------------------------


def test_preset_names():
    assert preset_names() == PRESETS


@pytest.mark.parametrize(
    ("preset", "sizes", "fan_in", "synapses"),
    [
        ("dense-wide", (784, 512, 100), 784, 452_608),
        ("local-large-wide", (784, 2000, 100), 100, 400_000),
        ("local-small", (784, 490, 40), 100, 68_600),
    ],
)
def test_presets_describe_their_networks(preset, sizes, fan_in, synapses):
    params = Params.load(preset)
    assert params.name == preset
    assert params.sizes == sizes
    assert params.depth == 2
    assert params.fan_in == fan_in
    assert params.n_synapses == synapses


def test_a_file_is_named_after_itself_unless_it_says_otherwise(tmp_path):
    sections = """
        [network]
        hidden = [3]
        [dynamics]
        gains = [1, 1]
        [learning]
        tau = [1, 1]
        [machine]
        row_lanes = 1
        relax_lanes = 1
        latent_lanes = [1, 1]
    """
    (tmp_path / "mine.toml").write_text(sections)
    (tmp_path / "other.toml").write_text('name = "ours"\n' + sections)
    assert Params.load(tmp_path / "mine.toml").name == "mine"
    assert Params.load(str(tmp_path / "other.toml")).name == "ours"
    assert Params.load(tmp_path / "mine.toml").sizes == (784, 3, 10)


# What derives -----------------------------------------------------------------------------------


def test_a_local_layer_may_be_followed_by_dense_ones():
    params = local().replace(
        network={"hidden": [50, 30]},
        dynamics={"gains": [1, 2, 3, 4]},
        learning={"tau": [1, 2, 3, 4]},
        machine={"latent_lanes": [10, 10, 10, 10]},
    )
    assert params.sizes == (784, 490, 50, 30, 40)
    assert params.depth == 4
    assert params.n_synapses == 490 * 100 + 490 * 50 + 50 * 30 + 30 * 40
    # Words of later layers are 40 lanes wide, or what the layer above has.
    assert [params.synapses(l).word_bits for l in range(4)] == [100, 40, 30, 40]
    assert [params.synapses(l).chunks for l in range(4)] == [1, 2, 1, 1]


@pytest.mark.parametrize(
    ("image", "window", "stride", "grid"),
    [
        ([28, 28], 10, 3, (7, 7)),
        ([28, 28], 10, 2, (10, 10)),
        ([28, 28], 28, 1, (1, 1)),
        ([28, 28], 28, 50, (1, 1)),
        ([5, 9], 2, 3, (2, 3)),
        ([3, 4], 1, 1, (3, 4)),
    ],
)
def test_windows_stand_wherever_they_fit(image, window, stride, grid):
    network = {"image": image, "window": window, "stride": stride, "features": 2}
    machine = {"row_lanes": 1, "neuron_lanes": 1, "latent_lanes": [1, 1]}
    params = local().replace(network=network, machine=machine)
    assert params.grid == grid
    assert params.positions == grid[0] * grid[1]
    assert params.sizes[1] == 2 * params.positions
    last = [(n - 1) * stride + window for n in grid]
    assert all(end <= side < end + stride for end, side in zip(last, image, strict=True))


@pytest.mark.parametrize(
    "name", ["", ".hidden", "../up", "a/b", "two\nlines", "nul\0", "m" * 65], ids=repr
)
def test_names_that_make_no_file(name):
    with pytest.raises(ParamsError, match=r"name must be 1 to 64 printable characters"):
        Params.load("local-small").replace(name=name)


def test_networks_that_no_computer_holds():
    small = Params.load("local-small")
    with pytest.raises(ParamsError, match=r"network must have at most 268,435,456 synapses"):
        small.replace(network={"copies": 100_000})
    with pytest.raises(ParamsError, match=r"network\.image\.0 must be at most 1024"):
        small.replace(network={"image": [1_000_000, 28]})
    with pytest.raises(ParamsError, match=r"network\.stride must be at most 1024"):
        small.replace(network={"stride": 10**20})


def test_numbers_for_both_directions():
    network = {"image": [1, 40], "window": [1, 9], "stride": [1, 3], "features": 2, "pool": [1, 5]}
    params = local().replace(network=network, machine={"row_lanes": 1, "latent_lanes": [1, 1]})
    assert (params.grid, params.fan_in, params.first_layer.offsets) == ((1, 11), 9, 5)
    assert params.network.window == (1, 9)
    assert Params.build(params.model_dump(mode="json")) == params
    # Two equal numbers are the one that they have always been.
    square = local().replace(network={"window": [10, 10], "stride": [3, 3], "pool": [1, 1]})
    assert (square.network.window, square.digest) == (10, local().digest)


def test_digests_of_older_networks_stay():
    tree = local().model_dump(mode="json")
    assert not {"pool", "sharing"} & tree["network"].keys()
    assert not {"first_latent_bits", "hold_nudge"} & tree["learning"].keys()
    digests = {local().digest}
    for changes in (
        {"network": {"pool": 3}},
        {"network": {"sharing": "full"}},
        {"learning": {"first_latent_bits": 16}},
        {"learning": {"hold_nudge": True}},
    ):
        digests.add(local().replace(**changes).digest)
    assert len(digests) == 5


def test_shared_weights_have_a_row_for_each_feature():
    plain, params = local(), local().replace(network={"sharing": "full", "pool": 3})
    assert params.sizes == plain.sizes
    shape, features = params.synapses(0), params.network.features
    assert (shape.rows, shape.row_bits) == (features, params.fan_in)
    assert shape.weight_depth * shape.banks >= features
    assert params.n_synapses == features * params.fan_in + params.sizes[1] * params.n_out


def test_latents_of_the_first_layer_may_be_wider():
    params = local().replace(learning={"latent_bits": 6, "first_latent_bits": 16, "tau": [600, 6]})
    assert [params.synapses(layer).latent_bits for layer in (0, 1)] == [16, 6]
    assert params.learning.tau_in_epoch(0) == (600, 6)
    learning = params.replace(learning={"tau_growth": 100.0}).learning
    assert learning.tau_in_epoch(5) == (600 * 32, 31)
    assert learning.tau_in_epoch(10**5) == (32767, 31)


def test_planes_multiply_the_input_bits():
    params = local().replace(network={"thresholds": [85, 170]})
    assert (params.planes, params.n_in, params.fan_in) == (2, 1568, 200)
    assert dense().replace(network={"thresholds": [1, 2, 3]}).fan_in == 3 * 784


@pytest.mark.parametrize(
    ("code", "threshold", "expected"),
    [("heaviside", None, 128), ("sign", None, 0), ("heaviside", 0, 0), ("sign", -5, -5)],
)
def test_threshold_of_hidden_neurons(code, threshold, expected):
    params = local().replace(dynamics={"code": code, "threshold": threshold})
    assert params.dynamics.v_max == 256
    assert params.dynamics.hidden_threshold == expected


@pytest.mark.parametrize(
    ("code", "bound", "expected"),
    [
        ("heaviside", 5, (5, 10, 20, 40)),
        ("heaviside", 15, (15, 30, 40)),
        ("heaviside", 40, (40,)),
        ("heaviside", None, (40,)),
        ("sign", 5, (40,)),
        ("sign", None, (40,)),
    ],
)
def test_active_bounds_double_up_to_all_of_layer_2(code, bound, expected):
    params = local().replace(dynamics={"code": code, "active_bound": bound})
    assert params.active_bounds == expected


@pytest.mark.parametrize(("v0", "expected"), [(127, (25, 40)), (128, (40,)), (256, (40,))])
def test_active_bound_is_of_no_use_where_outputs_start_active(v0, expected):
    assert local().replace(dynamics={"v0": v0, "active_bound": 25}).active_bounds == expected
    # Only if layer 2 is the output.
    deeper = local().replace(
        network={"hidden": [50]},
        dynamics={"gains": [1, 1, 1], "v0": v0, "active_bound": 5},
        learning={"tau": [1, 1, 1]},
        machine={"latent_lanes": [1, 1, 1]},
    )
    assert deeper.active_bounds == (5, 10, 20, 40, 50)


def test_margin_bound_by_hand():
    # All 100 inputs and all 40 outputs against the neuron, gains 26 and 9, threshold V / 2.
    assert local().margin_bound == 26 * 100 + 9 * 40 + 128
    # The worst layer counts: here the second, of 490 inputs.
    deeper = local().replace(
        network={"hidden": [50]},
        dynamics={"gains": [1, 2, 3], "threshold": -7},
        learning={"tau": [1, 1, 1]},
        machine={"latent_lanes": [1, 1, 1]},
    )
    assert deeper.margin_bound == max(1 * 100 + 2 * 50, 2 * 490 + 3 * 40) + 7


def test_latents_saturate_symmetrically_and_tau_grows_up_to_there():
    learning = local().replace(learning={"tau_growth": 50.0}).learning
    assert learning.latent_max == 127
    assert learning.tau_in_epoch(0) == (12, 8)
    assert learning.tau_in_epoch(1) == (18, 12)
    assert learning.tau_in_epoch(2) == (27, 18)
    assert learning.tau_in_epoch(50) == (127, 127)
    assert learning.tau_in_epoch(10_000) == (127, 127), "beyond floating point"
    assert local().learning.tau_in_epoch(50) == (12, 8)


@pytest.mark.parametrize(
    ("params", "words", "bits", "size"),
    [
        pytest.param(local(), 28, 28, 28 * 4 + 1, id="an image row per word"),
        pytest.param(dense(), 1, 784, 98 + 1, id="a whole row"),
        pytest.param(
            dense().replace(machine={"row_lanes": 100, "latent_lanes": [100, 100]}),
            *(8, 100, 8 * 13 + 1),
            id="a padded chunk",
        ),
    ],
)
def test_stored_samples(params, words, bits, size):
    assert (params.sample_words, params.sample_word_bits) == (words, bits)
    assert params.sample_bytes == size


# Identity ---------------------------------------------------------------------------------------


def test_parameters_are_frozen():
    params = local()
    with pytest.raises(ValidationError, match="Instance is frozen"):
        params.learning.batch = 2
    with pytest.raises(ValidationError, match="Instance is frozen"):
        params.name = "other"


@pytest.mark.parametrize("preset", PRESETS)
def test_parameters_come_back_from_json(preset):
    params = Params.load(preset)
    again = Params.build(json.loads(params.model_dump_json()))
    assert again == params
    assert again.digest == params.digest


def test_the_digest_tells_networks_apart_but_not_names():
    params = local()
    assert params.replace(name="other").digest == params.digest
    assert params.replace(learning={"batch": 2}).digest != params.digest
    assert len({Params.load(preset).digest for preset in PRESETS}) == len(PRESETS)


def test_replace_keeps_the_rest():
    params = local().replace(learning={"batch": 16}, name="mine")
    assert params.learning.batch == 16
    assert params.name == "mine"
    assert params.replace(learning={"batch": 1}, name="local-small") == local()


# Rejections -------------------------------------------------------------------------------------

REJECTED = [
    # network
    ("network", "image", [0, 28], "network.image.0 must be at least 1, not 0"),
    ("network", "image", [28, -1], "network.image.1 must be at least 1, not -1"),
    ("network", "image", [28], "network.image.1 is missing"),
    ("network", "image", [1, 2, 3], "network.image must have at most 2 entries, not 3"),
    ("network", "thresholds", [], "network.thresholds must have at least 1 entry, not 0"),
    ("network", "thresholds", [1] * 9, "network.thresholds must have at most 8 entries, not 9"),
    ("network", "thresholds", [255], "network.thresholds.0 must be at most 254, not 255"),
    ("network", "thresholds", [1, -1], "network.thresholds.1 must be at least 0, not -1"),
    ("network", "thresholds", 127, "network.thresholds must be a list, not 127"),
    ("network", "first", "conv", "network.first must be 'dense' or 'local', not 'conv'"),
    (
        *("network", "window", 0),
        "network: window must be at least 1 for a local first layer, not 0",
    ),
    (
        *("network", "stride", 0),
        "network: stride must be at least 1 for a local first layer, not 0",
    ),
    (
        *("network", "features", 0),
        "network: features must be at least 1 for a local first layer, not 0",
    ),
    ("network", "window", -1, "network.window must be at least 0, not -1"),
    ("network", "stride", -1, "network.stride must be at least 0, not -1"),
    ("network", "features", -1, "network.features must be at least 0, not -1"),
    (
        *("network", "window", 29),
        "network: window must be at most the image's shorter side, 28, not 29",
    ),
    (
        *("network", "image", [28, 9]),
        "network: window must be at most the image's shorter side, 9, not 10",
    ),
    (
        *("network", "window", [28, 29]),
        "network: window must be at most the image's width, 28, not [28, 29]",
    ),
    (
        *("network", "window", [29, 1]),
        "network: window must be at most the image's height, 28, not [29, 1]",
    ),
    (
        *("network", "stride", [0, 2]),
        "network: stride must be at least 1 for a local first layer, not [0, 2]",
    ),
    (
        *("network", "window", [1, 2, 3]),
        "network.window must be one number, or two: down and across, not [1, 2, 3]",
    ),
    ("network", "stride", "2", "network.stride must be a whole number, or two of them, not '2'"),
    (
        *("network", "stride", [True, 2]),
        "network.stride must be a whole number, or two of them, not [True, 2]",
    ),
    ("network", "pool", 0, "network.pool must be at least 1, not 0"),
    ("network", "pool", [3, 17], "network.pool must be at most 16, not [3, 17]"),
    ("network", "sharing", "some", "network.sharing must be 'none' or 'full', not 'some'"),
    ("network", "hidden", [0], "network.hidden.0 must be at least 1, not 0"),
    ("network", "hidden", [1] * 7, "network.hidden must have at most 6 entries, not 7"),
    ("network", "classes", 1, "network.classes must be at least 2, not 1"),
    ("network", "classes", 257, "network.classes must be at most 256, not 257"),
    ("network", "classes", "10", "network.classes must be a whole number, not '10'"),
    ("network", "classes", 10.0, "network.classes must be a whole number, not 10.0"),
    ("network", "classes", True, "network.classes must be a whole number, not True"),
    ("network", "copies", 0, "network.copies must be at least 1, not 0"),
    ("network", "colour", 3, "network.colour is not a parameter"),
    ("network", "pixel_bits", 4, "network.pixel_bits must be 1 or 8, not 4"),
    # dynamics
    ("dynamics", "code", "relu", "dynamics.code must be 'heaviside' or 'sign', not 'relu'"),
    ("dynamics", "kind", "fast", "dynamics.kind must be 'sweeps' or 'leaky', not 'fast'"),
    ("dynamics", "free_sweeps", 0, "dynamics.free_sweeps must be at least 1, not 0"),
    ("dynamics", "free_sweeps", 256, "dynamics.free_sweeps must be at most 255, not 256"),
    (
        *("dynamics", "gains", [1, 2, 3]),
        "dynamics.gains must have 2 entries, one per weight layer, not 3",
    ),
    (
        *("dynamics", "feedback_gains", [3, 4]),
        "dynamics.feedback_gains must have 1 entries, one per weight layer but the first, not 2",
    ),
    (
        *("dynamics", "feedback_gains", [0]),
        "dynamics.feedback_gains.0 must be at least 1, not 0",
    ),
    ("dynamics", "gains", [1], "dynamics.gains must have at least 2 entries, not 1"),
    ("dynamics", "gains", [1, 0], "dynamics.gains.1 must be at least 1, not 0"),
    ("dynamics", "gains", [4097, 1], "dynamics.gains.0 must be at most 4096, not 4097"),
    ("dynamics", "potential_bits", 1, "dynamics.potential_bits must be at least 2, not 1"),
    ("dynamics", "potential_bits", 15, "dynamics.potential_bits must be at most 14, not 15"),
    ("dynamics", "threshold", 1.5, "dynamics.threshold must be a whole number, not 1.5"),
    (
        *("dynamics", "threshold", 2**20 + 1),
        "dynamics.threshold must be at most 1048576, not 1048577",
    ),
    (
        *("dynamics", "threshold", -(2**20) - 1),
        "dynamics.threshold must be at least -1048576, not -1048577",
    ),
    ("dynamics", "v0", -1, "dynamics.v0 must be at least 0, not -1"),
    ("dynamics", "v0", 257, "dynamics: v0 must be 0 to V = 256, not 257"),
    ("dynamics", "active_bound", 0, "dynamics.active_bound must be at least 1, not 0"),
    (
        *("dynamics", "active_bound", 41),
        "dynamics.active_bound must be at most layer 2, 40, not 41",
    ),
    # learning
    (
        *("learning", "nudging", "none"),
        "learning.nudging must be 'centered', 'random-sign' or 'positive', not 'none'",
    ),
    ("learning", "nudged_sweeps", 0, "learning.nudged_sweeps must be at least 1, not 0"),
    ("learning", "nudged_sweeps", 256, "learning.nudged_sweeps must be at most 255, not 256"),
    ("learning", "beta", 0, "learning.beta must be at least 1, not 0"),
    ("learning", "beta", 257, "learning.beta must be at most 256, not 257"),
    ("learning", "latent_bits", 1, "learning.latent_bits must be at least 2, not 1"),
    ("learning", "latent_bits", 17, "learning.latent_bits must be at most 16, not 17"),
    (
        *("learning", "latent_bits", 4),
        "learning: tau[0] must be at most 7, the range of 4-bit latents, not 12",
    ),
    (
        *("learning", "tau", [128, 1]),
        "learning: tau[0] must be at most 127, the range of 8-bit latents, not 128",
    ),
    (
        *("learning", "tau", [1, 128]),
        "learning: tau[1] must be at most 127, the range of 8-bit latents, not 128",
    ),
    (
        *("learning", "tau", [1, 2, 3]),
        "learning.tau must have 2 entries, one per weight layer, not 3",
    ),
    ("learning", "tau", [1], "learning.tau must have at least 2 entries, not 1"),
    ("learning", "tau", [0, 1], "learning.tau.0 must be at least 1, not 0"),
    ("learning", "tau_growth", -0.5, "learning.tau_growth must be at least 0, not -0.5"),
    ("learning", "tau_growth", 101.0, "learning.tau_growth must be at most 100, not 101.0"),
    ("learning", "batch", 0, "learning.batch must be at least 1, not 0"),
    ("learning", "batch", 65536, "learning.batch must be at most 65535, not 65536"),
    ("learning", "reset_on_flip", 1, "learning.reset_on_flip must be true or false, not 1"),
    ("learning", "shift", -1, "learning.shift must be at least 0, not -1"),
    ("learning", "shift", 17, "learning.shift must be at most 16, not 17"),
    # machine
    ("machine", "row_lanes", 0, "machine.row_lanes must be at least 1, not 0"),
    ("machine", "row_lanes", 101, "machine.row_lanes must be at most the fan-in, 100, not 101"),
    ("machine", "neuron_lanes", 0, "machine.neuron_lanes must be at least 1, not 0"),
    (
        *("machine", "neuron_lanes", 11),
        "machine.neuron_lanes must be at most 10, the neurons that share a window, not 11",
    ),
    ("machine", "relax_lanes", 0, "machine.relax_lanes must be at least 1, not 0"),
    (
        *("machine", "relax_lanes", 41),
        "machine.relax_lanes must be at most the widest later layer, 40, not 41",
    ),
    (
        *("machine", "latent_lanes", [101, 1]),
        "machine.latent_lanes[0] must be at most the weight word, 100, not 101",
    ),
    (
        *("machine", "latent_lanes", [1, 41]),
        "machine.latent_lanes[1] must be at most the weight word, 40, not 41",
    ),
    (
        *("machine", "latent_lanes", [1, 1, 1]),
        "machine.latent_lanes must have 2 entries, one per weight layer, not 3",
    ),
    ("machine", "latent_lanes", [1], "machine.latent_lanes must have at least 2 entries, not 1"),
    ("machine", "latent_lanes", [1, 0], "machine.latent_lanes.1 must be at least 1, not 0"),
    ("machine", "serial_windows", 1, "machine.serial_windows must be true or false, not 1"),
    ("machine", "training", 1, "machine.training must be true or false, not 1"),
    ("machine", "uart_divisor", 3, "machine.uart_divisor must be at least 4, not 3"),
    ("machine", "uart_divisor", 65536, "machine.uart_divisor must be at most 65535, not 65536"),
    ("machine", "sample_slots", 0, "machine.sample_slots must be at least 1, not 0"),
    ("machine", "sample_slots", 257, "machine.sample_slots must be at most 256, not 257"),
]


@pytest.mark.parametrize(
    ("section", "name", "value", "message"),
    REJECTED,
    ids=[f"{section}.{name}={value}" for section, name, value, _ in REJECTED],
)
def test_impossible_parameters(section, name, value, message):
    with pytest.raises(ParamsError) as caught:
        local().replace(**{section: {name: value}})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("section", "name", "value", "message"),
    [
        (
            *("network", "window", 3),
            "network: window must be left out for a dense first layer, not 3",
        ),
        (
            *("network", "stride", 1),
            "network: stride must be left out for a dense first layer, not 1",
        ),
        (
            *("network", "features", 2),
            "network: features must be left out for a dense first layer, not 2",
        ),
        (
            *("network", "hidden", []),
            "network: hidden must name at least 1 layer for a dense first layer, not ()",
        ),
        (
            *("machine", "neuron_lanes", 513),
            "machine.neuron_lanes must be at most 512, the neurons that share a window, not 513",
        ),
        (
            *("machine", "serial_windows", True),
            "machine.serial_windows must be false for a dense first layer, not true",
        ),
        ("machine", "row_lanes", 785, "machine.row_lanes must be at most the fan-in, 784, not 785"),
    ],
)
def test_impossible_parameters_of_a_dense_network(section, name, value, message):
    with pytest.raises(ParamsError) as caught:
        dense().replace(**{section: {name: value}})
    assert str(caught.value) == message


def test_serial_windows_need_rows_of_one_word():
    params = local().replace(machine={"serial_windows": True})
    with pytest.raises(ParamsError) as caught:
        params.replace(machine={"row_lanes": 50})
    assert str(caught.value) == (
        "machine.serial_windows must be false for rows of more than one word "
        "(machine.row_lanes 50, fan-in 100), not true"
    )


def test_a_shift_must_leave_something_of_the_image():
    params = local().replace(network={"image": [10, 28]}, learning={"shift": 9})
    with pytest.raises(ParamsError) as caught:
        params.replace(learning={"shift": 10})
    message = "learning.shift must be less than the image's shorter side, 10, not 10"
    assert str(caught.value) == message


def test_an_unknown_section():
    with pytest.raises(ParamsError) as caught:
        local().replace(colours={"red": 1})
    assert str(caught.value) == "colours is not a parameter"


def test_a_date_is_no_number(tmp_path):
    path = tmp_path / "dated.toml"
    path.write_text("[network]\ncopies = 1979-05-27\n")
    with pytest.raises(ParamsError, match=r"^network\.copies must be a whole number, not '1979-"):
        Params.load(path)


def test_several_complaints_are_one_line():
    with pytest.raises(ParamsError) as caught:
        local().replace(network={"copies": 0}, learning={"batch": 0})
    message = "network.copies must be at least 1, not 0; learning.batch must be at least 1, not 0"
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (
            {},
            "network is missing; dynamics is missing; learning is missing",
        ),
        (
            {**local().model_dump(mode="json"), "machine": 3},
            "machine must be a section, not 3",
        ),
        (
            {**local().model_dump(mode="json"), "colour": 3},
            "colour is not a parameter",
        ),
        (
            {**local().model_dump(mode="json"), "name": 3},
            "name must be text, not 3",
        ),
        (
            {**local().model_dump(mode="json"), "dynamics": {}},
            "dynamics.gains is missing",
        ),
    ],
)
def test_trees_that_describe_no_machine(tree, message):
    with pytest.raises(ParamsError) as caught:
        Params.build(tree)
    assert str(caught.value) == message


def test_8_bit_pixels_have_neither_thresholds_nor_signs():
    base = Params.load("local-small").replace(network={"pixel_bits": 8})
    assert base.n_in == 784
    line = r"network: thresholds must be left out for 8-bit pixels, not \[85, 170\]"
    with pytest.raises(ParamsError, match=line):
        base.replace(network={"thresholds": [85, 170]})
    with pytest.raises(ParamsError, match="thresholds must be left out"):
        base.replace(network={"thresholds": [60]})
    line = "dynamics.code must be 'heaviside' for 8-bit pixels, not 'sign'"
    with pytest.raises(ParamsError, match=line):
        base.replace(dynamics={"code": "sign"})


@pytest.mark.parametrize(
    ("pool", "machine", "message"),
    [
        (1, {"pool_lanes": 2}, "machine.pool_lanes must be 1 here, not 2"),
        (3, {"pool_lanes": 2}, "machine.pool_lanes must be 1 or 3 or 9 here, not 2"),
        ([2, 4], {"pool_lanes": 2}, "machine.pool_lanes must be 1 or 4 or 8 here, not 2"),
        (
            3,
            {"pool_lanes": 3, "serial_windows": True},
            "machine.pool_lanes must be 1 with machine.serial_windows, not 3",
        ),
        (
            1,
            {"mask_words": True},
            "machine.mask_words must be false without pooling (network.pool), not true",
        ),
        (
            2,
            {"mask_words": True, "serial_windows": True},
            "machine.mask_words must be false with machine.serial_windows, not true",
        ),
    ],
)
def test_windows_per_cycle(pool, machine, message):
    with pytest.raises(ParamsError, match=f"^{re.escape(message)}$"):
        Params.load("local-small").replace(network={"pool": pool}, machine=machine)


def test_digests_of_machines_without_pooling_stay():
    params = Params.load("local-small")
    assert "pool_lanes" not in params.model_dump()["machine"]
    pooled = params.replace(network={"pool": 3}, machine={"pool_lanes": 9})
    assert pooled.model_dump()["machine"]["pool_lanes"] == 9
    assert (params.looks, params.load_rows, pooled.looks, pooled.load_rows) == (1, 10, 1, 12)
    one = pooled.replace(machine={"pool_lanes": 1})
    assert (one.looks, one.load_rows) == (9, 12)
    serial = one.replace(machine={"serial_windows": True})
    assert (serial.looks, serial.load_rows) == (9, 10)


SHARED = {
    "row_lanes": 100, "neuron_lanes": 1, "relax_lanes": 40, "latent_lanes": [4, 4],
    "weight_slice": 8, "shared_update": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("machine", {"row_lanes": 50}, "machine.row_lanes must be 100 with"),
        ("machine", {"neuron_lanes": 2}, "machine.neuron_lanes must be 1 with"),
        ("machine", {"relax_lanes": 20}, "machine.relax_lanes must be 40 with"),
        ("learning", {"batch": 2}, "learning.batch must be 1 with machine.shared_update, not 2"),
        ("learning", {"reset_on_flip": True}, "learning.reset_on_flip must be false with"),
        ("machine", {"latent_lanes": [4, 8]}, "machine.latent_lanes must be equal with"),
        ("machine", {"weight_slice": 6}, "machine.weight_slice must be a multiple of"),
        ("machine", {"weight_slice": None}, "machine.weight_slice must be a multiple of"),
    ],
)
def test_a_shared_update_engine_takes_whole_rows(section, changes, message):
    params = Params.load("local-small").replace(machine=SHARED)
    with pytest.raises(ParamsError, match=f"^{re.escape(message)}"):
        params.replace(**{section: changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"hidden": [20]}, "dynamics": {"gains": [26, 9, 9]}}, "network.hidden must"),
        ({"dynamics": {"code": "sign", "active_bound": None}}, 'dynamics.code must be "heaviside"'),
        ({"machine": {"serial_windows": True}}, "machine.serial_windows must be false with"),
        ({"machine": {"relax_lanes": 20}}, "machine.relax_lanes must be 40 with machine.overlap"),
    ],
)
def test_an_overlapping_machine_is_of_one_local_layer(changes, message):
    params = Params.load("local-small").replace(machine={"overlap": True})
    if "hidden" in changes.get("network", {}):
        changes |= {"learning": {"tau": [12, 8, 8]}, "machine": {"latent_lanes": [10, 10, 10]}}
    with pytest.raises(ParamsError, match=f"^{re.escape(message)}"):
        params.replace(**changes)


def test_no_dense_machine_overlaps():
    params = Params.load("dense-wide")
    with pytest.raises(ParamsError, match=r"network\.first must be"):
        params.replace(machine={"overlap": True})
